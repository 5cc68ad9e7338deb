"""A cancellation at every step of an operation over real sockets.

The user's session has a single connection to give: if one is not given back, no
later request is sent. Files and tasks are counted once the client is closed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import aiohttp
import attrs
import pytest

from openfunnel_async import AiohttpTransport, OpenFunnel, PollPolicy, RetryPolicy
from openfunnel_async.sandbox import CutBody, JobLife, ResetConnection, Sandbox
from tests.support import leftovers
from tests.support.leftovers import left, settled
from tests.support.operations import (
    cancel,
    cancel_and_wait,
    close,
    fetch_page,
    look_at_the_balance,
    poll,
    read_rows,
    somehow,
    submit,
    submit_for_a_block,
    wait,
)
from tests.support.steps import STEPPED_HURRIED
from tests.support.struck import (
    SEARCH,
    WAYS,
    Operation,
    Trial,
    Way,
    assert_it_came_out,
    every_trial,
)
from tests.support.virtual_time import AnyioBackend

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

TRIED = pytest.mark.parametrize("way", WAYS)
# A few polls and two pages for the trial's own job; all others never end.
SHORT = JobLife(queue=0, first_page_after=0, seconds_per_page=0.2, closing=0.2)
LONG = JobLife(queue=0, first_page_after=1e9)
# Longer than any machine is busy: a request that is not sent is waited for in vain.
PATIENCE = 1000.0


@attrs.define(eq=False)
class SocketTrial(Trial):
    """A trial over real connections."""

    grain: ClassVar[float] = 0.05


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return STEPPED_HURRIED


@asynccontextmanager
async def one_connection() -> AsyncGenerator[SocketTrial]:
    """Set the scene, and see at the end that no file and no task is left of it."""
    async with Sandbox(
        clock=asyncio.get_running_loop().time,
        plan=lambda number, _limit: LONG if number else SHORT,
        row_shape="six",
    ) as sandbox:
        before = left()
        connector = aiohttp.TCPConnector(limit=1)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            OpenFunnel(
                sandbox.api_key,
                base_url=sandbox.base_url,
                request_timeout=PATIENCE,
                retry=RetryPolicy(attempts=2),
                polling=PollPolicy.fixed(0.1),
                transport=AiohttpTransport(session),
            ) as client,
        ):
            job = await client.submit(SEARCH)
            yield SocketTrial(sandbox, client, job, job.rows())
        assert await settled(before) == before


def nothing(_: SocketTrial) -> None:
    pass


def reset(trial: SocketTrial) -> None:
    trial.service.faults.append(ResetConnection())


def cut(trial: SocketTrial) -> None:
    trial.service.faults.append(CutBody())


def trials(
    operation: Operation,
    way: Way,
    prepare: Callable[[SocketTrial], object] = nothing,
) -> AsyncIterator[SocketTrial]:
    return every_trial(operation, way, prepare, one_connection)


@TRIED
@pytest.mark.parametrize("prepare", [nothing, cut])
@pytest.mark.parametrize(
    "operation",
    [poll, fetch_page, look_at_the_balance, wait, cancel, cancel_and_wait],
)
async def test_the_connection_is_given_back(
    operation: Operation, way: Way, prepare: Callable[[SocketTrial], None]
) -> None:
    """Caught: a broken reply that is not closed."""
    async for trial in trials(somehow(operation), way, prepare):
        assert_it_came_out(trial, way)
        trial.service.faults.clear()
        await trial.job.poll()


@TRIED
@pytest.mark.parametrize("prepare", [nothing, cut])
async def test_a_stream_goes_on_with_the_very_next_row(
    way: Way, prepare: Callable[[SocketTrial], None]
) -> None:
    async for trial in trials(read_rows, way, prepare):
        assert_it_came_out(trial, way)
        await read_rows(trial)
        assert trial.names == trial.truth
        await trial.stream.aclose()


@TRIED
@pytest.mark.parametrize("prepare", [nothing, reset, cut])
@pytest.mark.parametrize("operation", [submit, submit_for_a_block])
async def test_a_submit_leaves_no_job_that_nobody_knows_of(
    operation: Operation, way: Way, prepare: Callable[[SocketTrial], None]
) -> None:
    """Caught: no rescue."""
    async for trial in trials(somehow(operation), way, prepare):
        assert_it_came_out(trial, way)
        trial.service.faults.clear()
        await trial.job.poll()
        await trial.client.aclose()
        assert trial.unaccounted == []
        assert len(trial.service.jobs) <= 2


@TRIED
async def test_a_closing_closes(way: Way) -> None:
    async for trial in trials(close, way):
        assert_it_came_out(trial, way)
