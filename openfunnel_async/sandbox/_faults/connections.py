"""Faults of the wire: what becomes of an answer on its way, or of the connection.

Each is a `TargetedFault` around a delivery; see `_deliveries` for what the bytes do.
"""

from typing import Literal

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.deliveries import (
    Cut,
    Delivery,
    Dropped,
    Garbled,
    Late,
    Paced,
    Padded,
    check_keep,
)
from openfunnel_async.sandbox._service.fault import Exchange, TargetedFault
from openfunnel_async.sandbox._service.messages import SandboxReply

_MEGABYTE = 1_000_000

_INSTEAD_OF_A_HEAD = {
    "status_line": b"HTTP/1.1 OK\r\ncontent-type: application/json\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\ncontent-type application/json\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n",
    "http09": b"",
}


def _serve_with_delivery(exchange: Exchange, delivery: Delivery) -> SandboxReply:
    """Let the request take effect; its answer has its own fate."""
    return attrs.evolve(exchange.serve(), delivery=delivery)


@attrs.frozen(kw_only=True)
class LostAnswer(TargetedFault):
    """Lets the request take effect and closes the connection without an answer."""

    __module__ = "openfunnel_async.sandbox"

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and drop what was to be said."""
        return _serve_with_delivery(exchange, Dropped())


@attrs.frozen(kw_only=True)
class ResetConnection(TargetedFault):
    """Resets the connection (RST, not FIN) without an answer.

    Attributes:
        after: ``headers``: as soon as those have been read, the body unread and
            nothing done. ``processing``: once the request has taken effect.
    """

    __module__ = "openfunnel_async.sandbox"

    after: Literal["headers", "processing"] = attrs.field(
        default="processing", validator=validators.in_(("headers", "processing"))
    )

    @property
    def waits_for_body(self) -> bool:
        """Return whether it lets the request take effect."""
        return self.after == "processing"

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve or not, and break off."""
        if self.after == "processing":
            return _serve_with_delivery(exchange, Dropped(reset=True))
        return SandboxReply(status=0, delivery=Dropped(reset=True))


@attrs.frozen(kw_only=True)
class CutBody(TargetedFault):
    """Lets the request take effect and ends the connection in mid-answer.

    Attributes:
        keep: How much of the body goes out: a share below 1, or whole bytes. Its
            last byte never does.
        framed: Whether the head announces the whole body's Content-Length. Without
            one the cut body looks like a whole one.
        gzip: Whether it is a gzip stream that is cut, whatever the client takes.
        reset: Whether the connection is reset rather than closed.
    """

    __module__ = "openfunnel_async.sandbox"

    keep: float = attrs.field(default=0.5, validator=check_keep)
    framed: bool = True
    gzip: bool = False
    reset: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and cut what is said."""
        cut = Cut(keep=self.keep, framed=self.framed, gzip=self.gzip, reset=self.reset)
        return _serve_with_delivery(exchange, cut)


@attrs.frozen(kw_only=True)
class SlowAnswer(TargetedFault):
    """Lets the request take effect and pauses before the status line.

    Attributes:
        delay: The pause in real seconds, those of the event loop: a sandbox's
            ``speed`` does not shorten it.
    """

    __module__ = "openfunnel_async.sandbox"

    delay: float = attrs.field(validator=validators.ge(0))

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and pause."""
        return _serve_with_delivery(exchange, Late(seconds=self.delay))


@attrs.frozen(kw_only=True)
class TrickledBody(TargetedFault):
    """Lets the request take effect and sends the answer's body in dribs.

    Attributes:
        chunk: Bytes of a piece; the first one goes out with the head.
        pause: Real seconds between two pieces, those of the event loop: a sandbox's
            ``speed`` does not shorten them.
    """

    __module__ = "openfunnel_async.sandbox"

    chunk: int = attrs.field(default=1, validator=validators.ge(1))
    pause: float = attrs.field(default=0.01, validator=validators.ge(0))

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and take time."""
        return _serve_with_delivery(exchange, Paced(chunk=self.chunk, pause=self.pause))


@attrs.frozen(kw_only=True)
class OversizedBody(TargetedFault):
    """Lets the request take effect and answers far too much.

    The answer is what it would have been, and a key ``padding`` of zeros beside it;
    so a client that has no limit reads it without complaint. It is made as it is
    sent, never held in memory.

    Attributes:
        megabytes: Its size, before packing.
        gzip: Whether it goes out as a gzip bomb of about a thousandth of that,
            whatever the client takes.
    """

    __module__ = "openfunnel_async.sandbox"

    megabytes: float = attrs.field(default=300.0, validator=validators.gt(0))
    gzip: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and pad what is said."""
        size = max(1, round(self.megabytes * _MEGABYTE))
        return _serve_with_delivery(exchange, Padded(size=size, gzip=self.gzip))


@attrs.frozen(kw_only=True)
class MalformedAnswer(TargetedFault):
    """Lets the request take effect and answers what is no HTTP, then closes.

    Attributes:
        kind: What is wrong: a ``status_line`` without a status, a ``header`` without
            a colon, a ``chunk`` whose size is no number, or the body alone, as in
            HTTP before it had heads (``http09``).
    """

    __module__ = "openfunnel_async.sandbox"

    kind: Literal["status_line", "header", "chunk", "http09"] = attrs.field(
        default="status_line", validator=validators.in_(_INSTEAD_OF_A_HEAD)
    )

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and garble what is said."""
        reply = exchange.serve()
        data = _INSTEAD_OF_A_HEAD[self.kind] + reply.body
        return attrs.evolve(reply, delivery=Garbled(data=data))
