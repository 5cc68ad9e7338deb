"""Faults that change how an answer is delivered, or that close the connection."""

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

_MALFORMED_STARTS = {
    "status_line": b"HTTP/1.1 OK\r\ncontent-type: application/json\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\ncontent-type application/json\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n",
    "http09": b"",
}


def _serve_with_delivery(exchange: Exchange, delivery: Delivery) -> SandboxReply:
    """Let the request take effect, and set the delivery of its answer."""
    return attrs.evolve(exchange.serve(), delivery=delivery)


@attrs.frozen(kw_only=True)
class LostAnswer(TargetedFault):
    """Lets the request take effect and closes the connection without an answer."""

    __module__ = "openfunnel_async.sandbox"

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and drop the answer."""
        return _serve_with_delivery(exchange, Dropped())


@attrs.frozen(kw_only=True)
class ResetConnection(TargetedFault):
    """Resets the connection (RST, not FIN) without an answer.

    Attributes:
        after: ``headers``: when the headers were read; the body is not read and the
            request takes no effect. ``processing``: when the request took effect.
    """

    __module__ = "openfunnel_async.sandbox"

    after: Literal["headers", "processing"] = attrs.field(
        default="processing", validator=validators.in_(("headers", "processing"))
    )

    @property
    def waits_for_body(self) -> bool:
        """Return whether the request takes effect."""
        return self.after == "processing"

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve or not, and reset the connection."""
        if self.after == "processing":
            return _serve_with_delivery(exchange, Dropped(reset=True))
        return SandboxReply(status=0, delivery=Dropped(reset=True))


@attrs.frozen(kw_only=True)
class CutBody(TargetedFault):
    """Lets the request take effect and closes the connection within the answer's body.

    Attributes:
        keep: How much of the body is sent: a share below 1, or a number of bytes. The
            last byte is never sent.
        framed: Whether the head has the Content-Length of the whole body. Without it a
            client cannot see that the body was cut.
        gzip: Whether a gzip stream is cut, whatever the client accepts.
        reset: Whether the connection is reset rather than closed.
    """

    __module__ = "openfunnel_async.sandbox"

    keep: float = attrs.field(default=0.5, validator=check_keep)
    framed: bool = True
    gzip: bool = False
    reset: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and cut the answer."""
        cut = Cut(keep=self.keep, framed=self.framed, gzip=self.gzip, reset=self.reset)
        return _serve_with_delivery(exchange, cut)


@attrs.frozen(kw_only=True)
class SlowAnswer(TargetedFault):
    """Lets the request take effect and pauses before the status line.

    Attributes:
        delay: The pause in seconds of the event loop; the sandbox's ``speed`` does
            not change it.
    """

    __module__ = "openfunnel_async.sandbox"

    delay: float = attrs.field(validator=validators.ge(0))

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and pause."""
        return _serve_with_delivery(exchange, Late(seconds=self.delay))


@attrs.frozen(kw_only=True)
class TrickledBody(TargetedFault):
    """Lets the request take effect and sends the answer's body in small pieces.

    Attributes:
        chunk: Bytes of a piece; the first piece is sent with the head.
        pause: Seconds of the event loop between two pieces; the sandbox's ``speed``
            does not change them.
    """

    __module__ = "openfunnel_async.sandbox"

    chunk: int = attrs.field(default=1, validator=validators.ge(1))
    pause: float = attrs.field(default=0.01, validator=validators.ge(0))

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and send slowly."""
        return _serve_with_delivery(exchange, Paced(chunk=self.chunk, pause=self.pause))


@attrs.frozen(kw_only=True)
class OversizedBody(TargetedFault):
    """Lets the request take effect and answers with an enormous body.

    The answer is the normal one with an additional key ``padding`` full of zeros, so a
    client without a limit reads it without an error. The padding is generated while it
    is sent and is never in memory as a whole.

    Attributes:
        megabytes: The size of the body, before compression.
        gzip: Whether it is sent as a gzip bomb of about a thousandth of that size,
            whatever the client accepts.
    """

    __module__ = "openfunnel_async.sandbox"

    megabytes: float = attrs.field(default=300.0, validator=validators.gt(0))
    gzip: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and pad the answer."""
        size = max(1, round(self.megabytes * _MEGABYTE))
        return _serve_with_delivery(exchange, Padded(size=size, gzip=self.gzip))


@attrs.frozen(kw_only=True)
class MalformedAnswer(TargetedFault):
    """Lets the request take effect and answers with invalid HTTP, then closes.

    Attributes:
        kind: What is wrong: a ``status_line`` without a status, a ``header`` without
            a colon, a ``chunk`` whose size is not a number, or the body without a head
            as in HTTP/0.9 (``http09``).
    """

    __module__ = "openfunnel_async.sandbox"

    kind: Literal["status_line", "header", "chunk", "http09"] = attrs.field(
        default="status_line", validator=validators.in_(_MALFORMED_STARTS)
    )

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and make the answer malformed."""
        reply = exchange.serve()
        data = _MALFORMED_STARTS[self.kind] + reply.body
        return attrs.evolve(reply, delivery=Garbled(data=data))
