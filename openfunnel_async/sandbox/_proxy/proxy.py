"""A TCP proxy on loopback that resets, cuts, trickles and delays by plan."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, cast
from urllib.parse import SplitResult, urlsplit

import attrs
from attrs import validators

from openfunnel_async.sandbox._proxy.bandwidth import BandwidthLimit
from openfunnel_async.sandbox._proxy.link import Bandwidth, Link, Upstream
from openfunnel_async.sandbox._proxy.plans import (
    ConnectionPlan,
    PassThrough,
    ProxyConnection,
)
from openfunnel_async.sandbox._sockets import HOST, bind_port

_DEFAULT_PORTS = {"http": 80, "https": 443}


def _copy_list(plan: Iterable[ConnectionPlan]) -> list[ConnectionPlan]:
    return list(plan)


def _check_upstream(_: object, __: object, url: str) -> None:
    """Refuse an upstream without a host or a port."""
    parts = urlsplit(url)
    if not parts.hostname or not _port(parts):
        raise ValueError(f"an upstream is like http://127.0.0.1:8787, not {url!r}")


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)


@attrs.define(eq=False, kw_only=True, repr=False)
class FaultyProxy:
    """A TCP proxy in front of any address: an async context manager.

    Each connection takes the next plan off the list; those after the last pass
    through. On leaving, every connection is reset and everything closed.

    Example:
        >>> async def main() -> None:
        ...     plan = [ResetAfter(received=0), Trickle(size=10)]
        ...     async with (
        ...         Sandbox() as sandbox,
        ...         FaultyProxy(upstream=sandbox.base_url, plan=plan) as proxy,
        ...     ):
        ...         print(proxy.base_url)

    Attributes:
        upstream: The base URL it stands in front of.
        plan: What happens to the connections to come; may be changed at any time.
        bytes_per_second: A slow line: bytes a second in each direction for all
            connections together, which take turns in chunks of about 20 ms. None
            for no limit.
        port: Its own port, once it runs.

    Raises:
        OSError: On entry, when the upstream's name is not known.
    """

    __module__ = "openfunnel_async.sandbox"

    upstream: str = attrs.field(validator=_check_upstream)
    plan: list[ConnectionPlan] = attrs.field(
        factory=list[ConnectionPlan], converter=_copy_list
    )
    bytes_per_second: float | None = attrs.field(
        default=None, validator=validators.optional(validators.gt(0))
    )
    port: int = attrs.field(init=False, default=0)
    _links: list[Link] = attrs.field(init=False, factory=list[Link])
    _running: set[asyncio.Task[None]] = attrs.field(
        init=False, factory=set["asyncio.Task[None]"]
    )
    _accepting: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _upstream_address: Upstream = attrs.field(init=False)
    _bandwidth: Bandwidth = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Lay the line that the connections share."""
        rate = self.bytes_per_second
        self._bandwidth = Bandwidth(up=BandwidthLimit(rate), down=BandwidthLimit(rate))

    def __repr__(self) -> str:
        """Return where it leads, and how many connections it has seen."""
        return f"<FaultyProxy to {self.upstream}, {len(self._links)} connections>"

    @property
    def base_url(self) -> str:
        """Return the upstream's URL with this proxy's address in it."""
        parts = urlsplit(self.upstream)
        return parts._replace(netloc=f"{HOST}:{self.port}").geturl()

    @property
    def connections(self) -> tuple[ProxyConnection, ...]:
        """Return what has happened to every connection so far, oldest first."""
        return tuple(link.record for link in self._links)

    async def __aenter__(self) -> Self:
        """Start listening."""
        parts = urlsplit(self.upstream)
        (family, *_, address), *_ = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, _port(parts), type=socket.SOCK_STREAM
        )
        self._upstream_address = Upstream(family=family, address=address)
        self._listen(bind_port(0))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and reset what is open; what was seen stays."""
        # In this order every connection accepted is under a task that closes it.
        await self._stop_listening()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    @asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """Refuse every connection meanwhile; those there are go on.

        The port stays this proxy's, but nobody listens: a client's connect fails,
        and no plan is used up.
        """
        await self._stop_listening()
        reserved = bind_port(self.port)
        try:
            yield
        finally:
            self._listen(reserved)

    def silence(self) -> None:
        """Let every connection accepted so far go silent, as after a NAT change.

        They stay open, and neither side learns of it: what a side sends is accepted
        and dropped, and no ending of the other side is passed on. Connections made
        later work.

        A packet filter does not acknowledge what it drops; the system under this
        proxy does. So TCP_USER_TIMEOUT and keep-alive probes notice nothing here.
        """
        for link in self._links:
            link.silence()

    def _listen(self, listener: socket.socket) -> None:
        listener.listen()
        self.port = cast("tuple[str, int]", listener.getsockname())[1]
        self._accepting = asyncio.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        """Accept until `_stop_listening` knocks."""
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                client, _ = await loop.sock_accept(listener)
                if self._accepting is None:
                    client.close()
                    return
                plan = self.plan.pop(0) if self.plan else PassThrough()
                link = Link(plan, self._bandwidth)
                self._links.append(link)
                task = loop.create_task(link.carry(client, self._upstream_address))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _stop_listening(self) -> None:
        """Wake the task that accepts, and let it go.

        A cancellation in the instant of an accept would leave a socket that nobody
        knows, and nobody closes.
        """
        accepting, self._accepting = self._accepting, None
        if accepting is None:
            return
        with socket.socket() as knock:
            knock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(knock, (HOST, self.port))
            await accepting
