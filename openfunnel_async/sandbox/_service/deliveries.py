"""How a reply is sent, as values without a socket.

The sandbox's server implements them. A transport in memory around a `Service` reads a
reply's delivery and implements those it needs; `Cut` and `Padded` compute their bytes.
"""

import gzip
import zlib
from collections.abc import Iterator

import attrs
from attrs import validators

_BLOCK = b"0" * 65_536


def pack_gzip(body: bytes) -> bytes:
    """Compress a body as gzip; equal bodies give equal bytes."""
    return gzip.compress(body, compresslevel=1, mtime=0)


@attrs.frozen(kw_only=True)
class Whole:
    """The reply is sent unchanged.

    Attributes:
        dated: Whether the server adds a Date and a Server header. If not, it closes the
            connection after the reply.
    """

    __module__ = "openfunnel_async.sandbox"

    dated: bool = True


@attrs.frozen(kw_only=True)
class Dropped:
    """The connection is closed before any byte of the reply.

    Attributes:
        reset: Whether it is reset (RST) instead of closed (FIN).
    """

    __module__ = "openfunnel_async.sandbox"

    reset: bool = False


def check_keep(_: object, __: object, keep: float) -> None:
    """Reject a negative number, and a number of bytes that is not whole."""
    if keep < 0 or (keep >= 1 and keep != int(keep)):
        raise ValueError(f"keep is a share below 1 or whole bytes, not {keep}")


@attrs.frozen(kw_only=True)
class Cut:
    """The head and a part of the body are sent, then the connection is closed.

    Attributes:
        keep: How much of the body is sent: a share below 1, or a number of bytes. The
            last byte is never sent.
        framed: Whether the head has the Content-Length of the whole body. Without it a
            client cannot see that the body was cut.
        gzip: Whether a gzip stream is cut, whatever the client accepts.
        reset: Whether the connection is reset instead of closed. The client can then
            lose bytes that it has not read yet.
    """

    __module__ = "openfunnel_async.sandbox"

    keep: float = attrs.field(default=0.5, validator=check_keep)
    framed: bool = True
    gzip: bool = False
    reset: bool = False

    def parts(self, body: bytes) -> tuple[bytes, bytes]:
        """Split a body, compressed if ``gzip``, into the sent and the lost bytes."""
        whole = pack_gzip(body) if self.gzip else body
        given = len(whole) * self.keep if self.keep < 1 else self.keep
        at = max(0, min(int(given), len(whole) - 1))
        return whole[:at], whole[at:]


@attrs.frozen(kw_only=True)
class Late:
    """The whole reply is sent after a pause.

    Attributes:
        seconds: The pause, in the event loop's seconds.
    """

    __module__ = "openfunnel_async.sandbox"

    seconds: float = attrs.field(validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Paced:
    """The head is sent with the first piece of the body, then one piece at a time.

    Attributes:
        chunk: Bytes of a piece.
        pause: The event loop's seconds between two pieces.
    """

    __module__ = "openfunnel_async.sandbox"

    chunk: int = attrs.field(validator=validators.ge(1))
    pause: float = attrs.field(validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Padded:
    """The body, a JSON object, is sent with a key ``padding`` of enormous size.

    The body is valid JSON; only its size is wrong.

    Attributes:
        size: Bytes of the padded body, before compression.
        gzip: Whether it is sent compressed, to about a thousandth of that, whatever
            the client accepts.
    """

    __module__ = "openfunnel_async.sandbox"

    size: int = attrs.field(validator=validators.ge(1))
    gzip: bool = False

    def length(self, body: bytes) -> int:
        """Return the number of bytes of the padded body, before compression."""
        return max(self.size, len(self._start(body)) + len(_END))

    def pieces(self, body: bytes) -> Iterator[bytes]:
        """Yield the bytes to send; some pieces are empty, none is large."""
        plain = self._plain(body)
        if not self.gzip:
            yield from plain
            return
        packer = zlib.compressobj(wbits=31)
        yield from map(packer.compress, plain)
        yield packer.flush()

    def _plain(self, body: bytes) -> Iterator[bytes]:
        start = self._start(body)
        yield start
        remaining = self.length(body) - len(start) - len(_END)
        while remaining > 0:
            yield _BLOCK[:remaining]
            remaining -= len(_BLOCK)
        yield _END

    @staticmethod
    def _start(body: bytes) -> bytes:
        """Remove the end of the object; replace a body that is not an object."""
        kept = body[:-1] + b"," if body[:1] == b"{" and len(body) > 2 else b"{"
        return kept + b'"padding":"'


_END = b'"}'


@attrs.frozen(kw_only=True)
class Garbled:
    """Other bytes are sent instead of the reply, then the connection is closed.

    Attributes:
        data: The bytes, which need not be valid HTTP.
    """

    __module__ = "openfunnel_async.sandbox"

    data: bytes


Delivery = Whole | Dropped | Cut | Late | Paced | Padded | Garbled
