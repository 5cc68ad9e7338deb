"""After thousands of requests that went wrong, nothing is left of any of them.

The default is 1,000 requests a test; ``OPENFUNNEL_LEFTOVERS=10000`` makes so many.
"""

import asyncio
import contextlib
import itertools
import os
from pathlib import Path

import aiohttp
import pytest

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    OpenFunnelError,
    RetryPolicy,
)
from openfunnel_async.sandbox import (
    BodyFault,
    CutBody,
    Fault,
    JobLife,
    LostAnswer,
    MalformedAnswer,
    Redirect,
    ResetConnection,
    Sandbox,
    SlowAnswer,
    StatusFault,
    TrickledBody,
)
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.leftovers import others
from tests.support.stage import SEARCH

pytestmark = pytest.mark.anyio

REQUESTS = int(os.environ.get("OPENFUNNEL_LEFTOVERS", "1000"))
AT_A_TIME = 25
SLOTS = 40
LONG = JobLife(queue=0, processed_after=0, first_page_after=1e9)
OPEN = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")
FAULTS: list[Fault] = [
    StatusFault(status=503),
    StatusFault(status=429, retry_after=0),
    StatusFault(status=422),
    Redirect(location="/", status=308),
    BodyFault(body=b"<html>"),
    BodyFault(body=b"x" * 100_000, content_type="text/html"),
    LostAnswer(),
    ResetConnection(),
    ResetConnection(after="headers"),
    CutBody(),
    CutBody(framed=False),
    CutBody(reset=True),
    CutBody(framed=False, gzip=True),
    MalformedAnswer(),
    MalformedAnswer(kind="header"),
    MalformedAnswer(kind="chunk"),
    # Nobody waits for these: their callers go, and the server a little later.
    SlowAnswer(delay=5),
    TrickledBody(pause=5),
]


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def left() -> tuple[int, int]:
    """Count open files and tasks."""
    return len(list(OPEN.iterdir())), len(others())


async def settled(before: tuple[int, int]) -> tuple[int, int]:
    """Count once what was just closed on both sides has gone."""
    for _ in range(100):
        if left() == before:
            break
        await asyncio.sleep(1)
    return left()


async def spoil(
    client: OpenFunnel, job_id: str, numbers: "itertools.count[int]"
) -> int:
    """Make calls that go wrong until there were enough, and count them."""
    spoilt = 0
    job = client.job(job_id)
    while (number := next(numbers)) < REQUESTS:
        calls = (
            lambda: client.submit(SEARCH),
            job.poll,
            lambda: job.fetch_page("page_0000"),
            client.credit_balance,
            lambda: client.job(job_id).cancel(),
        )
        call = calls[number % len(calls)]
        with contextlib.suppress(OpenFunnelError, TimeoutError):
            async with asyncio.timeout(3):
                await call()
        spoilt += 1
    return spoilt


async def spoilt(client: OpenFunnel, sandbox: Sandbox, job_id: str) -> None:
    turns = itertools.cycle(FAULTS)
    sandbox.faults[:] = list(itertools.islice(turns, 3 * REQUESTS))
    numbers = itertools.count()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(spoil(client, job_id, numbers))
    # On a busy machine some are given up before they arrive.
    assert len(sandbox.requests) >= REQUESTS // 2
    sandbox.faults.clear()


async def all_slots_are_free(client: OpenFunnel, sandbox: Sandbox, job_id: str) -> None:
    """Have as many exchanges under way as there are connections to be had."""
    sandbox.faults.append(SlowAnswer(on="read", delay=50, times=SLOTS))
    sandbox.requests.clear()
    asking = [asyncio.create_task(client.job(job_id).poll()) for _ in range(SLOTS)]
    async with asyncio.timeout(600):
        while len(sandbox.requests) < SLOTS:  # noqa: ASYNC110 -- no notice is given
            await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_nothing_is_left_of_requests_that_went_wrong() -> None:
    """Caught: a reply whose reading was cancelled and that was not closed."""
    async with Sandbox(speed=0, plan=lambda _number, _limit: LONG) as sandbox:
        before = left()
        async with OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            retry=RetryPolicy(attempts=1),
        ) as client:
            job_id = (await client.submit(SEARCH)).id
            await spoilt(client, sandbox, job_id)
            await all_slots_are_free(client, sandbox, job_id)
        assert await settled(before) == before


async def test_nothing_is_left_of_them_in_a_users_session() -> None:
    connector = aiohttp.TCPConnector(limit=SLOTS)
    async with Sandbox(speed=0, plan=lambda _number, _limit: LONG) as sandbox:
        before = left()
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            OpenFunnel(
                sandbox.api_key,
                base_url=sandbox.base_url,
                retry=RetryPolicy(attempts=1),
                transport=AiohttpTransport(session),
            ) as client,
        ):
            job_id = (await client.submit(SEARCH)).id
            await spoilt(client, sandbox, job_id)
            await all_slots_are_free(client, sandbox, job_id)
        assert await settled(before) == before
