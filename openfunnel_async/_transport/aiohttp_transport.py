"""The default transport, over aiohttp.

Every POST uses a fresh connection: on a closed or dead one the outcome of a submit
would be unknown, and a cancel would arrive late or never. Reads, which may always be
repeated, use a pool. The signals that report whether a request was sent take 30 µs,
a quarter of the CPU time of a poll, so reads use a session without them.
"""

from collections.abc import Awaitable
from typing import cast

import aiohttp
import attrs

from openfunnel_async._transport.exchange import (
    Exchange,
    exchange_over,
    over_fresh_connection,
    signals,
)
from openfunnel_async._transport.hidden_text import hide_text
from openfunnel_async._transport.network import CaFile, read_network
from openfunnel_async._transport.pool import (
    SESSION_HEADERS,
    SILENCE,
    DeadConnectionError,
    OnByte,
    ReadPool,
    fresh_session,
    pooled_session,
)
from openfunnel_async._transport.wire import Headers, WireReply, WireRequest
from openfunnel_async.errors import ConfigurationError, TransportError


class AiohttpTransport:
    """Sends requests with aiohttp.

    Its own sessions follow no redirects, store no cookies, and ignore the proxies and
    netrc files of the environment. They have no time limit: the client sets one. A read
    over a pooled connection that died silently is sent once more after 8 s.

    Args:
        session: The user's own session, for special TLS settings or a proxy. The
            transport adds one trace config to it and does not close it. Its cookies and
            its ``trust_env`` are used as they are. If it fires no trace signals (a
            mock, or a list of trace configs that cannot be extended), a submit whose
            answer is lost counts as sent.
        proxy: ``http://`` or ``https://[USER:PASSWORD@]HOST[:PORT]``: the proxy of the
            transport's own sessions. It gets requests to https by CONNECT.
        ca_file: A PEM file with private CAs, which are trusted besides those of the
            system.

    Raises:
        ConfigurationError: An argument is invalid, or a session has a proxy or
            a file beside it.
    """

    __module__ = "openfunnel_async"

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        proxy: str | None = None,
        ca_file: CaFile | None = None,
    ) -> None:
        proxy = hide_text(proxy)
        if session is not None and (proxy is not None or ca_file is not None):
            msg = "proxy and ca_file are not for a session of your own: set them there"
            raise ConfigurationError(msg)
        self._network = read_network(proxy, ca_file)
        self._users = session
        self._pool: ReadPool | None = None
        self._retired: list[ReadPool] = []
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False
        self._silence = SILENCE
        configs: object = getattr(session, "trace_configs", None)
        if isinstance(configs, list):
            cast("list[aiohttp.TraceConfig]", configs).append(signals())

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send once and read the whole reply.

        Raises:
            TransportError: The exchange failed; ``request_sent`` is what the connection
                reported.
            ConfigurationError: The transport is closed.

        Cancellation: passes through; the connection is closed.
        """
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        request.progress.waiting()
        if self._users is not None:
            headers = Headers({**SESSION_HEADERS, **request.headers})
            request = attrs.evolve(request, headers=headers)
        if request.method == "GET" and not request.fresh_connection:
            return await self._read(request)
        if self._users is not None:
            return await over_fresh_connection(self._users, request)
        if self._fresh is None:
            self._fresh = fresh_session(self._network, [signals()])
        return await over_fresh_connection(self._fresh, request)

    async def aclose(self) -> None:
        """Close the sessions, but not the user's own."""
        self._closed = True
        pools = [*self._retired, *filter(None, [self._pool])]
        for pool in pools:
            await pool.aclose()
        if self._fresh is not None:
            await self._fresh.close()

    async def _read(self, request: WireRequest) -> WireReply:
        """Send over the pool, and once more if no byte arrives on the pool."""
        pool = self._current_pool()
        pool.enter()
        try:
            with pool.silence.begin() as limit:
                on_byte = pool.silence.listener(limit)
                return await _over_pool(pool, request, on_byte)
        except (TimeoutError, DeadConnectionError):
            pool.retire()
        finally:
            await pool.leave()
        return await self._read_again(request)

    async def _read_again(self, request: WireRequest) -> WireReply:
        """Send over a connection that the retired pool does not have, only once."""
        request.progress.partial = None
        request.progress.sent()
        pool = self._current_pool()
        pool.enter()
        on_byte = pool.silence.listener()
        try:
            if self._users is not None:
                return await over_fresh_connection(self._users, request, on_byte)
            return await _over_pool(pool, request, on_byte)
        except DeadConnectionError:
            pool.retire()
        finally:
            await pool.leave()
        raise TransportError("the connection died twice without an answer", True)

    def _current_pool(self) -> ReadPool:
        """Return the pool for new reads."""
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        if self._pool is not None and self._pool.is_retired:
            self._retired = [pool for pool in self._retired if pool.is_under_way]
            self._retired.append(self._pool)
            self._pool = None
        if self._pool is None:
            session = self._users or pooled_session(self._network, self._silence)
            is_own = self._users is None
            self._pool = ReadPool(session, self._silence, is_own=is_own)
        return self._pool


def _over_pool(
    pool: ReadPool, request: WireRequest, on_byte: OnByte
) -> Awaitable[WireReply]:
    exchange = Exchange(request, is_fresh=False)
    return exchange_over(pool.session, request, exchange, on_byte)
