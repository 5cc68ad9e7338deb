"""A stream that ends, in different ways, in the middle of a read-ahead."""

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
    """Read N rows of a stream, without closing it."""
    found: list[Company] = []
    async for company in job.rows():
        found.append(company)
        if len(found) == most:
            break
    return found


@pytest.fixture
async def world() -> World:
    return World(3000)


async def test_the_end_of_the_block_ends_the_read_ahead(world: World) -> None:
    """Caught: an `aclose` that does not end the read-ahead."""
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


async def test_a_break_without_a_block_ends_the_read_ahead(
    world: World,
) -> None:
    """Caught: `__del__` left out; the pages were then read and not used."""
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        await read(job, 50)
        gc.collect()
        await anyio.sleep(LATENCY / 4)
        assert world.wire.in_flight == 0
        assert asyncio.all_tasks() == before


async def test_closing_the_client_ends_the_read_ahead(
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


async def test_closing_the_client_cancels_no_reader(world: World) -> None:
    """Caught: the cancellation of a read-ahead raised to the reader."""
    async with world.client:
        stream = (await world.finished()).rows()
        await anext(stream)
        await anyio.sleep(LATENCY / 4)

        async def read_rest() -> list[Company]:
            return [company async for company in stream]

        reading = asyncio.create_task(read_rest())
        await anyio.sleep(LATENCY / 4)
    with contextlib.suppress(OpenFunnelError):
        await reading


async def test_the_last_row_ends_the_read_ahead(world: World) -> None:
    async with world.client:
        job = await world.finished()
        before = asyncio.all_tasks()
        found = [company async for company in job.rows()]
        assert asyncio.all_tasks() == before
    world.check(job, found)


@pytest.mark.parametrize("after", [0.05, 0.1, 0.25, 0.35])
async def test_a_stream_continues_with_the_next_row_after_a_cancelled_call(
    world: World, after: float
) -> None:
    """Caught: the requested page dropped with the cancelled call."""
    async with world.client:
        job = await world.finished()
        stream = job.rows()
        found = [await anext(stream) for _ in range(100)]
        with anyio.move_on_after(after):
            while True:
                found.append(await anext(stream))
        assert len(found) < 3000
        found += [company async for company in stream]
        requested = world.cursors()
    world.check(job, found)
    assert len(requested) == len(set(requested)) + 1, "a page was requested twice"


async def test_another_task_continues_the_stream_of_a_cancelled_one(
    world: World,
) -> None:
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


def test_a_stream_may_be_deleted_after_its_loop_was_closed() -> None:
    """Caught: `RuntimeError: Event loop is closed` raised by `__del__`."""

    async def read_one_row() -> RowStream:
        world = World(500)
        stream = (await world.finished()).rows()
        await anext(stream)
        return stream

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        stream = runner.run(read_one_row())
    del stream
    gc.collect()
