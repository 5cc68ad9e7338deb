"""One connection through a proxy, from its accept to its end."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import attrs

from openfunnel_async.sandbox._proxy.bandwidth import Bandwidth, BandwidthLimit
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
    """The address that a proxy connects to.

    Attributes:
        family: The address family, a number of the socket module.
        address: The address, in the form of that family.
    """

    family: int
    address: tuple[object, ...]


class _PlanEnds(Exception):  # noqa: N818 -- a signal, not an error
    """The plan ends the connection now."""


@attrs.define(eq=False)
class _Direction:
    """One direction of a connection, which may end after N bytes."""

    bandwidth: BandwidthLimit
    limit: int | None = None
    passed: int = 0

    async def send(self, data: bytes, to: socket.socket) -> None:
        """Pass bytes on, up to the limit.

        Raises:
            _PlanEnds: The limit is reached.
        """
        left = None if self.limit is None else self.limit - self.passed
        allowed = data[:left]
        await self.bandwidth.wait_for_turn(len(allowed))
        await asyncio.get_running_loop().sock_sendall(to, allowed)
        self.passed += len(allowed)
        if self.passed == self.limit:
            raise _PlanEnds


@attrs.define(eq=False)
class Link:
    """The connection of a client and its connection to the upstream."""

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
        """Return a record of the connection so far."""
        return ProxyConnection(
            plan=self.plan,
            sent=self._up.passed,
            received=self._down.passed,
            ended=self._ended,
            silent=self._silent,
        )

    def silence(self) -> None:
        """Stop passing on bytes and ends of sides from now on, but continue to read."""
        if self._ended is not None:
            return
        self._silent = True
        if self._idle is not None and not self._idle.expired():
            self._idle.reschedule(None)

    async def run(self, client: socket.socket, upstream: Upstream) -> None:
        """Run the connection to its end, and close both of its sockets."""
        with client, socket.socket(upstream.family, socket.SOCK_STREAM) as far:
            for side in (client, far):
                side.setblocking(False)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ended: Ended = "proxy"
            try:
                ended = await self._run_to_end(client, far, upstream)
            finally:
                self._ended = ended
                # A socket option can fail when the other side has disconnected.
                with suppress(OSError):
                    await self._prepare_close(client, far)

    async def _run_to_end(
        self, client: socket.socket, far: socket.socket, upstream: Upstream
    ) -> Ended:
        """Run the connection, and return what ended it."""
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
        # No TaskGroup: below Python 3.13 it can swallow a cancellation.
        tasks = (
            loop.create_task(self._pass_up(client, far)),
            loop.create_task(self._pass_down(far, client)),
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_up(self, client: socket.socket, far: socket.socket) -> None:
        try:
            while data := await self._receive(client):
                await self._pass_on(self._up, data, far)
        except OSError:
            if not self._silent:
                raise
        if not self._silent:
            far.shutdown(socket.SHUT_WR)

    async def _pass_on(
        self, direction: _Direction, data: bytes, to: socket.socket
    ) -> None:
        """Pass bytes on in turns; drop them if the connection is silent."""
        for chunk in direction.bandwidth.chunks(data):
            if self._silent:
                return
            try:
                await direction.send(chunk, to)
            except _PlanEnds:
                if not isinstance(self.plan, SilentAfter):
                    raise
                self.silence()

    async def _receive(self, client: socket.socket) -> bytes:
        """Receive from the client until the idle timeout, if there is one."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as self._idle:
                return await loop.sock_recv(client, _READ_SIZE)
        except TimeoutError:
            raise _PlanEnds from None
        finally:
            self._idle = None

    async def _pass_down(self, far: socket.socket, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(far, _READ_SIZE):
                await self._pass_answer(data, client)
                self._restart_idle_timeout(loop.time())
        except OSError:
            if not self._silent:
                raise
        if not self._silent:
            client.shutdown(socket.SHUT_WR)

    async def _pass_answer(self, data: bytes, client: socket.socket) -> None:
        if isinstance(self.plan, Delay) and not self._down.passed:
            await asyncio.sleep(self.plan.first_byte)
        for piece in self._pieces(data):
            await self._pass_on(self._down, piece, client)
            if isinstance(self.plan, Trickle) and not self._silent:
                await asyncio.sleep(self.plan.pause)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.plan.size if isinstance(self.plan, Trickle) else len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    def _restart_idle_timeout(self, now: float) -> None:
        """Restart the idle timeout if the plan has one."""
        if not isinstance(self.plan, CloseIdle) or self._idle is None or self._silent:
            return
        if not self._idle.expired():
            self._idle.reschedule(now + self.plan.after)

    async def _prepare_close(self, client: socket.socket, far: socket.socket) -> None:
        """Make the following close either a clean end or a reset."""
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
    """End cleanly: a close with unread bytes of the client would be a reset."""
    client.shutdown(socket.SHUT_WR)
    while await asyncio.get_running_loop().sock_recv(client, _READ_SIZE):
        pass
