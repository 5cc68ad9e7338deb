"""Rows that cannot be believed, fail, or are hard to come by."""

import asyncio

import anyio
import pytest

from openfunnel_async import (
    Company,
    IncompleteResultsError,
    InvalidResponseError,
    JobFailedError,
    ServerError,
    WireReply,
)
from tests.job.streams import collect, names, numbered, page
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    reply,
    row,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@pytest.mark.parametrize(
    "later",
    [
        [row(0), row(9)],
        [row(1), row(0)],
        [row(0), row(1, domain=None)],
        [row(0), row(1, new="key")],
    ],
)
async def test_rows_handed_out_that_change_are_no_rows_to_go_on_from(
    later: list[dict[str, object]],
) -> None:
    transport = ScriptedTransport(
        read=[page(0, 0, 2, ends=True), job_reply("running", rows=[*later, row(2)])]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(InvalidResponseError, match="changed") as caught:
            await names(job)
    assert caught.value.path == "$.rows"


@pytest.mark.parametrize(
    "later",
    [page(0, 0, 1, status="completed", ends=True), page(0, 0, 1)],
)
async def test_rows_handed_out_that_vanish_are_no_rows_to_go_on_from(
    later: WireReply,
) -> None:
    transport = ScriptedTransport(read=[page(0, 0, 2, ends=True), later])
    async with connect(transport) as client:
        with pytest.raises(InvalidResponseError, match="gone"):
            await names(client.job(JOB))


async def test_a_late_answer_with_fewer_rows_is_only_late() -> None:
    transport = ScriptedTransport(
        read=[
            page(0, 0, 3, ends=True),
            page(0, 0, 1, ends=True),
            page(0, 0, 4, status="completed", ends=True),
        ]
    )
    async with connect(transport) as client:
        assert await names(client.job(JOB)) == numbered(4)


@pytest.mark.parametrize("back_to", [0, 1])
async def test_a_cursor_that_comes_back_is_refused(back_to: int) -> None:
    """Caught: `_check_new` left out: the stream then repeats for ever."""

    def read(seen: Seen) -> WireReply:
        assert transport.count("read") < 9
        label = seen.cursor or "page_0000"
        turn = {"page_0000": "page_0001", "page_0001": f"page_000{back_to}"}
        return job_reply(
            "completed", rows=[row(0)], page=label, next_cursor=turn[label]
        )

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await names(client.job(JOB))
    assert caught.value.path == "$.next_cursor"
    assert transport.count("read") == 2


async def test_an_answer_with_the_label_of_another_page_is_refused() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 1), page(2, 1, 2)])
    async with connect(transport) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await names(client.job(JOB))
    assert caught.value.path == "$.page"


async def test_a_page_that_changes_its_label_is_refused() -> None:
    transport = ScriptedTransport(
        read=[page(0, 0, 1, ends=True), page(1, 0, 1, ends=True)]
    )
    async with connect(transport) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await names(client.job(JOB))
    assert caught.value.path == "$.page"


@pytest.mark.parametrize("count", [1, 3])
async def test_a_count_that_does_not_add_up_is_raised_after_the_last_row(
    count: int,
) -> None:
    """Caught: `settle` that only refuses too few rows."""
    last = page(0, 0, 2, status="completed", ends=True, count=count)
    seen: list[Company] = []
    async with connect(ScriptedTransport(read=[last])) as client:
        with pytest.raises(IncompleteResultsError, match=f"counts {count}"):
            await collect(client.job(JOB).rows(), seen)
    assert len(seen) == 2


async def test_a_failed_job_is_raised_after_its_last_row() -> None:
    last = job_reply("failed", rows=rows(0, 2), error_message="out of memory")
    seen: list[Company] = []
    async with connect(ScriptedTransport(read=[last])) as client:
        with pytest.raises(JobFailedError, match="failed: out of memory") as caught:
            await collect(client.job(JOB).rows(), seen)
    assert len(seen) == 2
    assert caught.value.snapshot is not None


async def test_a_stream_is_not_iterated_by_two_tasks() -> None:
    transport = ScriptedTransport(read=[Later(page(0, 0, 2), after=5)])
    async with connect(transport) as client:
        stream = client.job(JOB).rows()
        first = asyncio.create_task(stream.__anext__())
        await anyio.sleep(1)
        with pytest.raises(anyio.BusyResourceError, match="iterating over"):
            await anext(stream)
        assert (await first).name == "Company 0"


async def test_a_replica_that_lags_for_ever_is_not_believed() -> None:
    transport = ScriptedTransport(
        read=[job_reply("cancelled"), page(0, 0, 2, ends=True)]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        with pytest.raises(InvalidResponseError, match="still say running"):
            await names(job)
        assert 120 <= transport.now < 150


async def test_an_outage_in_the_middle_is_survived() -> None:
    def read(seen: Seen) -> WireReply:
        if seen.cursor is None:
            return page(0, 0, 2)
        if seen.at < 90:
            return reply(503)
        return page(1, 2, 3, status="completed", ends=True)

    async with connect(ScriptedTransport(read=read)) as client:
        assert await names(client.job(JOB)) == numbered(3)


async def test_after_an_outage_too_long_the_stream_can_go_on() -> None:
    def read(seen: Seen) -> WireReply:
        if seen.cursor is None:
            return page(0, 0, 2)
        if seen.at < 500:
            return reply(503)
        return page(1, 2, 3, status="completed", ends=True)

    async with connect(ScriptedTransport(read=read)) as client:
        stream = client.job(JOB).rows()
        found = [await anext(stream), await anext(stream)]
        with pytest.raises(ServerError):
            await anext(stream)
        await anyio.sleep(500)
        found += [company async for company in stream]
    assert [company.name for company in found] == numbered(3)
