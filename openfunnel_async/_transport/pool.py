"""The connections of reads, which are replaced when they fall silent.

After a NAT or VPN change an established connection is dead and nobody says so: a
request over it waits for its whole time limit, and the next request gets the next dead
connection. There are two measures. Where the platform has TCP_USER_TIMEOUT, the kernel
gives up a connection whose peer acknowledges nothing for 8 s. Everywhere, and also for
a peer that acknowledges and never answers, a pool is retired on which no byte arrives
for 8 s while a read waits for one. Each read that was silent for so long is sent once
more, over the new pool.

A slow link keeps its reads: a byte that arrives for any read of the pool counts for all
of them. A service that suddenly takes 15 s for an answer sees one more GET for a read.
A service that is always slow sees none, as a pool is only judged once an answer began
to arrive on it within 8 s.
"""

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp

from openfunnel_async._transport.time_limit import TimeLimit

Heard = Callable[[], None]

# A read over a dead connection may cost 10 s in all.
SILENCE = 8.0
# None on a platform without it.
_TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


def ignore() -> None:
    """Do nothing about what arrives."""


class DeadConnectionError(Exception):
    """The kernel gave up a connection on which nothing was acknowledged."""


class SilenceLimit(TimeLimit):
    """Limits that end only while nothing arrives on any of them.

    Args:
        seconds: For how long nothing arrives.
        on_silence: Called before the limits end.
    """

    def __init__(self, seconds: float, on_silence: Callable[[], None]) -> None:
        super().__init__(seconds)
        self._on_silence = on_silence
        self._last_byte = -math.inf
        self._has_answered = False

    def listener(self) -> Heard:
        """Return what to call whenever a part of the reply to a read arrives."""
        return partial(self._heard, asyncio.get_running_loop().time() + self.seconds)

    def _heard(self, in_time: float) -> None:
        self._last_byte = asyncio.get_running_loop().time()
        if self._last_byte < in_time:
            self._has_answered = True

    def _end_due(self) -> None:
        """End the silent reads if the whole pool is silent; else look again later."""
        self._timer = None
        self.drop_ended()
        if not self._line:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = max(self._line[0].first_due, self._last_byte + self.seconds)
        if due <= now and self._has_answered:
            self._on_silence()
            while self._line and self._line[0].first_due <= now:
                self._line.popleft().end_if_due()
            if not self._line:
                return
            due = self._line[0].first_due
        elif due <= now:
            due = now + self.seconds
        self._timer = loop.call_at(due, self._end_due)


class ReadPool:
    """A session, and the reads that are under way over it.

    Attributes:
        session: Where to send the reads.
        silence: One limit for each read.
        is_retired: Whether new reads go elsewhere.
    """

    def __init__(
        self, session: aiohttp.ClientSession, seconds: float, *, is_own: bool
    ) -> None:
        self.session = session
        self.silence = SilenceLimit(seconds, self.retire)
        self.is_retired = False
        self._is_own = is_own
        self._under_way = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a read is under way over it."""
        return self._under_way > 0

    def retire(self) -> None:
        """Send new reads elsewhere; those under way end as they may."""
        self.is_retired = True

    def enter(self) -> None:
        """Note that a read begins."""
        self._under_way += 1

    async def leave(self) -> None:
        """Note that a read has ended; the last one of a retired pool closes it."""
        self._under_way -= 1
        if self.is_retired and not self._under_way:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the session, but not the user's own."""
        if self._is_own:
            await self.session.close()


def own_session(
    connector: aiohttp.TCPConnector,
    signals: list[aiohttp.TraceConfig],
    *middlewares: aiohttp.ClientMiddlewareType,
) -> aiohttp.ClientSession:
    """Return a session that keeps no cookie and ignores the environment."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=signals,
        trust_env=False,
        middlewares=middlewares,
    )


def pooled_session(seconds: float) -> aiohttp.ClientSession:
    """Return a session for reads; its kernel gives a dead connection up."""
    factory = None if _TCP_USER_TIMEOUT is None else _socket_factory(seconds)
    connector = aiohttp.TCPConnector(limit=0, socket_factory=factory)
    return own_session(connector, [], _no_second_dead_connection)


def _socket_factory(seconds: float) -> Callable[[Any], socket.socket]:
    def make(address: Any) -> socket.socket:  # noqa: ANN401 -- as getaddrinfo has it
        family, kind, protocol = address[:3]
        made = socket.socket(family, kind, protocol)
        # A kernel that does not know the option leaves the second measure.
        with contextlib.suppress(OSError):
            option = int(_TCP_USER_TIMEOUT or 0)
            made.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
        return made

    return make


async def _no_second_dead_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET over the next connection of a dead pool."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientOSError as exc:
        if exc.errno != errno.ETIMEDOUT:
            raise
    raise DeadConnectionError
