"""The rows of a job: in order, each once, none lost, while it runs."""

import asyncio

import anyio
import pytest

from openfunnel_async import (
    JobStatus,
    PollPolicy,
    WireReply,
)
from tests.job.streams import names, numbered, page
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)


async def test_the_rows_of_a_finished_job_come_in_order() -> None:
    transport = ScriptedTransport(
        read=[
            page(0, 0, 3, status="completed"),
            page(1, 3, 6, status="completed"),
            page(2, 6, 7, status="completed", ends=True, count=7),
        ]
    )
    async with connect(transport) as client:
        assert await names(client.job(JOB)) == numbered(7)
        assert transport.now == 0
    assert transport.cursors() == [None, "page_0001", "page_0002"]


async def test_a_last_page_that_grows_gives_each_row_once() -> None:
    """Caught: a page read again and handed out from its beginning."""
    transport = ScriptedTransport(
        read=[
            page(0, 0, 2, ends=True),
            page(0, 0, 2, ends=True),
            page(0, 0, 4, ends=True),
            page(0, 0, 5),
            page(1, 5, 5, ends=True),
            page(1, 5, 6, status="completed", ends=True, count=6),
        ]
    )
    async with connect(transport, polling=PACE) as client:
        assert await names(client.job(JOB)) == numbered(6)
    first = [None] * 4
    assert transport.cursors() == [*first, "page_0001", "page_0001"]
    assert transport.times("read") == [0.0, 10.0, 20.0, 30.0, 30.0, 40.0]


async def test_a_null_cursor_of_a_running_job_is_not_the_end() -> None:
    """Caught: a stream that ends with the first null cursor."""
    transport = ScriptedTransport(
        read=[
            job_reply("pending", page=None, rows=None),
            page(0, 0, 0, ends=True),
            page(0, 0, 2, status="cancelled", ends=True, count=2),
        ]
    )
    async with connect(transport, polling=PACE) as client:
        assert await names(client.job(JOB)) == numbered(2)
    assert transport.count("read") == 3


async def test_a_terminal_status_with_a_cursor_is_not_the_end() -> None:
    transport = ScriptedTransport(
        read=[
            page(0, 0, 2, status="completed", count=3),
            page(1, 2, 3, status="completed", ends=True, count=3),
        ]
    )
    async with connect(transport) as client:
        assert await names(client.job(JOB)) == numbered(3)


async def test_rows_arrive_while_the_job_runs() -> None:
    transport = ScriptedTransport(
        read=[page(0, 0, 2, ends=True), page(0, 0, 3, status="completed", ends=True)]
    )
    async with connect(transport, polling=PACE) as client:
        stream = client.job(JOB).rows()
        arrived = [(await anext(stream)).name, transport.now]
        arrived += [(await anext(stream)).name, transport.now]
        arrived += [(await anext(stream)).name, transport.now]
    assert arrived == ["Company 0", 0.0, "Company 1", 0.0, "Company 2", 10.0]


async def test_a_cancelled_job_ends_quietly() -> None:
    last = page(0, 0, 2, status="cancelled", ends=True, count=2)
    async with connect(ScriptedTransport(read=[last])) as client:
        assert await names(client.job(JOB)) == numbered(2)


async def test_without_follow_it_ends_with_what_there_is() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 2), page(1, 2, 3, ends=True)])
    async with connect(transport) as client:
        assert await names(client.job(JOB), follow=False) == numbered(3)
        assert transport.now == 0


async def test_leaving_early_leaves_the_job_alone() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 5)])
    async with connect(transport) as client:
        async with client.job(JOB).rows() as stream:
            async for _ in stream:
                if stream.delivered == 2:
                    break
        assert stream.delivered == 2
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert len(asyncio.all_tasks()) <= 3
    assert (transport.count("read"), transport.count("cancel")) == (1, 0)


async def test_a_cancelled_iteration_goes_on_with_the_very_next_row() -> None:
    transport = ScriptedTransport(
        read=[
            page(0, 0, 2),
            Later(page(1, 2, 4), after=30),
            page(1, 2, 4, status="completed", ends=True),
        ]
    )
    async with connect(transport) as client:
        stream = client.job(JOB).rows()
        found = [await anext(stream), await anext(stream)]
        with anyio.move_on_after(1):
            await anext(stream)
        found += [company async for company in stream]
    assert [company.name for company in found] == numbered(4)


async def test_two_streams_of_one_job_do_not_disturb_each_other() -> None:
    def read(seen: Seen) -> WireReply:
        return (
            page(0, 0, min(9, 1 + int(seen.at / 7)), ends=True, status="running")
            if (seen.at < 90)
            else page(0, 0, 9, ends=True, status="completed", count=9)
        )

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        job = client.job(JOB)
        one, other = await asyncio.gather(names(job), names(job))
    assert one == other == numbered(9)


async def test_a_replica_that_lags_behind_a_latched_end_is_waited_for() -> None:
    def read(seen: Seen) -> WireReply:
        if transport.count("read") == 2:
            return job_reply("cancelled", manifest=manifest(3))
        if seen.at < 30:
            return page(0, 0, 2, ends=True)
        return page(0, 0, 3, status="cancelled", ends=True, count=3)

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        job = client.job(JOB)
        stream = job.rows()
        found = [await anext(stream), await anext(stream)]
        await job.poll()
        assert job.status is JobStatus.CANCELLED
        found += [company async for company in stream]
    assert [company.name for company in found] == numbered(3)
