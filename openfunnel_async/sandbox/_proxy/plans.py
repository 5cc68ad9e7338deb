"""What a `FaultyProxy` does to one connection, and what it has seen of one.

All seconds are real ones, those of the event loop. All bytes are those of TCP: the
proxy knows nothing of HTTP, and carries TLS as well.
"""

from typing import Literal

import attrs
from attrs import validators

_BYTES = validators.optional(validators.ge(0))


@attrs.frozen(kw_only=True)
class PassThrough:
    """Carries every byte both ways, and every ending."""

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class ResetOnAccept:
    """Resets the connection as it is made; the upstream never hears of it.

    A client's connect succeeds all the same: the system answers it. For one that
    is refused see `FaultyProxy.refusing`.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class _AfterBytes:
    """An end after so many bytes of one side.

    Attributes:
        sent: Bytes of the client that are passed on; the next one is not.
        received: Bytes of the upstream that are passed on. At 0 the end comes with
            the first byte of the answer: the request has been acted on.
    """

    sent: int | None = attrs.field(default=None, validator=_BYTES)
    received: int | None = attrs.field(default=None, validator=_BYTES)

    def __attrs_post_init__(self) -> None:
        """Ask for the one side whose bytes are counted."""
        if (self.sent is None) == (self.received is None):
            raise ValueError("give one of sent and received")


@attrs.frozen(kw_only=True)
class ResetAfter(_AfterBytes):
    """Resets both sides after so many bytes of one.

    Whether an upstream still acts on bytes a reset follows is a matter of chance.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 the end comes with its
            first byte.
        received: Bytes of the upstream that are passed on; at 0 the end comes with
            the first byte of its answer.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class CutAfter(_AfterBytes):
    """Says a clean good-bye (FIN) to both sides after so many bytes of one.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 the end comes with its
            first byte.
        received: Bytes of the upstream that are passed on; at 0 the end comes with
            the first byte of its answer.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class SilentAfter(_AfterBytes):
    """Goes silent after N bytes of one side, and stays open.

    From then on it is as after `FaultyProxy.silence`.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 its first byte is not.
        received: Bytes of the upstream that are passed on; at 0 the first byte of
            its answer is not: the request has taken effect.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class Trickle:
    """Passes the upstream's bytes on in dribs; the client's go as they come.

    Attributes:
        size: Bytes of a write.
        pause: Seconds after each.
    """

    __module__ = "openfunnel_async.sandbox"

    size: int = attrs.field(default=1, validator=validators.ge(1))
    pause: float = attrs.field(default=0.01, validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Delay:
    """Takes its time, once a connection.

    Attributes:
        connect: Seconds before it connects to the upstream. The client is connected
            meanwhile, which is the system's doing, but nothing is passed on.
        first_byte: Seconds before the first byte of the upstream is passed on.
    """

    __module__ = "openfunnel_async.sandbox"

    connect: float = attrs.field(default=0.0, validator=validators.ge(0))
    first_byte: float = attrs.field(default=0.0, validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class CloseIdle:
    """Closes the connection when it has lain idle after an answer.

    A request sent at that very moment is lost, as with any server that closes its
    idle connections. An answer with a longer pause in it counts as idle, too.

    Attributes:
        after: Seconds without a byte since the upstream's last one.
    """

    __module__ = "openfunnel_async.sandbox"

    after: float = attrs.field(default=0.02, validator=validators.gt(0))


ConnectionPlan = (
    PassThrough
    | ResetOnAccept
    | ResetAfter
    | CutAfter
    | SilentAfter
    | Trickle
    | Delay
    | CloseIdle
)


Ended = Literal["closed", "broken", "plan", "proxy"]


@attrs.frozen(kw_only=True)
class ProxyConnection:
    """One connection a proxy has accepted.

    Attributes:
        plan: What was to happen to it.
        sent: Bytes of the client that were passed on.
        received: Bytes of the upstream that were passed on.
        ended: What ended it: ``closed``: both sides said good-bye; ``broken``: one
            side reset it, or there was no upstream; ``plan``: the plan; ``proxy``:
            the proxy itself ended. None while it is open.
        silent: Whether it went silent.
    """

    __module__ = "openfunnel_async.sandbox"

    plan: ConnectionPlan
    sent: int
    received: int
    ended: Ended | None
    silent: bool = False
