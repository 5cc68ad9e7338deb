"""Emit events: to the callback of the client, and to the logger.

Both are foreign code that runs in the middle of ours, also of a submit. So nothing that
they raise gets through.

Most programs receive no events, so the classes are imported when there is a receiver.
Until then an event is named by the name of its class.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from openfunnel_async.errors import ConfigurationError

if TYPE_CHECKING:
    from openfunnel_async._values.events import Event

EventName = Literal[
    "CancelAccepted",
    "JobChanged",
    "JobSettled",
    "JobSubmitted",
    "OutageBegan",
    "OutageEnded",
    "RequestFailed",
    "RequestSent",
    "RetryScheduled",
    "Throttled",
]
OnEvent = Callable[["Event"], object]
OnSettled = Callable[[str, Mapping[str, Any]], None]
_logger = logging.getLogger("openfunnel_async")
_AT_INFO = frozenset[EventName](
    {"JobSubmitted", "JobSettled", "CancelAccepted", "OutageBegan", "OutageEnded"}
)


def check_on_event(value: object) -> OnEvent | None:
    """Return a callback that a client may call.

    Raises:
        ConfigurationError: It is not callable, or a coroutine function.
    """
    if value is None:
        return None
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise ConfigurationError("on_event must be a plain function of an event")
    return value


class EventEmitter:
    """Emits the events of one client.

    Args:
        on_event: The callback of the client, if it has one.
        label: The label of all events.
        on_settled: Called with the id of each job that is terminal and the facts of the
            event, whatever else receives it: the Book writes the bill.
    """

    __slots__ = ("_has_failed", "label", "on_event", "on_settled")

    def __init__(
        self,
        on_event: OnEvent | None = None,
        label: str | None = None,
        on_settled: OnSettled | None = None,
    ) -> None:
        if on_event is not None or _logger.isEnabledFor(logging.INFO):
            # Now, and not in the middle of a submit, where an import might fail.
            _event_type("JobSubmitted")
        self.on_event: OnEvent | None = on_event
        self.label: str | None = label
        self.on_settled: OnSettled | None = on_settled
        self._has_failed = False

    def is_wanted(self, name: EventName) -> bool:
        """Whether anything receives events of this name."""
        return self.on_event is not None or _logger.isEnabledFor(_level(name))

    def emit(self, name: EventName, job_id: str | None, /, **facts: object) -> None:
        """Build the event and deliver it, if anything receives it; never raises."""
        if self.on_settled is not None and name == "JobSettled":
            self._guard(name, partial(self.on_settled, str(job_id), facts))
        event: Event | None = None

        def build() -> None:
            nonlocal event
            if self.is_wanted(name):
                at = asyncio.get_running_loop().time()
                new = _event_type(name)
                event = new(at=at, job_id=job_id, label=self.label, **facts)

        self._guard(name, build)
        if event is None:
            return
        self._guard(name, partial(_write, name, event))
        if self.on_event is not None:
            self._guard(name, partial(_deliver, self.on_event, event))

    def _guard(self, name: EventName, step: Callable[[], None]) -> None:
        """Do one step of an emission; what it raises is logged once and ignored.

        A CancelledError that it raises is an error of the receiver: our code does not
        await anything here. A KeyboardInterrupt reaches the event loop a moment later,
        when it cannot cost the id of a job any more.
        """
        try:
            step()
        except (KeyboardInterrupt, SystemExit) as exc:
            asyncio.get_running_loop().call_soon(_raise, exc)
        except BaseException as exc:  # noqa: BLE001 -- a seam: foreign code must not break a submit
            self._log_failure(name, exc)

    def _log_failure(self, name: EventName, exc: BaseException) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        # A handler of the log may be what has failed.
        with contextlib.suppress(BaseException):
            _logger.error(
                "a receiver of events failed with a %s, which is ignored; further "
                "failures are not logged",
                name,
                exc_info=exc,
            )


def _event_type(name: EventName) -> "Callable[..., Event]":
    """Return the class of that name; it is imported for the first event."""
    from openfunnel_async._values import events  # noqa: PLC0415 -- for those who receive events

    found: Callable[..., Event] = getattr(events, name)
    return found


def _level(name: EventName) -> int:
    return logging.INFO if name in _AT_INFO else logging.DEBUG


def _write(name: EventName, event: "Event") -> None:
    _logger.log(_level(name), "%s", event)


def _deliver(receive: OnEvent, event: "Event") -> None:
    """Call the receiver; raise if it was a coroutine by accident, never awaited."""
    outcome = receive(event)
    if inspect.isawaitable(outcome):
        if inspect.iscoroutine(outcome):
            outcome.close()
        raise TypeError("on_event must be a plain function, not a coroutine")


def _raise(exc: BaseException) -> None:
    raise exc
