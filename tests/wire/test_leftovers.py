"""After thousands of requests that went wrong, nothing is left of any of them.

The default is 1,000 requests a test; ``OPENFUNNEL_LEFTOVERS=10000`` makes that many,
and with ``pytest -s`` the counts are shown.
"""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable

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
from tests.support.figures import measured
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.leftovers import left, settled
from tests.support.stage import SEARCH

pytestmark = pytest.mark.anyio

REQUESTS = int(os.environ.get("OPENFUNNEL_LEFTOVERS", "1000"))
AT_A_TIME = 25
# Connections that a session of aiohttp's gives by default, and those of the user's.
SLOTS, USERS_SLOTS = 100, 40
# Longer than any machine is busy: who gets no slot waits for it in vain.
PATIENCE = 3000.0
LONG = JobLife(queue=0, processed_after=0, first_page_after=1e9)
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


async def spoil(
    client: OpenFunnel, sandbox: Sandbox, job_id: str, numbers: "itertools.count[int]"
) -> None:
    """Make calls that go wrong until enough have arrived."""
    job = client.job(job_id)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: client.submit(SEARCH),
        job.poll,
        lambda: job.fetch_page("page_0000"),
        client.credit_balance,
        lambda: client.job(job_id).cancel(),
    ]
    # On a busy machine some are given up before they arrive.
    while len(sandbox.requests) < REQUESTS:
        with contextlib.suppress(OpenFunnelError, TimeoutError):
            async with asyncio.timeout(3):
                await calls[next(numbers) % len(calls)]()


async def spoilt(client: OpenFunnel, sandbox: Sandbox, job_id: str) -> None:
    turns = itertools.cycle(FAULTS)
    sandbox.faults[:] = list(itertools.islice(turns, 3 * REQUESTS))
    numbers = itertools.count()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(spoil(client, sandbox, job_id, numbers))
    sandbox.faults.clear()


async def all_are_free(
    sandbox: Sandbox, slots: int, ask: Callable[[], Awaitable[object]]
) -> None:
    """Have as many exchanges under way as there are connections available."""
    sandbox.faults.append(SlowAnswer(delay=2 * PATIENCE, times=slots))
    sandbox.requests.clear()
    asking = [asyncio.ensure_future(ask()) for _ in range(slots)]
    async with asyncio.timeout(PATIENCE):
        while len(sandbox.requests) < slots:  # noqa: ASYNC110 -- no notice is given
            await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def nothing_is_left(before: tuple[int, int], slots: int) -> None:
    after = await settled(before)
    measured(
        f"{REQUESTS:,} requests that went wrong; open files and tasks {before} before, "
        f"{after} after; {slots} connections of {slots} available again"
    )
    assert after == before


async def test_nothing_is_left_of_requests_that_went_wrong() -> None:
    """Caught: a reply whose reading was cancelled and that was not closed."""
    before = left()
    async with (
        Sandbox(speed=0, plan=lambda _number, _limit: LONG) as sandbox,
        OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            request_timeout=4 * PATIENCE,
            retry=RetryPolicy(attempts=1),
        ) as client,
    ):
        job = await client.submit(SEARCH)
        await spoilt(client, sandbox, job.id)
        await all_are_free(sandbox, SLOTS, client.job(job.id).poll)
        await all_are_free(sandbox, SLOTS, lambda: client.submit(SEARCH))
    await nothing_is_left(before, 2 * SLOTS)


async def test_nothing_is_left_of_them_in_a_users_session() -> None:
    before = left()
    connector = aiohttp.TCPConnector(limit=USERS_SLOTS)
    async with (
        Sandbox(speed=0, plan=lambda _number, _limit: LONG) as sandbox,
        aiohttp.ClientSession(connector=connector) as session,
        OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            request_timeout=4 * PATIENCE,
            retry=RetryPolicy(attempts=1),
            transport=AiohttpTransport(session),
        ) as client,
    ):
        job = await client.submit(SEARCH)
        await spoilt(client, sandbox, job.id)
        await all_are_free(sandbox, USERS_SLOTS, client.job(job.id).poll)
    await nothing_is_left(before, USERS_SLOTS)
