"""Requests, replies, and the protocol of the transports that carry them.

Tests, proxies and other HTTP stacks implement ``Transport``: it has two methods, takes
complete requests and returns complete replies.
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
    """Text that is hidden in a repr; its parts are also hidden."""

    __module__ = "openfunnel_async"

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<hidden>'"

    def __getitem__(self, place: SupportsIndex | slice) -> "SecretText":
        return SecretText(super().__getitem__(place))

    def __add__(self, other: str) -> "SecretText":
        # Code that shortens a long text joins its beginning and its end.
        return SecretText(super().__add__(other))

    def __radd__(self, other: str) -> "SecretText":
        return SecretText(other + str(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an API key is not pickled; create the client in the process that uses it"
        )


class Headers(dict[str, str]):
    """Header names and values; the values are not in the repr."""

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


# To look up a member of an enum takes 0.1 µs on Python 3.11, 16 times in a poll.
_IDLE = SendState.IDLE
_UNREPORTED = SendState.UNREPORTED
_WAITING = SendState.WAITING
_SENT = SendState.SENT


class SendProgress:
    """Records how far an exchange has come, as far as its transport reports it.

    A transport that has this information calls ``waiting()`` while it has no
    connection, ``sent()`` before the first byte, and ``received()`` as the reply
    arrives. If a transport reports nothing, its request counts as sent from the start,
    and the whole exchange has one time limit.

    Attributes:
        state: How far the current exchange has come.
        was_sent: Whether the request of the last finished exchange may have been sent.
        partial: The part that arrived of a reply that broke off; it may name a job.
    """

    __module__ = "openfunnel_async"

    __slots__ = ("_on_received", "partial", "state", "was_sent")

    def __init__(self, state: SendState = _IDLE) -> None:
        self.state: SendState = state
        self.was_sent: bool = False
        self.partial: WireReply | None = None
        self._on_received: Callable[[int], None] | None = None

    @property
    def may_be_sent(self) -> bool:
        """Whether the service may have received a part of the current request."""
        return self.state is _UNREPORTED or self.state is _SENT

    @property
    def is_reported(self) -> bool:
        """Whether the transport reports how far the current exchange has come."""
        return self.state is _WAITING or self.state is _SENT

    def begin(self) -> None:
        """Record that an exchange begins; its transport may report nothing."""
        self.state = _UNREPORTED
        self.was_sent = False
        self.partial = None

    def waiting(self) -> None:
        """Report that nothing has been sent yet."""
        self.state = _WAITING

    def unsure(self) -> None:
        """Report that it is unknown whether anything is sent.

        Until the next report the request counts as sent.
        """
        self.state = _UNREPORTED

    def sent(self) -> None:
        """Report that from now on the service may receive the request."""
        self.state = _SENT

    def received(self, size: int) -> None:
        """Report that ``size`` more bytes of the reply's body have arrived.

        The time limit of a read starts again with each received KiB.
        """
        if self._on_received is not None:
            self._on_received(size)

    def when_received(self, on_received: Callable[[int], None] | None) -> None:
        """Set a function to call with the size of each chunk of the body."""
        self._on_received = on_received

    def finish(self) -> None:
        """Record that the exchange has ended."""
        self.was_sent = self.may_be_sent
        self.state = _IDLE
        self._on_received = None


def _size(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} bytes>"


@attrs.frozen(kw_only=True, slots=False)
class WireRequest:
    """One request, ready to send.

    Attributes:
        method: ``GET`` or ``POST``.
        origin: Scheme, host and port, for example ``"https://api.openfunnel.dev"``.
        path: The path, already quoted.
        query: Pairs of text, not yet quoted.
        headers: All headers to send; they include the key only while sending.
        body: The bytes to send, or None.
        fresh_connection: Whether a pooled connection must not be used. If the server is
            just closing it, the outcome of a submit would be unknown; if it died
            silently, a job would bill for the whole time limit of its cancel.
        progress: The transport may report here how far it has come.
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


@attrs.frozen(kw_only=True, slots=False)
class WireReply:
    """One complete reply.

    Attributes:
        status_code: The status of the received status line.
        headers: Lower-case names; the values of a repeated header are joined by ", ".
        body: The decoded bytes. A transport stops reading soon after 8 MiB; a larger
            body is refused.
    """

    __module__ = "openfunnel_async"

    status_code: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_names)
    body: bytes = attrs.field(default=b"", repr=_size)

    __repr__ = brief_repr

    @property
    def is_success(self) -> bool:
        """Whether the status is any 2xx."""
        return self.status_code // 100 == 2  # noqa: PLR2004 -- the digit that means success in HTTP


class Transport(Protocol):
    """Sends one request to the service and returns its reply."""

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send the request once and return the complete reply.

        It must not follow redirects, repeat a POST, or add the key in another place.

        Raises:
            TransportError: The exchange failed; ``request_sent`` is False only if
                no byte of the request can have reached the service.

        Cancellation: passes through; the connection is closed.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        ...


class FinalTransportError(TransportError):
    """A failure before anything was sent, which another try cannot cure."""


class UntrustedCertificateError(FinalTransportError):
    """The client refused the server's certificate."""


class ProxyRefusedError(FinalTransportError):
    """A proxy refused to connect: it asks for credentials or forbids the address."""


# If it were set in the class body, it would be a member of the protocol.
Transport.__module__ = "openfunnel_async"
