"""Connections that are dead without a word, and those that are only slow.

On a loop whose seconds are short, so that the 8 s are those that ship. The server is
silent on an open connection: it acknowledges what it gets and never answers.
"""

import asyncio
import errno
import socket
from typing import Any

import aiohttp
import pytest

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    RequestTimeoutError,
    WaitTimeoutError,
)
from openfunnel_async._transport.pool import SILENCE
from openfunnel_async.sandbox import FaultyProxy
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, said
from tests.wire.clients import CANCELLING, JOB_ID, KEY, RUNNING, client_of

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

READ, SILENT = said(RUNNING), Said(then="wait")


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def slow(seconds: float) -> Said:
    return Said(READ.data, after=seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


def client_over(
    server: RawServer, transport: AiohttpTransport | None = None, **options: Any
) -> OpenFunnel:
    options = {"request_timeout": 30.0, **options}
    transport = transport or AiohttpTransport()
    return client_of(server.base_url, transport=transport, **options)


async def test_a_read_over_a_dead_connection_is_answered_within_ten_seconds() -> None:
    """Caught: a read that waits for the whole request timeout."""
    async with (
        RawServer(READ, SILENT, READ) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        began = now()
        await client.job(JOB_ID).poll()
        assert SILENCE <= now() - began <= 10
        assert [each.connection for each in server.received] == [0, 0, 1]


async def test_a_whole_pool_of_dead_connections_costs_that_once() -> None:
    """Caught: the second try over the next connection of the dead pool."""
    async with (
        RawServer(*[slow(1)] * 4, SILENT, READ, READ) as server,
        client_over(server) as client,
    ):
        await asyncio.gather(*(client.job(JOB_ID).poll() for _ in range(4)))
        began = now()
        await client.job(JOB_ID).poll()
        await client.job(JOB_ID).poll()
        assert now() - began <= 10
        assert [each.connection for each in server.received[5:]] == [4, 4]


async def test_reads_that_wait_together_are_sent_anew_each_in_its_time() -> None:
    """Caught: activity on the new pool that keeps the reads of the dead one."""
    async with (
        RawServer(slow(1), slow(1), SILENT, SILENT, *[READ] * 9) as server,
        client_over(server) as client,
    ):
        job = client.job(JOB_ID)
        await asyncio.gather(client.job(JOB_ID).poll(), job.poll())

        async def took(after: float) -> float:
            await asyncio.sleep(after)
            began = now()
            await client.job(JOB_ID).poll()
            return now() - began

        async def polls() -> None:
            for _ in range(5):
                await client.job(JOB_ID).poll()
                await asyncio.sleep(1)

        late = asyncio.create_task(took(4))
        assert await took(0) <= 10
        # The new pool is busy while the other read waits on the old one.
        _, seconds = await asyncio.gather(polls(), late)
        assert seconds <= 10


async def test_a_read_is_sent_anew_only_once() -> None:
    async with (
        RawServer(READ, SILENT, SILENT, READ) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        began = now()
        with pytest.raises(RequestTimeoutError) as caught:
            await client.job(JOB_ID).poll()
        # With the time that was left, not with a new limit.
        assert now() - began == pytest.approx(30, abs=1.5)
        assert caught.value.request_sent
        assert len(server.received) == 3


async def test_a_short_request_timeout_ends_a_read_before_that() -> None:
    async with (
        RawServer(READ, SILENT, READ) as server,
        client_over(server, request_timeout=7.0) as client,
    ):
        await client.job(JOB_ID).poll()
        with pytest.raises(RequestTimeoutError):
            await client.job(JOB_ID).poll()
        assert len(server.received) == 2


async def test_bytes_for_another_read_count_for_all_of_the_pool() -> None:
    """A link that is slow is not dead. Caught: each read judged by its own bytes."""
    async with (
        RawServer(READ, slow(20), *[READ] * 30) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        waiting = asyncio.create_task(client.job(JOB_ID).poll())
        polls = 0
        while not waiting.done():
            await asyncio.sleep(3)
            await client.job(JOB_ID).poll()
            polls += 1
        await waiting
        assert len(server.received) == 2 + polls


async def test_a_service_that_is_slow_at_once_gets_one_more_get() -> None:
    async with (
        RawServer(READ, slow(15), slow(15)) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        began = now()
        await client.job(JOB_ID).poll()
        assert now() - began == pytest.approx(23, abs=1.5)
        assert len(server.received) == 3


async def test_a_service_that_is_always_slow_gets_no_more() -> None:
    """Caught: the first pool judged before any answer began in time on it.

    With a second GET after 8 s, an answer that takes 25 s would never be had.
    """
    async with RawServer(slow(25), slow(25)) as server, client_over(server) as client:
        await client.job(JOB_ID).poll()
        await client.job(JOB_ID).poll()
        assert len(server.received) == 2


async def test_a_body_that_stops_halfway_is_read_anew() -> None:
    """Caught: silence that is only looked for until the answer begins."""
    half = Said(READ.data[:-10], then="wait")
    async with (
        RawServer(READ, half, READ) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        began = now()
        await client.job(JOB_ID).poll()
        assert now() - began <= 10
        assert len(server.received) == 3


async def test_a_page_that_arrives_slowly_is_read_to_its_end() -> None:
    """Caught: a time limit for the whole body, which throws half a page away."""
    padding = "x" * 50_000
    page = said(RUNNING.replace("}", f', "padding": "{padding}"}}'))
    async with (
        RawServer(page) as server,
        FaultyProxy(upstream=server.base_url, bytes_per_second=1000) as link,
        OpenFunnel(KEY, base_url=link.base_url, request_timeout=20) as client,
    ):
        began = now()
        await client.job(JOB_ID).poll()
        assert now() - began > 40
        assert len(server.received) == 1


async def test_a_drip_of_bytes_ends() -> None:
    """Caught: each byte taken for progress, so that a read never ends."""
    page = said(RUNNING.replace("}", f', "padding": "{"x" * 5000}"}}'))
    async with (
        RawServer(page) as server,
        FaultyProxy(upstream=server.base_url, bytes_per_second=20) as link,
        client_of(link.base_url, request_timeout=20.0) as client,
    ):
        began = now()
        with pytest.raises(RequestTimeoutError):
            await client.job(JOB_ID).poll()
        assert now() - began < 60


async def test_a_cancel_is_not_repeated_by_silence() -> None:
    """Caught: a POST that is sent anew by the transport."""
    async with (
        RawServer(READ, SILENT, READ) as server,
        client_over(server) as client,
    ):
        await client.job(JOB_ID).poll()
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB_ID).cancel(timeout=20)
        assert [each.line.split()[0] for each in server.received] == ["GET", "POST"]
        server._answers[:] = [said(CANCELLING)]


async def test_a_retired_pool_is_closed_with_its_last_read() -> None:
    """Caught: the old session closed under a read, or never."""
    transport = AiohttpTransport()
    async with (
        RawServer(READ, SILENT, slow(5), READ) as server,
        client_over(server, transport) as client,
    ):
        await client.job(JOB_ID).poll()
        old = transport._pool
        assert old is not None
        silent = asyncio.create_task(client.job(JOB_ID).poll())
        await asyncio.sleep(5)
        alive = asyncio.create_task(client.job(JOB_ID).poll())
        await silent
        assert (old.is_retired, old.session.closed) == (True, False)
        await alive
        assert old.session.closed
        assert len(server.received) == 4


async def test_a_read_that_is_cancelled_on_a_retired_pool_closes_it() -> None:
    transport = AiohttpTransport()
    async with (
        RawServer(READ, SILENT, SILENT, READ) as server,
        client_over(server, transport) as client,
    ):
        await client.job(JOB_ID).poll()
        old = transport._pool
        assert old is not None
        silent = asyncio.create_task(client.job(JOB_ID).poll())
        await asyncio.sleep(5)
        late = asyncio.create_task(client.job(JOB_ID).poll())
        await silent
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert old.session.closed


async def test_a_client_that_closes_closes_a_retired_pool_too() -> None:
    transport = AiohttpTransport()
    async with RawServer(READ, SILENT, SILENT, READ) as server:
        client = client_over(server, transport)
        await client.job(JOB_ID).poll()
        old = transport._pool
        silent = asyncio.create_task(client.job(JOB_ID).poll())
        await asyncio.sleep(5)
        late = asyncio.create_task(client.job(JOB_ID).poll())
        await silent
        await transport.aclose()
        assert old is not None
        assert old.session.closed
        await asyncio.wait([late])
        assert late.exception() is not None
        await client.aclose()


async def test_a_users_session_is_asked_for_a_fresh_connection() -> None:
    """Caught: the second try over another connection of the pool."""
    async with (
        RawServer(slow(1), slow(1), SILENT, READ) as server,
        aiohttp.ClientSession() as session,
        client_over(server, AiohttpTransport(session)) as client,
    ):
        await asyncio.gather(*(client.job(JOB_ID).poll() for _ in range(2)))
        began = now()
        await client.job(JOB_ID).poll()
        assert now() - began <= 10
        assert server.received[3].connection == 2
        assert not session.closed


async def test_what_the_kernel_gives_up_is_not_repeated_over_the_same_pool() -> None:
    """Caught: aiohttp's own repetition of a GET, over the next dead connection."""
    transport = AiohttpTransport()
    async with (
        RawServer(slow(1), slow(1), SILENT, READ) as server,
        client_over(server, transport) as client,
    ):
        await asyncio.gather(*(client.job(JOB_ID).poll() for _ in range(2)))
        reading = asyncio.create_task(client.job(JOB_ID).poll())
        while len(server.received) < 3:  # noqa: ASYNC110 -- the server gives no notice
            await asyncio.sleep(0.1)
        assert transport._pool is not None
        connector: Any = transport._pool.session.connector
        for used in connector._acquired:
            used.transport._force_close(TimeoutError(errno.ETIMEDOUT, "gave up"))
        await reading
        assert server.received[3].connection == 2


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this platform has no such option"
)
async def test_the_kernel_gives_a_pooled_connection_up_as_well() -> None:
    """Caught: sockets made without the option; aiohttp's own options lost."""
    transport = AiohttpTransport()
    async with RawServer(READ) as server, client_over(server, transport) as client:
        await client.job(JOB_ID).poll()
        assert transport._pool is not None
        connector: Any = transport._pool.session.connector
        (((protocol, _),),) = connector._conns.values()
        used = protocol.transport.get_extra_info("socket")
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8000
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
