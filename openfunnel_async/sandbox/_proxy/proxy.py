"""The proxy: it listens, and gives each connection its plan."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, cast
from urllib.parse import SplitResult, urlsplit

import attrs
from attrs import validators

from openfunnel_async.sandbox._proxy.bandwidth import Bandwidth, BandwidthLimit
from openfunnel_async.sandbox._proxy.link import Link, Upstream
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
    """Reject an upstream without a host or a port."""
    parts = urlsplit(url)
    if not parts.hostname or not _port(parts):
        raise ValueError(f"an upstream is like http://127.0.0.1:8787, not {url!r}")


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)


@attrs.define(eq=False, kw_only=True, repr=False)
class FaultyProxy:
    """A TCP proxy in front of any server: an async context manager.

    Each connection takes the next plan from the list; connections after the last plan
    pass through. On exit the proxy resets every connection and closes its port.

    Example:
        >>> async def main() -> None:
        ...     plan = [ResetAfter(received=0), Trickle(size=10)]
        ...     async with (
        ...         Sandbox() as sandbox,
        ...         FaultyProxy(upstream=sandbox.base_url, plan=plan) as proxy,
        ...     ):
        ...         print(proxy.base_url)

    Attributes:
        upstream: The base URL of the server.
        plan: The plans of the next connections; may be changed at any time.
        bytes_per_second: The bandwidth in each direction, which all connections share
            in turns of about 20 ms. None for no limit.
        port: The port of the proxy, while it runs.

    Raises:
        OSError: On entry, when the upstream's name cannot be resolved.
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
        init=False, factory=set[asyncio.Task[None]]
    )
    _accepting: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _upstream_address: Upstream = attrs.field(init=False)
    _bandwidth: Bandwidth = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the bandwidth that the connections share."""
        rate = self.bytes_per_second
        self._bandwidth = Bandwidth(up=BandwidthLimit(rate), down=BandwidthLimit(rate))

    def __repr__(self) -> str:
        """Show the upstream and the number of connections so far."""
        return f"<FaultyProxy to {self.upstream}, {len(self._links)} connections>"

    @property
    def base_url(self) -> str:
        """Return the upstream's URL with the address of this proxy."""
        parts = urlsplit(self.upstream)
        return parts._replace(netloc=f"{HOST}:{self.port}").geturl()

    @property
    def connections(self) -> tuple[ProxyConnection, ...]:
        """Return a record of every connection so far, oldest first."""
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
        """Stop listening and reset every open connection; the records stay."""
        # In this order every accepted connection has a task that closes it.
        await self._stop_listening()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    @asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """Refuse new connections inside this context; open ones continue.

        The port stays bound but nothing listens on it: a client's connect fails, and
        no plan is used.
        """
        await self._stop_listening()
        reserved = bind_port(self.port)
        try:
            yield
        finally:
            self._listen(reserved)

    def silence(self) -> None:
        """Make every connection accepted so far silent, as after a NAT change.

        They stay open, and neither side is notified: bytes that a side sends are
        accepted and dropped, and the end of one side is not passed to the other.
        Connections made later work.

        A packet filter does not acknowledge what it drops; the operating system of
        this proxy does. So TCP_USER_TIMEOUT and keep-alive probes detect nothing.
        """
        for link in self._links:
            link.silence()

    def _listen(self, listener: socket.socket) -> None:
        listener.listen()
        self.port = cast("tuple[str, int]", listener.getsockname())[1]
        self._accepting = asyncio.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        """Accept connections until `_stop_listening` connects."""
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
                task = loop.create_task(link.run(client, self._upstream_address))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _stop_listening(self) -> None:
        """End the accepting task by a connection of our own.

        A cancellation at the moment of an accept would leave a socket that nothing
        closes.
        """
        accepting, self._accepting = self._accepting, None
        if accepting is None:
            return
        with socket.socket() as waker:
            waker.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(waker, (HOST, self.port))
            await accepting
