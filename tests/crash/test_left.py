"""A stream that is left in the middle of a read-ahead, one way or the other."""

import asyncio
import contextlib
import gc

import anyio
import pytest

from openfunnel_async import BulkJob, Company, OpenFunnelError, RowStream
from tests.crash.finished import LATENCY, World
from tests.support.virtual_time import VirtualClockLoop

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def read(job: BulkJob, most: int) -> list[Company]:
    """Break out of a stream that nobody closes."""
    found: list[Company] = []
    async for company in job.rows():
        found.append(company)
        if len(found) == most:
            break
    return found


@pytest.fixture
async def world() -> World:
    return World(3000)


async def test_leaving_the_block_leaves_nothing_on_its_way(world: World) -> None:
    """Caught: `aclose` that does not close what is read ahead."""
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        async with job.rows() as stream:
            async for _ in stream:
                if stream.delivered == 50:
                    break
            await anyio.sleep(LATENCY / 4)
            assert world.wire.in_flight == 8
        assert asyncio.all_tasks() == before
        assert world.wire.in_flight == 0


async def test_breaking_out_without_a_block_gives_up_what_is_on_its_way(
    world: World,
) -> None:
    """Caught: `__del__` left out: the pages then came in for nobody."""
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        await read(job, 50)
        gc.collect()
        await anyio.sleep(LATENCY / 4)
        assert world.wire.in_flight == 0
        assert asyncio.all_tasks() == before


async def test_closing_the_client_ends_what_a_stream_has_on_its_way(
    world: World,
) -> None:
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        stream = job.rows()
        await anext(stream)
        await anyio.sleep(LATENCY / 4)
        assert world.wire.in_flight == 8
    assert world.wire.in_flight == 0
    assert asyncio.all_tasks() == before


async def test_closing_the_client_cancels_nobody_who_reads(world: World) -> None:
    """Caught: the cancellation of a page on its way raised to its reader."""
    async with world.client:
        stream = (await world.finished()).rows()
        await anext(stream)
        await anyio.sleep(LATENCY / 4)

        async def read_on() -> list[Company]:
            return [company async for company in stream]

        reading = asyncio.create_task(read_on())
        await anyio.sleep(LATENCY / 4)
    with contextlib.suppress(OpenFunnelError):
        await reading


async def test_the_end_leaves_nothing_on_its_way(world: World) -> None:
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        found = [company async for company in job.rows()]
        assert asyncio.all_tasks() == before
    world.check(job, found)


@pytest.mark.parametrize("after", [0.05, 0.1, 0.25, 0.35])
async def test_a_cancelled_call_goes_on_with_the_very_next_row(
    world: World, after: float
) -> None:
    """Caught: the page that was waited for dropped with the waiting."""
    async with world.client:
        job = await world.finished()
        stream = job.rows()
        found = [await anext(stream) for _ in range(100)]
        with anyio.move_on_after(after):
            while True:
                found.append(await anext(stream))
        assert len(found) < 3000
        found += [company async for company in stream]
        asked = world.cursors()
    world.check(job, found)
    assert len(asked) == len(set(asked)) + 1, "a page was asked for twice"


async def test_a_cancelled_task_leaves_the_stream_to_others(world: World) -> None:
    async with world.client:
        job = await world.finished()
        stream = job.rows()
        found: list[Company] = []

        async def consume() -> None:
            async for company in stream:
                found.append(company)
                if stream.delivered % 50 == 0:
                    await anyio.sleep(LATENCY / 3)

        for _ in range(6):
            task = asyncio.create_task(consume())
            await anyio.sleep(LATENCY * 1.25)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await consume()
    world.check(job, found)
    assert world.wire.most <= 8


def test_a_loop_that_is_closed_does_not_mind_a_stream_left_behind() -> None:
    """Caught: `RuntimeError: Event loop is closed` let out of `__del__`."""

    async def leave() -> RowStream:
        world = World(500)
        stream = (await world.finished()).rows()
        await anext(stream)
        return stream

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        stream = runner.run(leave())
    del stream
    gc.collect()
