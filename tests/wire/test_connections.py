"""Which connections are made, used again, and closed."""

import asyncio

import aiohttp
import anyio
import pytest

from openfunnel_async import (
    AiohttpTransport,
    BulkJob,
    ConfigurationError,
    JobStatus,
    OpenFunnel,
    WireRequest,
)
from tests.support.raw_server import RawServer, Said, said
from tests.wire.clients import (
    CANCELLING,
    JOB_ID,
    KEY,
    RUNNING,
    SEARCH,
    SUBMITTED,
    client_of,
)

pytestmark = pytest.mark.anyio

READ, SUBMIT = said(RUNNING), said(SUBMITTED, status="202 Accepted")
CANCEL = said(CANCELLING)
NO_ANSWER = Said(then="wait")


def connections(server: RawServer) -> list[int]:
    return [request.connection for request in server.received]


async def test_reads_use_one_connection() -> None:
    async with (
        RawServer(READ, READ, READ) as server,
        client_of(server.base_url) as client,
    ):
        for _ in range(3):
            await client.job(JOB_ID).poll()
        assert connections(server) == [0, 0, 0]


async def test_a_submit_never_uses_a_pooled_connection() -> None:
    """It failed with reads and submits on one session."""
    async with (
        RawServer(READ, SUBMIT, SUBMIT, READ, SUBMIT) as server,
        client_of(server.base_url) as client,
    ):
        job = client.job(JOB_ID)
        await job.poll()
        await client.submit(SEARCH)
        await client.submit(SEARCH)
        await job.poll()
        await client.submit(SEARCH)
        used = connections(server)
    of_submits = [used[1], used[2], used[4]]
    assert len(set(of_submits)) == 3
    # Each is younger than every connection used before it.
    assert all(used[place] > max(used[:place]) for place in (1, 2, 4))


async def test_every_submit_arrives_once() -> None:
    async with (
        RawServer(SUBMIT, SUBMIT, SUBMIT) as server,
        client_of(server.base_url) as client,
    ):
        for _ in range(3):
            await client.submit(SEARCH)
        assert [request.line for request in server.received] == [
            "POST /api/v1/account/search-lookalikes-bulk HTTP/1.1"
        ] * 3


async def test_a_cancelled_read_closes_its_connection() -> None:
    async with RawServer(NO_ANSWER) as server, client_of(server.base_url) as client:
        task = asyncio.create_task(client.job(JOB_ID).poll())
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Before the client is closed, and although the server never answers.
        await server.left.wait()


async def test_a_cancelled_read_does_not_spoil_the_next_one() -> None:
    async with (
        RawServer(NO_ANSWER, READ) as server,
        client_of(server.base_url) as client,
    ):
        job = client.job(JOB_ID)
        task = asyncio.create_task(job.poll())
        await server.arrived.wait()
        task.cancel()
        await asyncio.wait([task])
        assert (await job.poll()).status is JobStatus.RUNNING
        assert connections(server) == [0, 1]


async def test_a_submit_whose_caller_leaves_is_read_and_its_job_cancelled() -> None:
    async with RawServer(SUBMIT, CANCEL) as server, client_of(server.base_url) as c:
        task = asyncio.create_task(c.submit(SEARCH))
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        paths = [request.line.split()[1] for request in server.received]
        assert c.orphans == ()
    assert len(paths) == 2
    assert paths[1].endswith(f"/{JOB_ID}/cancel")


async def test_a_wait_that_is_over_leaves_no_connection_in_use() -> None:
    async with RawServer(NO_ANSWER) as server, client_of(server.base_url) as client:
        with anyio.move_on_after(0.05):
            await client.job(JOB_ID).wait_until_terminal()
        await server.left.wait()


async def test_closing_the_client_closes_its_connections() -> None:
    async with RawServer(READ) as server:
        client = client_of(server.base_url)
        await client.job(JOB_ID).poll()
        assert not server.left.is_set()
        await client.aclose()
        await server.left.wait()


async def test_closing_twice_is_closing_once() -> None:
    async with RawServer(READ) as server:
        client = client_of(server.base_url)
        await client.job(JOB_ID).poll()
        await client.aclose()
        await client.aclose()


async def test_a_client_that_was_never_used_closes() -> None:
    await client_of("http://127.0.0.1:9").aclose()


async def test_a_closed_client_sends_nothing() -> None:
    async with RawServer(READ) as server:
        client = client_of(server.base_url)
        await client.aclose()
        with pytest.raises(ConfigurationError):
            await client.job(JOB_ID).poll()
        assert server.connections == 0


async def test_a_session_of_the_users_own_is_used_and_not_closed() -> None:
    async with (
        RawServer(READ, READ) as server,
        aiohttp.ClientSession(headers={"X-Team": "search"}) as session,
    ):
        transport = AiohttpTransport(session=session)
        async with OpenFunnel(
            KEY, base_url=server.base_url, transport=transport
        ) as client:
            job: BulkJob = client.job(JOB_ID)
            await job.poll()
        assert server.received[0].values("x-team") == ["search"]
        assert not session.closed
        async with session.get(server.base_url) as response:
            assert response.status == 200


async def test_a_submit_uses_no_pooled_connection_of_a_users_session() -> None:
    """It failed with a used connection accepted for it."""
    async with (
        RawServer(READ, SUBMIT, SUBMIT) as server,
        aiohttp.ClientSession() as session,
        client_of(server.base_url, transport=AiohttpTransport(session)) as client,
    ):
        await client.job(JOB_ID).poll()
        await client.submit(SEARCH)
        await client.submit(SEARCH)
        assert [request.line.split()[0] for request in server.received] == [
            "GET",
            "POST",
            "POST",
        ]
        assert len(set(connections(server))) == 3


async def sessions_of(kind: str) -> AiohttpTransport:
    return AiohttpTransport(aiohttp.ClientSession() if kind == "users" else None)


@pytest.mark.parametrize("kind", ["own", "users"])
async def test_each_cancel_uses_a_fresh_connection(kind: str) -> None:
    """Caught: a cancel over the pool, whose oldest connection may be dead."""
    transport = await sessions_of(kind)
    async with (
        RawServer(READ, CANCEL, READ, CANCEL) as server,
        client_of(server.base_url, transport=transport) as client,
    ):
        for _ in range(2):
            await client.job(JOB_ID).poll()
            await client.job(JOB_ID).cancel()
        used = connections(server)
        if transport._users is not None:
            await transport._users.close()
    # Each cancel is younger than every connection before it.
    assert used[1] > used[0]
    assert used[3] > max(used[:3])


async def test_a_cancel_waits_for_no_submit_and_no_read() -> None:
    """Caught: one session with aiohttp's limit of 100 for submits and cancels."""
    busy = 100
    async with (
        RawServer(*[NO_ANSWER] * (2 * busy), CANCEL) as server,
        client_of(server.base_url) as client,
    ):
        # One more of each, which has to wait for its turn.
        tasks = [
            asyncio.create_task(asked)
            for _ in range(busy + 1)
            for asked in (client.submit(SEARCH), client.job(JOB_ID).poll())
        ]
        async with asyncio.timeout(30):
            while len(server.received) < 2 * busy:  # noqa: ASYNC110 -- the server gives no notice
                await asyncio.sleep(0.01)
            receipt = await client.job(JOB_ID).cancel()
        assert receipt.accepted
        assert len(server.received) == 2 * busy + 1
        for task in tasks:
            task.cancel()
        # Those that were sent are read for some seconds more, unless cut off.
        for writer in tuple(server._writers):
            writer.transport.abort()
        await asyncio.wait(tasks)


async def test_reads_ask_caches_for_the_present_and_submits_ask_nothing() -> None:
    async with (
        RawServer(READ, CANCEL, SUBMIT) as server,
        client_of(server.base_url) as client,
    ):
        await client.job(JOB_ID).poll()
        await client.job(JOB_ID).cancel()
        await client.submit(SEARCH)
        said_of_caches = [each.values("cache-control") for each in server.received]
    assert said_of_caches == [["no-cache"], [], []]


async def test_a_header_that_is_repeated_is_joined() -> None:
    """Caught: the last of two Retry-After headers in place of both."""
    twice = "Retry-After: 7\r\nX-One: a\r\nretry-after: 70"
    busy = Said(f"HTTP/1.1 200 OK\r\n{twice}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    async with RawServer(busy) as server:
        transport = AiohttpTransport()
        request = WireRequest(method="GET", origin=server.base_url, path="/")
        reply = await transport.send(request)
        await transport.aclose()
    assert reply.headers["retry-after"] == "7, 70"
    assert reply.headers["x-one"] == "a"
