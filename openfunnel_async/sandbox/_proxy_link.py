"""One connection through a proxy, carried from its accept to its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import attrs

from ._proxy_plans import (
    CloseIdle,
    ConnectionPlan,
    CutAfter,
    Delay,
    Ended,
    ProxyConnection,
    ResetAfter,
    ResetOnAccept,
    Trickle,
)
from ._sockets import reset_on_close

_MOST_AT_ONCE = 65_536


@attrs.frozen(kw_only=True)
class Upstream:
    """Where a proxy's connections lead.

    Attributes:
        family: The address family, as the socket module numbers them.
        address: The address, as that family writes them.
    """

    family: int
    address: tuple[object, ...]


class _PlanEnds(Exception):  # noqa: N818 -- a turn of events, not an error
    """The plan has come to the end of the connection."""


@attrs.define(eq=False)
class _Way:
    """One direction, which may end after so many bytes."""

    limit: int | None = None
    passed: int = 0

    async def put(self, data: bytes, to: socket.socket) -> None:
        """Pass bytes on, as many as may.

        Raises:
            _PlanEnds: Those were the last.
        """
        left = None if self.limit is None else self.limit - self.passed
        allowed = data[:left]
        await asyncio.get_running_loop().sock_sendall(to, allowed)
        self.passed += len(allowed)
        if self.passed == self.limit:
            raise _PlanEnds


@attrs.define(eq=False)
class Link:
    """A connection of a client's and one to the upstream, and what is between."""

    plan: ConnectionPlan
    _up: _Way = attrs.field(init=False, factory=_Way)
    _down: _Way = attrs.field(init=False, factory=_Way)
    _idle: asyncio.Timeout | None = attrs.field(init=False, default=None)
    _ended: Ended | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.plan, ResetAfter | CutAfter):
            self._up = _Way(self.plan.sent)
            self._down = _Way(self.plan.received)

    @property
    def record(self) -> ProxyConnection:
        """Tell what has happened so far."""
        return ProxyConnection(
            plan=self.plan,
            sent=self._up.passed,
            received=self._down.passed,
            ended=self._ended,
        )

    async def carry(self, client: socket.socket, upstream: Upstream) -> None:
        """Carry the connection to its end, and close both of its sockets."""
        with client, socket.socket(upstream.family, socket.SOCK_STREAM) as far:
            for side in (client, far):
                side.setblocking(False)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ended: Ended = "proxy"
            try:
                ended = await self._outcome(client, far, upstream)
            finally:
                self._ended = ended
                # A socket whose other side has gone may take no orders any more.
                with suppress(OSError):
                    await self._part(client, far)

    async def _outcome(
        self, client: socket.socket, far: socket.socket, upstream: Upstream
    ) -> Ended:
        """Carry the connection, and tell what ended it."""
        try:
            await self._between(client, far, upstream)
        except _PlanEnds:
            return "plan"
        except OSError:
            return "broken"
        return "closed"

    async def _between(
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
        while data := await self._heard(client):
            await self._up.put(data, far)
        far.shutdown(socket.SHUT_WR)

    async def _heard(self, client: socket.socket) -> bytes:
        """Wait for the client; for how long, the other way says as bytes pass."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as self._idle:
                return await loop.sock_recv(client, _MOST_AT_ONCE)
        except TimeoutError:
            raise _PlanEnds from None
        finally:
            self._idle = None

    async def _carry_down(self, far: socket.socket, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(far, _MOST_AT_ONCE):
            if isinstance(self.plan, Delay) and not self._down.passed:
                await asyncio.sleep(self.plan.first_byte)
            for piece in self._pieces(data):
                await self._down.put(piece, client)
                if isinstance(self.plan, Trickle):
                    await asyncio.sleep(self.plan.pause)
            self._count_idle(loop.time())
        client.shutdown(socket.SHUT_WR)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.plan.size if isinstance(self.plan, Trickle) else len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    def _count_idle(self, now: float) -> None:
        """Count the time without a byte from now on."""
        if not isinstance(self.plan, CloseIdle) or self._idle is None:
            return
        if not self._idle.expired():
            self._idle.reschedule(now + self.plan.after)

    async def _part(self, client: socket.socket, far: socket.socket) -> None:
        """Make the closing that follows a good-bye or a reset."""
        if self._ended == "plan" and isinstance(self.plan, CutAfter):
            far.close()
            await _say_good_bye(client)
        elif self._ended != "closed" and not self._was_idle:
            for side in (client, far):
                reset_on_close(side)

    @property
    def _was_idle(self) -> bool:
        return self._ended == "plan" and isinstance(self.plan, CloseIdle)


async def _say_good_bye(client: socket.socket) -> None:
    """Hear the client out: closing on what it still says would be a reset."""
    client.shutdown(socket.SHUT_WR)
    while await asyncio.get_running_loop().sock_recv(client, _MOST_AT_ONCE):
        pass
