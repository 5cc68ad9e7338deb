"""How a reply goes onto the wire, as values; nothing here knows of a socket.

The sandbox's server acts them out. Whoever puts a `Service` behind a transport in
memory finds a reply's delivery beside it and acts out those it cares for; `Cut` and
`Padded` give the bytes they stand for.
"""

import gzip
import zlib
from collections.abc import Iterator

import attrs
from attrs import validators

_BLOCK = b"0" * 65_536


def pack_gzip(body: bytes) -> bytes:
    """Pack a body as gzip, the same bytes each time."""
    return gzip.compress(body, compresslevel=1, mtime=0)


@attrs.frozen(kw_only=True)
class Whole:
    """The reply goes out as it is.

    Attributes:
        dated: Whether the server adds a Date and a Server header. Without them the
            connection is closed after the reply.
    """

    __module__ = "openfunnel_async.sandbox"

    dated: bool = True


@attrs.frozen(kw_only=True)
class Dropped:
    """The connection ends without a byte of the reply.

    Attributes:
        reset: Whether it is reset (RST) rather than closed (FIN).
    """

    __module__ = "openfunnel_async.sandbox"

    reset: bool = False


def check_keep(_: object, __: object, keep: float) -> None:
    """Refuse a negative number and a broken number of bytes."""
    if keep < 0 or (keep >= 1 and keep != int(keep)):
        raise ValueError(f"keep is a share below 1 or whole bytes, not {keep}")


@attrs.frozen(kw_only=True)
class Cut:
    """The head goes out and a part of the body, then the connection ends.

    Attributes:
        keep: How much of the body goes out: a share below 1, or whole bytes. Its
            last byte never does.
        framed: Whether the head announces the whole body's Content-Length. Without
            one the cut body looks like a whole one.
        gzip: Whether it is a gzip stream that is cut, whatever the client takes.
        reset: Whether the end is a reset rather than a close. What the client has
            not received by then may be lost to it.
    """

    __module__ = "openfunnel_async.sandbox"

    keep: float = attrs.field(default=0.5, validator=check_keep)
    framed: bool = True
    gzip: bool = False
    reset: bool = False

    def parts(self, body: bytes) -> tuple[bytes, bytes]:
        """Part a body, packed if need be, into what goes out and what does not."""
        whole = pack_gzip(body) if self.gzip else body
        given = len(whole) * self.keep if self.keep < 1 else self.keep
        at = max(0, min(int(given), len(whole) - 1))
        return whole[:at], whole[at:]


@attrs.frozen(kw_only=True)
class Late:
    """The whole reply goes out after a pause.

    Attributes:
        seconds: The pause, in the event loop's seconds.
    """

    __module__ = "openfunnel_async.sandbox"

    seconds: float = attrs.field(validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Paced:
    """The head goes out with the first piece of the body, then piece after piece.

    Attributes:
        chunk: Bytes of a piece.
        pause: The event loop's seconds between two pieces.
    """

    __module__ = "openfunnel_async.sandbox"

    chunk: int = attrs.field(validator=validators.ge(1))
    pause: float = attrs.field(validator=validators.ge(0))


@attrs.frozen(kw_only=True)
class Padded:
    """The body, a JSON object, goes out with a key ``padding`` of enormous size.

    All of it is valid JSON; its size is the only thing wrong with it.

    Attributes:
        size: Bytes of the padded body, before packing.
        gzip: Whether it goes out packed, about a thousandth of that, whatever the
            client takes.
    """

    __module__ = "openfunnel_async.sandbox"

    size: int = attrs.field(validator=validators.ge(1))
    gzip: bool = False

    def length(self, body: bytes) -> int:
        """Count the padded body's bytes, before packing."""
        return max(self.size, len(self._start(body)) + len(_END))

    def pieces(self, body: bytes) -> Iterator[bytes]:
        """Return the bytes that go out; some pieces are empty, none is large."""
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
        left = self.length(body) - len(start) - len(_END)
        while left > 0:
            yield _BLOCK[:left]
            left -= len(_BLOCK)
        yield _END

    @staticmethod
    def _start(body: bytes) -> bytes:
        """Open the object again; what is no object with keys gives way to one."""
        kept = body[:-1] + b"," if body[:1] == b"{" and len(body) > 2 else b"{"
        return kept + b'"padding":"'


_END = b'"}'


@attrs.frozen(kw_only=True)
class Garbled:
    """Bytes go out in place of the reply, then the connection is closed.

    Attributes:
        data: The bytes, which need not be HTTP.
    """

    __module__ = "openfunnel_async.sandbox"

    data: bytes


Delivery = Whole | Dropped | Cut | Late | Paced | Padded | Garbled
