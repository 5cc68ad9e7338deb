"""One connection through a proxy, carried from its accept to its end."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import attrs

from openfunnel_async.sandbox._proxy.bandwidth import BandwidthLimit
from openfunnel_async.sandbox._proxy.plans import (
    CloseIdle,
    ConnectionPlan,
    CutAfter,
    Delay,
    Ended,
    ProxyConnection,
    ResetAfter,
    ResetOnAccept,
    SilentAfter,
    Trickle,
)
from openfunnel_async.sandbox._sockets import reset_on_close

_READ_SIZE = 65_536


@attrs.frozen(kw_only=True)
class Upstream:
    """Where a proxy's connections lead.

    Attributes:
        family: The address family, as the socket module numbers them.
        address: The address, as that family writes them.
    """

    family: int
    address: tuple[object, ...]


@attrs.frozen(kw_only=True)
class Bandwidth:
    """The line to the upstream and the line back, shared by all connections.

    Attributes:
        up: The way to the upstream.
        down: The way back.
    """

    up: BandwidthLimit
    down: BandwidthLimit


class _PlanEnds(Exception):  # noqa: N818 -- a turn of events, not an error
    """The plan has come to the end of the connection."""


@attrs.define(eq=False)
class _Direction:
    """One direction, which may end after so many bytes."""

    bandwidth: BandwidthLimit
    limit: int | None = None
    passed: int = 0

    async def put(self, data: bytes, to: socket.socket) -> None:
        """Pass bytes on, as many as may.

        Raises:
            _PlanEnds: Those were the last.
        """
        left = None if self.limit is None else self.limit - self.passed
        allowed = data[:left]
        await self.bandwidth.turn(len(allowed))
        await asyncio.get_running_loop().sock_sendall(to, allowed)
        self.passed += len(allowed)
        if self.passed == self.limit:
            raise _PlanEnds


@attrs.define(eq=False)
class Link:
    """A connection of a client's and one to the upstream, and what is between."""

    plan: ConnectionPlan
    bandwidth: Bandwidth
    _up: _Direction = attrs.field(init=False)
    _down: _Direction = attrs.field(init=False)
    _idle: asyncio.Timeout | None = attrs.field(init=False, default=None)
    _ended: Ended | None = attrs.field(init=False, default=None)
    _silent: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        sent = received = None
        if isinstance(self.plan, ResetAfter | CutAfter | SilentAfter):
            sent, received = self.plan.sent, self.plan.received
        self._up = _Direction(self.bandwidth.up, sent)
        self._down = _Direction(self.bandwidth.down, received)

    @property
    def record(self) -> ProxyConnection:
        """Return what has happened so far."""
        return ProxyConnection(
            plan=self.plan,
            sent=self._up.passed,
            received=self._down.passed,
            ended=self._ended,
            silent=self._silent,
        )

    def silence(self) -> None:
        """Pass nothing on from now on, and no ending, but keep reading."""
        if self._ended is not None:
            return
        self._silent = True
        if self._idle is not None and not self._idle.expired():
            self._idle.reschedule(None)

    async def carry(self, client: socket.socket, upstream: Upstream) -> None:
        """Carry the connection to its end, and close both of its sockets."""
        with client, socket.socket(upstream.family, socket.SOCK_STREAM) as far:
            for side in (client, far):
                side.setblocking(False)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ended: Ended = "proxy"
            try:
                ended = await self._run_to_end(client, far, upstream)
            finally:
                self._ended = ended
                # A socket whose other side has gone may take no orders any more.
                with suppress(OSError):
                    await self._part(client, far)

    async def _run_to_end(
        self, client: socket.socket, far: socket.socket, upstream: Upstream
    ) -> Ended:
        """Carry the connection, and tell what ended it."""
        try:
            await self._connect_and_pass(client, far, upstream)
        except _PlanEnds:
            return "plan"
        except OSError:
            return "broken"
        return "closed"

    async def _connect_and_pass(
        self, client: socket.socket, far: socket.socket, upstream: Upstream
    ) -> None:
        if isinstance(self.plan, ResetOnAccept):
            raise _PlanEnds
        if isinstance(self.plan, Delay):
            await asyncio.sleep(self.plan.connect)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(far, upstream.address)
        # No TaskGroup: below Python 3.13 it can use a cancellation up.
        ways = (
            loop.create_task(self._carry_up(client, far)),
            loop.create_task(self._carry_down(far, client)),
        )
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_up(self, client: socket.socket, far: socket.socket) -> None:
        try:
            while data := await self._receive(client):
                await self._pass_on(self._up, data, far)
        except OSError:
            if not self._silent:
                raise
        if not self._silent:
            far.shutdown(socket.SHUT_WR)

    async def _pass_on(self, way: _Direction, data: bytes, to: socket.socket) -> None:
        """Pass bytes on in turns; those of a silent connection are dropped."""
        for chunk in way.bandwidth.chunks(data):
            if self._silent:
                return
            try:
                await way.put(chunk, to)
            except _PlanEnds:
                if not isinstance(self.plan, SilentAfter):
                    raise
                self.silence()

    async def _receive(self, client: socket.socket) -> bytes:
        """Wait for the client; for how long, the other way says as bytes pass."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as self._idle:
                return await loop.sock_recv(client, _READ_SIZE)
        except TimeoutError:
            raise _PlanEnds from None
        finally:
            self._idle = None

    async def _carry_down(self, far: socket.socket, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(far, _READ_SIZE):
                await self._answer(data, client)
                self._count_idle(loop.time())
        except OSError:
            if not self._silent:
                raise
        if not self._silent:
            client.shutdown(socket.SHUT_WR)

    async def _answer(self, data: bytes, client: socket.socket) -> None:
        if isinstance(self.plan, Delay) and not self._down.passed:
            await asyncio.sleep(self.plan.first_byte)
        for piece in self._pieces(data):
            await self._pass_on(self._down, piece, client)
            if isinstance(self.plan, Trickle) and not self._silent:
                await asyncio.sleep(self.plan.pause)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.plan.size if isinstance(self.plan, Trickle) else len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    def _count_idle(self, now: float) -> None:
        """Count the time without a byte from now on."""
        if not isinstance(self.plan, CloseIdle) or self._idle is None or self._silent:
            return
        if not self._idle.expired():
            self._idle.reschedule(now + self.plan.after)

    async def _part(self, client: socket.socket, far: socket.socket) -> None:
        """Make the closing that follows a good-bye or a reset."""
        if self._ended == "plan" and isinstance(self.plan, CutAfter):
            far.close()
            await _close_cleanly(client)
        elif self._ended != "closed" and not self._ended_idle:
            for side in (client, far):
                reset_on_close(side)

    @property
    def _ended_idle(self) -> bool:
        return self._ended == "plan" and isinstance(self.plan, CloseIdle)


async def _close_cleanly(client: socket.socket) -> None:
    """Hear the client out: closing on what it still says would be a reset."""
    client.shutdown(socket.SHUT_WR)
    while await asyncio.get_running_loop().sock_recv(client, _READ_SIZE):
        pass
