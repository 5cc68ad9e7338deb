"""What goes over the wire, and the seam that carries it.

``Transport`` is the place for tests, proxies and other HTTP stacks: two methods,
whole requests in and whole replies out.
"""

import enum
from collections.abc import Callable, Mapping
from itertools import islice
from typing import NoReturn, Protocol, Self, SupportsIndex
from urllib.parse import urlencode

import attrs

from openfunnel_async._text import brief_repr, escaped
from openfunnel_async.errors import TransportError

API_KEY_HEADER = "x-api-key"
# Bytes of a decoded body; nothing larger is read or trusted.
MAX_BODY = 8 * 1024 * 1024
_MOST_NAMES = 50


class SecretText(str):
    """Text that does not show itself in a repr, and neither do its parts."""

    __module__ = "openfunnel_async"

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<hidden>'"

    def __getitem__(self, place: SupportsIndex | slice) -> "SecretText":
        return SecretText(super().__getitem__(place))

    def __add__(self, other: str) -> "SecretText":
        # Whatever shortens a long text joins its beginning to its end.
        return SecretText(super().__add__(other))

    def __radd__(self, other: str) -> "SecretText":
        return SecretText(other + str(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled; make the client where it is used")


class Headers(dict[str, str]):
    """Header names and values; the values stay out of the repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<headers {_names(self)}>"


def _names(headers: Mapping[str, str]) -> str:
    return escaped(", ".join(islice(headers, _MOST_NAMES)), 200) or "none"


class SendState(enum.Enum):
    """How far an exchange has come, as its transport reports it."""

    IDLE = "idle"
    UNREPORTED = "unreported"
    WAITING = "waiting"
    SENT = "sent"


class SendProgress:
    """Where a transport may report how far it has come.

    A transport that knows calls ``waiting()`` while it has no connection, ``sent()``
    before the first byte, and ``received()`` as the reply arrives. One that reports
    nothing is taken to send from the start, and its exchange has one time limit for
    the whole of it.

    Attributes:
        state: How far the exchange under way has come.
        was_sent: Whether the last exchange that ended may have been sent.
        partial: What had come of a reply that broke off; it may name a job.
    """

    __module__ = "openfunnel_async"

    __slots__ = ("_on_received", "partial", "state", "was_sent")

    def __init__(self, state: SendState = SendState.IDLE) -> None:
        self.state: SendState = state
        self.was_sent: bool = False
        self.partial: WireReply | None = None
        self._on_received: Callable[[int], None] | None = None

    @property
    def may_be_sent(self) -> bool:
        """Whether the service may have seen a part of the request under way."""
        return self.state is SendState.UNREPORTED or self.state is SendState.SENT

    @property
    def is_reported(self) -> bool:
        """Whether the transport says how far the exchange under way has come."""
        return self.state is SendState.WAITING or self.state is SendState.SENT

    def begin(self) -> None:
        """Note that an exchange begins, with a transport that may say no more."""
        self.state = SendState.UNREPORTED
        self.was_sent = False
        self.partial = None

    def waiting(self) -> None:
        """Report that nothing is sent yet."""
        self.state = SendState.WAITING

    def unsure(self) -> None:
        """Report that from now on nothing is known until the next report.

        Until then the request counts as sent.
        """
        self.state = SendState.UNREPORTED

    def sent(self) -> None:
        """Report that from now on the service may see the request."""
        self.state = SendState.SENT

    def received(self, size: int) -> None:
        """Report that ``size`` more bytes of the reply's body have arrived.

        The time limit of a read counts again from each received KiB.
        """
        if self._on_received is not None:
            self._on_received(size)

    def when_received(self, on_received: Callable[[int], None] | None) -> None:
        """Set what is called with the size of each piece of the body."""
        self._on_received = on_received

    def finish(self) -> None:
        """Note that no exchange is under way."""
        self.was_sent = self.may_be_sent
        self.state = SendState.IDLE
        self._on_received = None


def _size(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} bytes>"


@attrs.frozen(kw_only=True)
class WireRequest:
    """One request, ready to send.

    Attributes:
        method: ``GET`` or ``POST``.
        origin: Scheme, host and port, for example ``"https://api.openfunnel.dev"``.
        path: The path, already quoted.
        query: Pairs of text, not yet quoted.
        headers: All headers to send; the key is among them only while sending.
        body: The bytes to send, or None.
        fresh_connection: Whether a pooled connection must not be used: one that
            the server is just closing would make a submit's outcome unknowable, and
            one that died silently would let a job bill on for the whole time limit
            of its cancel.
        progress: Where the transport may note how far it has come.
    """

    __module__ = "openfunnel_async"

    method: str
    origin: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=Headers)
    body: bytes | None = attrs.field(default=None, repr=_size)
    fresh_connection: bool = False
    progress: SendProgress = attrs.field(factory=SendProgress, eq=False, repr=False)

    __repr__ = brief_repr

    @property
    def url(self) -> str:
        """The whole address, the query quoted."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{self.origin}{self.path}{query}"


@attrs.frozen(kw_only=True)
class WireReply:
    """One complete reply.

    Attributes:
        status_code: From a status line that was really received.
        headers: Lower-case names; the values of a repeated header are joined by ", ".
        body: The decoded bytes. A transport stops reading soon after 8 MiB; the
            reader refuses what is larger.
    """

    __module__ = "openfunnel_async"

    status_code: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_names)
    body: bytes = attrs.field(default=b"", repr=_size)

    __repr__ = brief_repr

    @property
    def is_success(self) -> bool:
        """Whether the status is any 2xx."""
        return self.status_code // 100 == 2  # noqa: PLR2004 -- as HTTP counts


class Transport(Protocol):
    """Carry one request to the service and its reply back."""

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send the request once and return the complete reply.

        Must not follow redirects, repeat a POST, or add the key anywhere else.

        Raises:
            TransportError: The exchange failed; ``request_sent`` is False only if
                no byte of the request can have reached the service.

        Cancellation: passes through; the connection in use is closed.
        """
        ...

    async def aclose(self) -> None:
        """Let go of all connections; calling again does nothing."""
        ...


class FinalTransportError(TransportError):
    """A failure before anything was sent that trying again cannot cure."""


class UntrustedCertificateError(FinalTransportError):
    """The server's certificate was refused."""


class ProxyRefusedError(FinalTransportError):
    """A proxy refused to connect: it asks for credentials, or forbids it."""


# In its body it would be one of the protocol's members.
Transport.__module__ = "openfunnel_async"
