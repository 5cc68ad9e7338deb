"""Streams and waiters of one handle: together they ask no more than one of them."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from openfunnel_async import BulkJob, JobStatus, OpenFunnelError, PollPolicy, WireReply
from tests.job.streams import names, numbered, page
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)
EVEN = PollPolicy(jitter=0.0)
# Fractions of the second keep the moments of the job and of the looks apart.
ENDS = 300.5
FEW = 3

Use = Callable[[BulkJob], Coroutine[Any, Any, object]]


def delivering(ends: float = ENDS) -> Callable[[Seen], WireReply]:
    """Return the route of a job that delivers a row every 7 s, ten to a page."""

    def read(seen: Seen) -> WireReply:
        is_over = seen.at >= ends
        there = int(min(seen.at, ends) / 7)
        number = int((seen.cursor or "page_0000").removeprefix("page_"))
        following = f"page_{number + 1:04}" if there > 10 * number + 10 else None
        return job_reply(
            "completed" if is_over else "running",
            rows=rows(10 * number, min(there, 10 * number + 10)),
            page=f"page_{number:04}",
            next_cursor=following,
            processed=there,
            manifest=manifest(there) if is_over else None,
        )

    return read


ROWS = int(ENDS / 7)
PAGES = 5


async def wait(job: BulkJob) -> object:
    return await job.wait_until_terminal()


async def asked(polling: PollPolicy, *uses: Use) -> list[float]:
    """Use one handle in several ways at once; return when it was asked about."""
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=polling) as client:
        job = client.job(JOB, limit=60)
        await asyncio.gather(*(use(job) for use in uses))
    return transport.times("read")


async def check_hardly_more(polling: PollPolicy, *others: Use, more: int = FEW) -> None:
    alone = await asked(polling, names)
    together = await asked(polling, names, *others)
    # With jitter the pace itself varies.
    slack = 0.1 * len(alone) if polling.jitter else 0
    assert len(together) <= len(alone) + more + slack


@pytest.mark.parametrize("polling", [PACE, EVEN, PollPolicy()])
@pytest.mark.parametrize("waiters", [1, 2])
async def test_waiters_beside_a_stream_ask_hardly_more(
    waiters: int, polling: PollPolicy
) -> None:
    """Caught: a waiter that looks although a stream is about to read."""
    await check_hardly_more(polling, *[wait] * waiters)


@pytest.mark.parametrize("polling", [PACE, EVEN, PollPolicy()])
async def test_two_streams_at_the_same_place_ask_hardly_more(
    polling: PollPolicy,
) -> None:
    """Caught: a stream that reads although another one's read is under way."""
    # Each turns to each page by itself.
    await check_hardly_more(polling, names, more=PAGES)


@pytest.mark.parametrize("polling", [PACE, EVEN])
async def test_a_stream_and_a_waiter_end_with_the_same_answer(
    polling: PollPolicy,
) -> None:
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=polling) as client:
        job = client.job(JOB)
        waiting = asyncio.create_task(wait(job))
        assert await names(job) == numbered(ROWS)
        await waiting
        assert transport.now == transport.times("read")[-1]
        assert transport.now <= ENDS + polling.longest


async def test_two_streams_give_the_same_rows_each_once() -> None:
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        found = await asyncio.gather(names(job), names(job), names(job))
    assert all(one == numbered(ROWS) for one in found)


async def test_a_slow_reader_does_not_hold_the_waiter_up() -> None:
    """Caught: the announcement of a read left behind by the read."""
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        stream = job.rows()

        async def dawdle() -> None:
            async for _ in stream:
                await anyio.sleep(100)

        reading = asyncio.create_task(dawdle())
        await job.wait_until_terminal()
        assert transport.now <= ENDS + 10
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_cancelled_reader_does_not_hold_the_waiter_up() -> None:
    """Caught: the announcement of a read left behind by a cancellation."""
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        reading = asyncio.create_task(names(job))
        waiting = asyncio.create_task(wait(job))
        await anyio.sleep(53)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await waiting
        assert transport.now <= ENDS + 10
    times = transport.times("read")
    assert max(b - a for a, b in itertools.pairwise(times)) <= 10


@pytest.mark.parametrize("leaver", [0, 1])
async def test_a_stream_that_is_cancelled_hands_its_read_on(leaver: int) -> None:
    """Caught: a read that was given up still taken to be under way."""
    growing = page(0, 0, 2, ends=True)
    last = page(0, 0, 3, status="completed", ends=True, count=3)
    transport = ScriptedTransport(
        read=[growing, growing, Later(last, after=50), last, last]
    )
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        reading = [asyncio.create_task(names(job)) for _ in range(2)]
        await anyio.sleep(15)
        assert transport.count("read") == 3
        reading.pop(leaver).cancel()
        assert await reading[0] == numbered(3)
        assert transport.now <= 60


async def test_a_reader_that_leaves_does_not_hold_the_waiter_up() -> None:
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        waiting = asyncio.create_task(wait(job))
        async with job.rows() as stream:
            async for _ in stream:
                if stream.delivered == 9:
                    break
        await waiting
        assert transport.now <= ENDS + 10


async def test_a_waiter_that_leaves_does_not_hold_the_reader_up() -> None:
    transport = ScriptedTransport(read=delivering())
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        reading = asyncio.create_task(names(job))
        with anyio.move_on_after(55):
            await wait(job)
        assert await reading == numbered(ROWS)
        assert transport.now <= ENDS + 10


async def test_an_outage_is_survived_by_both() -> None:
    """Caught: a waiter that looks while the read of a stream is tried again."""
    route = delivering()

    def read(seen: Seen) -> WireReply:
        return reply(503) if 100 < seen.at < 190 else route(seen)

    async def run(*uses: Use) -> int:
        transport = ScriptedTransport(read=read)
        async with connect(transport, polling=PACE) as client:
            job = client.job(JOB)
            await asyncio.gather(*(use(job) for use in uses))
            assert job.is_terminal
            assert transport.now <= ENDS + 10
        return transport.count("read")

    assert await run(names, wait) <= await run(names) + 3 * FEW


@pytest.mark.parametrize("status", [401, 403, 422])
async def test_what_ends_the_stream_ends_the_waiter(status: int) -> None:
    route = delivering()

    def read(seen: Seen) -> WireReply:
        return reply(status) if seen.at > 100 else route(seen)

    transport = ScriptedTransport(read=read)
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        outcomes = await asyncio.gather(names(job), wait(job), return_exceptions=True)
        assert all(isinstance(outcome, OpenFunnelError) for outcome in outcomes)
        assert transport.now <= 120


async def test_an_outage_too_long_ends_both() -> None:
    route = delivering()

    def read(seen: Seen) -> WireReply:
        return reply(503) if seen.at > 100 else route(seen)

    transport = ScriptedTransport(read=read)
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        outcomes = await asyncio.gather(names(job), wait(job), return_exceptions=True)
        assert all(isinstance(outcome, OpenFunnelError) for outcome in outcomes)


async def test_a_stream_ends_soon_after_another_has_seen_the_end() -> None:
    """Caught: a pause that continues although the job is known to be terminal."""
    last = page(0, 0, 2, status="completed", ends=True, count=2)
    transport = ScriptedTransport(
        read=[page(0, 0, 2, ends=True), job_reply("completed"), last]
    )
    async with connect(transport, polling=PollPolicy.fixed(600)) as client:
        job = client.job(JOB)
        reading = asyncio.create_task(names(job))
        await anyio.sleep(5)
        await job.poll()
        assert await reading == numbered(2)
        assert transport.now == pytest.approx(5)


async def test_a_slow_reader_ends_at_once_when_the_waiter_has_seen_the_end() -> None:
    transport = ScriptedTransport(read=delivering(ends=25.5))
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        waiting = asyncio.create_task(wait(job))
        await anyio.sleep(8)
        stream = job.rows()
        await anext(stream)
        await anyio.sleep(25)
        assert job.status is JobStatus.COMPLETED
        rest = [company.name async for company in stream]
        assert [*numbered(1), *rest] == numbered(3)
        assert transport.now == pytest.approx(33)
        await waiting


async def test_the_waiter_ends_when_the_stream_has_seen_the_end() -> None:
    transport = ScriptedTransport(read=delivering(ends=25.5))
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        waiting = asyncio.create_task(wait(job))
        await names(job)
        await asyncio.wait_for(waiting, 0.001)
    assert transport.times("read").count(30.0) == 1
