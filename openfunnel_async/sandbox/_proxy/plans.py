"""What a `FaultyProxy` does to one connection, and its record of one.

All seconds are seconds of the event loop. All bytes are those of TCP: the proxy does
not parse HTTP, and TLS passes through it too.
"""

from typing import Literal

import attrs
from attrs import validators

_BYTES = validators.optional(validators.ge(0))


@attrs.frozen(kw_only=True)
class PassThrough:
    """Passes on every byte, and the end of each side."""

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class ResetOnAccept:
    """Resets the connection when it is accepted; the upstream is not contacted.

    A client's connect still succeeds, because the operating system accepts it. For a
    connect that is refused see `FaultyProxy.refusing`.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class _AfterBytes:
    """An end after N bytes of one side.

    Attributes:
        sent: Bytes of the client that are passed on; the next one is not.
        received: Bytes of the upstream that are passed on. At 0 the end comes with
            the first byte of the answer: the request took effect.
    """

    sent: int | None = attrs.field(default=None, validator=_BYTES)
    received: int | None = attrs.field(default=None, validator=_BYTES)

    def __attrs_post_init__(self) -> None:
        """Reject both sides, and none."""
        if (self.sent is None) == (self.received is None):
            raise ValueError("give one of sent and received")


@attrs.frozen(kw_only=True)
class ResetAfter(_AfterBytes):
    """Resets both sides after N bytes of one side.

    It is not defined whether an upstream still reads the bytes before a reset.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 the end comes with its
            first byte.
        received: Bytes of the upstream that are passed on; at 0 the end comes with
            the first byte of its answer.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class CutAfter(_AfterBytes):
    """Ends both sides cleanly (FIN) after N bytes of one side.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 the end comes with its
            first byte.
        received: Bytes of the upstream that are passed on; at 0 the end comes with
            the first byte of its answer.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class SilentAfter(_AfterBytes):
    """Makes the connection silent after N bytes of one side.

    It stays open, as after `FaultyProxy.silence`.

    Attributes:
        sent: Bytes of the client that are passed on; at 0 its first byte is not.
        received: Bytes of the upstream that are passed on; at 0 the first byte of
            its answer is not: the request has taken effect.
    """

    __module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class Trickle:
    """Passes the upstream's bytes on in small pieces; the client's at once.

    Attributes:
        size: Bytes of a piece.
        pause: Seconds after each piece.
    """

    __module__ = "openfunnel_async.sandbox"

    size: int = attrs.field(default=1, validator=validators.ge(1))
    pause: float = attrs.field(default=0.01, validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Delay:
    """Delays a connection.

    Attributes:
        connect: Seconds before the proxy connects to the upstream. The client is
            connected by then, because the operating system accepts it.
        first_byte: Seconds before the first byte of the upstream is passed on.
    """

    __module__ = "openfunnel_async.sandbox"

    connect: float = attrs.field(default=0.0, validator=validators.ge(0))
    first_byte: float = attrs.field(default=0.0, validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class CloseIdle:
    """Closes the connection when it is idle after an answer.

    A request sent at that moment is lost, as with every server that closes idle
    connections. A pause inside an answer counts as idle too.

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
        plan: Its plan.
        sent: Bytes of the client that were passed on.
        received: Bytes of the upstream that were passed on.
        ended: What ended it: ``closed``: both sides ended cleanly; ``broken``: one
            side reset it, or the upstream did not answer; ``plan``: the plan;
            ``proxy``: the proxy stopped. None while it is open.
        silent: Whether it became silent.
    """

    __module__ = "openfunnel_async.sandbox"

    plan: ConnectionPlan
    sent: int
    received: int
    ended: Ended | None
    silent: bool = False
