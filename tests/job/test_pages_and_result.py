"""Whole pages, single pages, and everything at once."""

import pytest

from openfunnel_async import (
    ConfigurationError,
    IncompleteResultsError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobStatus,
    PageStream,
    PollPolicy,
    RateLimitedError,
    WaitTimeoutError,
    WireReply,
)
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)
FIRST = job_reply("running", rows=rows(0, 2), next_cursor="page_0001")


def last(status: str, *, stop: int = 3, count: int | None = 3) -> WireReply:
    bill = None if count is None else manifest(count)
    return job_reply(status, rows=rows(2, stop), page="page_0001", manifest=bill)


async def collect(stream: PageStream, into: list[str | None]) -> None:
    async for page in stream:
        into.append(page.label)  # noqa: PERF401 -- kept when it raises


async def test_pages_come_whole_and_in_order() -> None:
    growing = job_reply("running", rows=rows(2, 3), page="page_0001")
    transport = ScriptedTransport(
        read=[FIRST, growing, last("completed", stop=4, count=4)]
    )
    async with (
        connect(transport, polling=PACE) as client,
        client.job(JOB).pages() as stream,
    ):
        pages = [page async for page in stream]
    assert [page.label for page in pages] == ["page_0000", "page_0001"]
    assert [len(page.rows) for page in pages] == [2, 2]
    assert [page.next_cursor for page in pages] == ["page_0001", None]


async def test_without_follow_only_whole_pages_come() -> None:
    growing = job_reply("running", rows=rows(2, 3), page="page_0001")
    async with connect(ScriptedTransport(read=[FIRST, growing])) as client:
        pages = [page async for page in client.job(JOB).pages(follow=False)]
    assert [page.label for page in pages] == ["page_0000"]


async def test_pages_of_a_failed_job_end_with_the_failure() -> None:
    seen: list[str | None] = []
    async with connect(ScriptedTransport(read=[job_reply("failed")])) as client:
        with pytest.raises(JobFailedError):
            await collect(client.job(JOB).pages(), seen)
    assert seen == ["page_0000"]


async def test_leaving_pages_early_ends_them() -> None:
    async with connect(ScriptedTransport(read=[FIRST])) as client:
        async with client.job(JOB).pages() as stream:
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_single_page_is_one_request() -> None:
    transport = ScriptedTransport(read=[FIRST])
    async with connect(transport) as client:
        job = client.job(JOB)
        page = await job.fetch_page("page_0000")
        assert job.status is JobStatus.RUNNING
    assert (len(page.rows), transport.cursors()) == (2, ["page_0000"])


@pytest.mark.parametrize("cursor", ["", "\ud800"])
async def test_a_bad_cursor_is_refused_before_anything_is_sent(cursor: str) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="cursor"):
            await client.job(JOB).fetch_page(cursor)
    assert transport.seen == []


async def test_the_result_of_a_completed_job_is_all_of_it() -> None:
    transport = ScriptedTransport(read=[FIRST, last("completed")])
    async with connect(transport) as client:
        result = await client.job(JOB).result()
    assert (result.status, len(result.rows)) == (JobStatus.COMPLETED, 3)
    assert result.manifest is not None
    assert result.manifest.credits_consumed == 3


@pytest.mark.parametrize(
    ("status", "kind"), [("failed", JobFailedError), ("cancelled", JobCancelledError)]
)
async def test_a_job_that_did_not_complete_is_raised_with_its_rows(
    status: str, kind: type[JobError]
) -> None:
    """Caught: the error of the stream raised as it is, without the rows."""
    transport = ScriptedTransport(read=[FIRST, last(status)])
    async with connect(transport) as client:
        with pytest.raises(kind) as caught:
            await client.job(JOB).result()
    assert [company.name for company in caught.value.rows] == [
        "Company 0",
        "Company 1",
        "Company 2",
    ]
    assert caught.value.snapshot is not None
    assert caught.value.snapshot.manifest is not None


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_partial_ok_makes_it_a_result(status: str) -> None:
    transport = ScriptedTransport(read=[FIRST, last(status)])
    async with connect(transport) as client:
        result = await client.job(JOB).result(partial_ok=True)
    assert (result.status, len(result.rows)) == (status, 3)


async def test_rows_that_do_not_add_up_are_on_the_error() -> None:
    transport = ScriptedTransport(read=[FIRST, last("completed", count=9)])
    async with connect(transport) as client:
        with pytest.raises(IncompleteResultsError) as caught:
            await client.job(JOB).result(partial_ok=True)
    assert len(caught.value.rows) == 3


async def test_a_timeout_keeps_the_rows_read() -> None:
    growing = job_reply("running", rows=rows(2, 3), page="page_0001")
    transport = ScriptedTransport(read=[FIRST, growing])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="it continues") as caught:
            await client.job(JOB).result(timeout=30)
        assert transport.now == pytest.approx(30)
    assert len(caught.value.rows) == 3


async def test_the_clients_timeout_is_the_default() -> None:
    transport = ScriptedTransport(read=[job_reply("running")])
    async with connect(transport, wait_timeout=40) as client:
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).result()
        assert transport.now == pytest.approx(40)


async def test_a_retry_after_beyond_its_time_is_raised_at_once() -> None:
    limited = reply(429, headers={"retry-after": "50"})
    transport = ScriptedTransport(read=[limited])
    async with connect(transport) as client:
        with pytest.raises(RateLimitedError):
            await client.job(JOB).result(timeout=30)
        assert transport.now == 0
