"""The connections of reads, which are replaced when no byte arrives on them.

After a NAT or VPN change an established connection is dead, and nothing reports it: a
request over it waits for its whole time limit, and the next request gets the next dead
connection. There are two measures. If the platform has TCP_USER_TIMEOUT, the kernel
closes a connection whose peer acknowledges nothing for 8 s. On every platform, and also
for a peer that acknowledges and never answers, a pool is retired if no byte arrives on
it for 8 s while a read waits. Each read that has waited for 8 s is then sent once more,
over the new pool.

On a slow link reads continue: a byte that arrives for any read of the pool counts for
all of them. A service that suddenly takes 15 s for an answer gets one more GET for each
read. A service that is always slow gets none, because a pool can only be retired after
an answer began to arrive on it within 8 s.
"""

import asyncio
import contextlib
import errno
import math
import platform
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp

from openfunnel_async._transport.network import Network
from openfunnel_async._transport.time_limit import Limit, TimeLimit
from openfunnel_async._version import __version__

OnByte = Callable[[], None]

USER_AGENT = (
    f"openfunnel-async/{__version__} python/{platform.python_version()} "
    f"aiohttp/{aiohttp.__version__}"
)
# In lower case, as the headers of a request, one of which may replace the first. A
# session that has them as its own sends them for less than a request that brings them.
SESSION_HEADERS = {"user-agent": USER_AGENT, "accept-encoding": "gzip, deflate"}
# A read over a dead connection may take 10 s in all.
SILENCE = 8.0
# None on a platform without it.
_TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


def ignore() -> None:
    """Do nothing about a part of a reply that arrives."""


class DeadConnectionError(Exception):
    """The kernel closed a connection because its peer acknowledged nothing."""


class SilenceLimit(TimeLimit):
    """Time limits that expire only while no byte arrives for any of them.

    Args:
        seconds: The time without a byte after which they expire.
        on_silence: Called before the limits expire.
    """

    def __init__(self, seconds: float, on_silence: Callable[[], None]) -> None:
        super().__init__(seconds)
        self._on_silence = on_silence
        self._last_byte = -math.inf
        self._has_answered = False

    def listener(self, limit: Limit | None = None) -> OnByte:
        """Return a function to call whenever a part of a read's reply arrives.

        Args:
            limit: The limit of the read that begins now, if it has one.
        """
        if limit is not None:
            return partial(self._record_byte, limit.first_due)
        return partial(
            self._record_byte, asyncio.get_running_loop().time() + self.seconds
        )

    def _record_byte(self, in_time: float) -> None:
        self._last_byte = asyncio.get_running_loop().time()
        if self._last_byte < in_time:
            self._has_answered = True

    def _end_due(self) -> None:
        """Expire the reads that are due if the pool is silent; else check later."""
        self._timer = None
        self.drop_ended()
        if not self._queue:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = max(self._queue[0].first_due, self._last_byte + self.seconds)
        if due <= now and self._has_answered:
            self._on_silence()
            while self._queue and self._queue[0].first_due <= now:
                self._queue.popleft().expire_if_due()
            if not self._queue:
                return
            due = self._queue[0].first_due
        elif due <= now:
            due = now + self.seconds
        self._timer = loop.call_at(due, self._end_due)


class ReadPool:
    """A session, and the number of reads under way over it.

    Attributes:
        session: Sends the reads.
        silence: Gives each read a limit.
        is_retired: Whether new reads use another pool.
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
        """Whether a read is under way over the session."""
        return self._under_way > 0

    def retire(self) -> None:
        """Mark the pool as retired; the reads under way are not cancelled."""
        self.is_retired = True

    def enter(self) -> None:
        """Record that a read begins."""
        self._under_way += 1

    async def leave(self) -> None:
        """Record that a read has ended; close a retired pool after its last one."""
        self._under_way -= 1
        if self.is_retired and not self._under_way:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the session, but not the user's own."""
        if self._is_own:
            await self.session.close()


def own_session(
    connector: aiohttp.TCPConnector,
    network: Network,
    signals: list[aiohttp.TraceConfig],
    *middlewares: aiohttp.ClientMiddlewareType,
) -> aiohttp.ClientSession:
    """Return a session that stores no cookies and ignores the environment."""
    proxy = network.proxy
    if proxy is not None:
        middlewares = (*middlewares, proxy.authorize)
    return aiohttp.ClientSession(
        connector=connector,
        headers=SESSION_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=signals,
        trust_env=False,
        proxy=None if proxy is None else proxy.url,
        middlewares=middlewares,
    )


def fresh_session(
    network: Network, signals: list[aiohttp.TraceConfig]
) -> aiohttp.ClientSession:
    """Return a session that uses each connection once."""
    # No limit: the client has one for each kind of request.
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=network.tls or True)
    return own_session(connector, network, signals)


def pooled_session(network: Network, seconds: float) -> aiohttp.ClientSession:
    """Return a session for reads; the kernel closes its dead connections."""
    factory = None if _TCP_USER_TIMEOUT is None else _socket_factory(seconds)
    connector = aiohttp.TCPConnector(
        limit=0, socket_factory=factory, ssl=network.tls or True
    )
    return own_session(connector, network, [], _no_second_dead_connection)


def _socket_factory(seconds: float) -> Callable[[Any], socket.socket]:
    def make(address: Any) -> socket.socket:  # noqa: ANN401 -- a tuple of getaddrinfo
        family, kind, protocol = address[:3]
        made = socket.socket(family, kind, protocol)
        # For a kernel without the option the second measure remains.
        with contextlib.suppress(OSError):
            option = int(_TCP_USER_TIMEOUT or 0)
            made.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
        return made

    return make


async def _no_second_dead_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Prevent aiohttp from repeating a GET over the next connection of a dead pool."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientOSError as exc:
        if exc.errno != errno.ETIMEDOUT:
            raise
    raise DeadConnectionError
