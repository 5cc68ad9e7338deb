"""A server that closes idle connections just as the next submit is made.

A pooled connection that closes at that moment leaves it unknown whether the submit
arrived. So none is used, and of all the submits made here none is ambiguous.

A connection is idle for 4 ms; ``OPENFUNNEL_IDLE_MS=20`` makes it 20, and with
``pytest -s`` the counts are shown.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from openfunnel_async import AiohttpTransport, OpenFunnel, SubmitOutcomeUnknownError
from openfunnel_async.sandbox import CloseIdle, FaultyProxy, JobLife, Sandbox
from tests.support.figures import measured
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.stage import SEARCH

pytestmark = pytest.mark.anyio

SUBMITS = 400
# Server and client share the loop, and so its clock: a second of it is 20 ms.
IDLE = float(os.environ.get("OPENFUNNEL_IDLE_MS", "4")) / 20
OVER = JobLife(queue=0, processed_after=0, first_page_after=0, closing=0, rows=0)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


@asynccontextmanager
async def closing_idle() -> AsyncGenerator[tuple[Sandbox, str]]:
    """Give a service and its address; it closes what is idle after an answer.

    A server's own time-out would count from the accept as well, and now and then
    close a fresh connection before its first request: that nobody can help.
    """
    plan = [CloseIdle(after=IDLE)] * (2 * SUBMITS)
    async with (
        Sandbox(speed=0, plan=lambda _number, _limit: OVER) as sandbox,
        FaultyProxy(upstream=sandbox.base_url, plan=plan) as proxy,
    ):
        yield sandbox, proxy.base_url


async def pause(number: int) -> None:
    """Wait until the server is about to close: from a bit too soon to too late."""
    await anyio.sleep(IDLE * (0.9 + 0.02 * (number % 12)))


def counted(ambiguous: int, how: str) -> int:
    measured(f"{ambiguous} of {SUBMITS} submits ambiguous {how}, {IDLE * 20:g} ms idle")
    return ambiguous


async def ambiguous_submits(session: aiohttp.ClientSession | None) -> int:
    ambiguous = 0
    async with closing_idle() as (sandbox, address):
        transport = AiohttpTransport(session)
        async with OpenFunnel(
            sandbox.api_key, base_url=address, transport=transport
        ) as client:
            for number in range(SUBMITS):
                try:
                    await client.submit(SEARCH)
                except SubmitOutcomeUnknownError:
                    ambiguous += 1
                await pause(number)
        assert len(sandbox.requests) == len(sandbox.jobs) == SUBMITS - ambiguous
    return ambiguous


async def test_no_submit_is_ambiguous() -> None:
    """Caught: submits over the session of the reads, 178 of 400 ambiguous."""
    assert counted(await ambiguous_submits(None), "over connections of the SDK") == 0


async def test_no_submit_over_a_users_session_is_ambiguous() -> None:
    """Caught: a used connection accepted for a submit, 174 of 400 ambiguous."""
    async with aiohttp.ClientSession() as session:
        assert counted(await ambiguous_submits(session), "over a user's session") == 0


async def test_the_race_is_there_to_be_lost() -> None:
    """The same rhythm over a pool of connections, as most clients do it."""
    body, lost = {"query": "voice ai"}, 0
    async with closing_idle() as (sandbox, address), aiohttp.ClientSession() as session:
        url = f"{address}/api/v1/account/search-lookalikes-bulk"
        headers = {"x-api-key": sandbox.api_key}
        for number in range(SUBMITS):
            try:
                async with session.post(url, headers=headers, json=body) as answer:
                    await answer.read()
            except aiohttp.ClientError:
                lost += 1
            await pause(number)
    assert counted(lost, "over a pool of connections") > 0
