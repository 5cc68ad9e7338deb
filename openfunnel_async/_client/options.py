"""The options that clients may have of their own when they share connections.

``OpenFunnel.with_options()`` returns such a client. The options of the shared parts
(the key, the address, the connections, the limits) are those of the first client.
"""

from typing import Any, NamedTuple, TypedDict, cast

from openfunnel_async._protocol.event_emitter import (
    EventEmitter,
    OnEvent,
    check_on_event,
)
from openfunnel_async._values.checks import (
    check_kind,
    check_text,
    check_timeout,
    check_whole,
)
from openfunnel_async._values.policies import PollPolicy
from openfunnel_async.errors import ConfigurationError

_MOST_AHEAD = 64
_LONGEST_LABEL = 200


class HandleOptions(TypedDict, total=False):
    """What ``OpenFunnel.with_options()`` takes."""

    polling: PollPolicy
    wait_timeout: float | None
    read_ahead: int
    on_event: OnEvent | None
    label: str | None


class HandleSettings(NamedTuple):
    """The options of a client's handles, checked.

    Attributes:
        polling: How waits are paced.
        wait_timeout: Seconds a wait takes by default; None for ever.
        read_ahead: Most pages to read ahead at a time.
        emitter: Delivers the events.
    """

    polling: PollPolicy
    wait_timeout: float | None
    read_ahead: int
    emitter: EventEmitter

    @classmethod
    def checked(
        cls,
        *,
        polling: PollPolicy,
        wait_timeout: float | None,
        read_ahead: int,
        emitter: EventEmitter,
    ) -> "HandleSettings":
        """Return the settings.

        Raises:
            ConfigurationError: An option is invalid.
        """
        return cls(
            polling=check_kind("polling", polling, PollPolicy),
            wait_timeout=check_timeout(wait_timeout),
            read_ahead=check_whole("read_ahead", read_ahead, 1, _MOST_AHEAD),
            emitter=emitter,
        )

    def changed(self, options: HandleOptions) -> "HandleSettings":
        """Return the settings with some options in place of these.

        Raises:
            ConfigurationError: An option is invalid, unknown, or one of the parts that
                clients share.
        """
        given = cast("dict[str, Any]", options)
        _check_names(given)
        emitter = self.emitter
        if "on_event" in given or "label" in given:
            emitter = EventEmitter(
                check_on_event(given.pop("on_event", emitter.on_event)),
                _check_label(given.pop("label", emitter.label)),
                emitter.on_settled,
            )
        return self.checked(**(self._replace(emitter=emitter)._asdict() | given))


def _check_names(given: dict[str, Any]) -> None:
    wrong = sorted(given.keys() - HandleOptions.__annotations__.keys())
    if not wrong:
        return
    # One of them may be a key, and no frame of a traceback keeps it.
    given.clear()
    possible = ", ".join(HandleOptions.__annotations__)
    raise ConfigurationError(
        f"with_options() cannot change {', '.join(wrong)}: the client that it returns "
        f"shares the key, the connections and the limits with this one. It takes "
        f"{possible}; for anything else make another OpenFunnel"
    )


def _check_label(label: object) -> str | None:
    if label is None:
        return None
    check_text("label", label, _LONGEST_LABEL)
    return str(label)
