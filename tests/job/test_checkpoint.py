"""A place in a job's rows, kept and continued from: with the very next row."""

from collections.abc import Callable

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    IncompleteResultsError,
    InvalidResponseError,
    JobCheckpoint,
    JobFailedError,
    JobStatus,
    PollPolicy,
    WireReply,
)
from tests.job.streams import names, numbered, page
from tests.support.scripted import (
    JOB,
    KEY,
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)
SHAPES = [(), (4,), (3, 3, 1), (1, 1, 1, 1), (2, 0, 2), (3, 3, 0)]
START = JobCheckpoint(job_id=JOB)


def finished(
    *sizes: int, count: int | None = None, status: str = "completed"
) -> Callable[[Seen], WireReply]:
    """Return the route of a finished job whose pages have these numbers of rows."""
    total = sum(sizes) if count is None else count

    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000").removeprefix("page_"))
        start = sum(sizes[:number])
        return job_reply(
            status,
            rows=rows(start, start + sum(sizes[number : number + 1])),
            page=f"page_{number:04}",
            next_cursor=f"page_{number + 1:04}" if number + 1 < len(sizes) else None,
            manifest=manifest(total, pages=len(sizes)),
        )

    return read


async def read_some(job: BulkJob, most: int) -> list[str | None]:
    """Read N rows of a new stream and leave it."""
    found: list[str | None] = []
    async with job.rows() as stream:
        while len(found) < most:
            found.append((await anext(stream)).name)
    return found


async def test_before_any_row_it_is_the_start() -> None:
    transport = ScriptedTransport(read=finished(3))
    async with connect(transport) as client:
        job = client.job(JOB, limit=7)
        start = JobCheckpoint(job_id=JOB, limit=7)
        assert job.checkpoint() == job.rows().checkpoint() == start
    assert transport.seen == []


async def test_after_each_row_it_is_the_place_after_it() -> None:
    """Caught: rows of earlier pages not counted in `rows_before`."""
    async with connect(ScriptedTransport(read=finished(2, 1))) as client:
        job = client.job(JOB)
        places: list[tuple[str | None, int, int]] = []
        async with job.rows() as stream:
            async for _ in stream:
                place = stream.checkpoint()
                assert job.checkpoint() == place
                places.append((place.page, place.offset, place.rows_before))
    assert places == [("page_0000", 1, 0), ("page_0000", 2, 0), ("page_0001", 1, 2)]


async def test_after_a_page_it_is_the_place_after_its_last_row() -> None:
    async with connect(ScriptedTransport(read=finished(2, 1))) as client:
        job = client.job(JOB)
        stream = job.pages()
        await anext(stream)
        assert job.checkpoint() == stream.checkpoint()
        assert await names(client.resume(job.checkpoint())) == ["Company 2"]


async def test_the_handles_place_is_that_of_the_stream_that_moved_last() -> None:
    """Caught: the place of the stream that was made last."""
    async with connect(ScriptedTransport(read=finished(3, 3))) as client:
        job = client.job(JOB)
        one, other = job.rows(), job.pages()
        await anext(one)
        assert job.checkpoint().offset == 1
        await anext(other)
        assert job.checkpoint().offset == 3
        await anext(one)
        assert job.checkpoint() == one.checkpoint()


async def test_a_stream_that_is_left_or_cancelled_keeps_its_place() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 2, ends=True)])
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        with anyio.move_on_after(25):
            await names(job)
        assert job.checkpoint().offset == 2


async def test_a_checkpoint_does_not_hold_the_key() -> None:
    async with connect(ScriptedTransport(read=finished(3))) as client:
        job = client.job(JOB)
        await read_some(job, 2)
        assert KEY not in f"{job.checkpoint()!s} {job.checkpoint()!r}"


async def test_resuming_asks_nothing_yet() -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        place = JobCheckpoint(job_id=JOB, page="page_0001", offset=1, limit=9)
        job = client.resume(str(place))
        assert (job.id, job.limit, job.status) == (JOB, 9, JobStatus.UNKNOWN)
        assert job.checkpoint() == place
    assert transport.seen == []


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("sizes", SHAPES)
async def test_it_goes_on_with_the_very_next_row_at_every_position(
    sizes: tuple[int, ...], as_text: bool
) -> None:
    """Caught: the offset forgotten on the first page read."""
    everything = numbered(sum(sizes))
    async with connect(ScriptedTransport(read=finished(*sizes))) as client:
        for position in range(len(everything) + 1):
            job = client.job(JOB)
            assert await read_some(job, position) == everything[:position]
            place = job.checkpoint()
            resumed = client.resume(str(place) if as_text else place)
            assert await names(resumed) == everything[position:]


async def test_the_end_is_a_place_too() -> None:
    async with connect(ScriptedTransport(read=finished(3, 2))) as client:
        job = client.job(JOB)
        await names(job)
        resumed = client.resume(job.checkpoint())
        assert await names(resumed) == []
        assert resumed.checkpoint() == job.checkpoint()


async def test_it_can_be_resumed_as_often_as_one_likes() -> None:
    async with connect(ScriptedTransport(read=finished(3, 2))) as client:
        job = client.job(JOB)
        await read_some(job, 2)
        place = job.checkpoint()
        for _ in range(3):
            assert await names(client.resume(place)) == numbered(5)[2:]


@pytest.mark.parametrize("count", [4, 6])
@pytest.mark.parametrize("position", [0, 2, 3, 5])
async def test_what_was_read_before_still_counts(position: int, count: int) -> None:
    """Caught: a resumed stream that counts from zero, or is not counted at all."""
    transport = ScriptedTransport(read=finished(3, 2, count=count))
    async with connect(transport) as client:
        job = client.job(JOB)
        await read_some(job, position)
        with pytest.raises(IncompleteResultsError, match="5 rows were read"):
            await names(client.resume(job.checkpoint()))


async def test_a_resumed_stream_of_a_failed_job_ends_with_the_failure() -> None:
    transport = ScriptedTransport(read=finished(3, 2, status="failed"))
    async with connect(transport) as client:
        place = JobCheckpoint(job_id=JOB, page="page_0001", offset=1, rows_before=3)
        stream = client.resume(place).rows()
        assert (await anext(stream)).name == "Company 4"
        with pytest.raises(JobFailedError):
            await anext(stream)


@pytest.mark.parametrize(
    "answer", [page(1, 3, 4), page(1, 3, 4, status="completed", ends=True)]
)
async def test_a_whole_page_with_fewer_rows_than_were_used_is_refused(
    answer: WireReply,
) -> None:
    """Caught: the offset taken for granted: rows were then silently missing."""
    async with connect(ScriptedTransport(read=[answer])) as client:
        place = JobCheckpoint(job_id=JOB, page="page_0001", offset=2, rows_before=3)
        with pytest.raises(InvalidResponseError, match="gone"):
            await names(client.resume(place))


async def test_a_growing_page_with_fewer_rows_than_were_used_is_waited_for() -> None:
    transport = ScriptedTransport(
        read=[
            page(1, 3, 4, ends=True),
            page(1, 3, 5, ends=True),
            page(1, 3, 6, ends=True, status="completed", count=6),
        ]
    )
    async with connect(transport, polling=PACE) as client:
        place = JobCheckpoint(job_id=JOB, page="page_0001", offset=2, rows_before=3)
        assert await names(client.resume(place)) == ["Company 5"]
    assert transport.cursors() == ["page_0001"] * 3


async def test_pages_give_the_rest_of_the_page_and_then_whole_ones() -> None:
    """Caught: the first page given whole."""
    async with connect(ScriptedTransport(read=finished(3, 2, 2))) as client:
        place = JobCheckpoint(job_id=JOB, page="page_0001", offset=1, rows_before=3)
        async with client.resume(place).pages() as stream:
            found = [(page.label, len(page.rows)) async for page in stream]
    assert found == [("page_0001", 1), ("page_0002", 2)]


async def test_the_result_of_a_resumed_handle_is_the_rest() -> None:
    async with connect(ScriptedTransport(read=finished(3, 2))) as client:
        place = JobCheckpoint(job_id=JOB, offset=2)
        result = await client.resume(place).result()
    assert [company.name for company in result.rows] == numbered(5)[2:]
    assert result.status is JobStatus.COMPLETED


async def test_take_on_a_resumed_handle_counts_the_rest() -> None:
    transport = ScriptedTransport(read=finished(3, 2), cancel=[cancel_reply()])
    async with connect(transport) as client:
        job = client.resume(JobCheckpoint(job_id=JOB, offset=2))
        taken = await job.take(2)
        assert [company.name for company in taken.rows] == numbered(4)[2:]
        assert taken.scanned == 2
        assert await names(client.resume(job.checkpoint())) == ["Company 4"]


@pytest.mark.parametrize("label", [" ", "x" * 1001])
async def test_any_label_that_is_read_can_be_kept(label: str) -> None:
    answer = job_reply(
        "completed", rows=rows(0, 2), page=label, manifest=manifest(2, pages=1)
    )
    async with connect(ScriptedTransport(read=[answer])) as client:
        stream = client.job(JOB).rows()
        try:
            await anext(stream)
        except InvalidResponseError:
            return
        assert await names(client.resume(stream.checkpoint())) == ["Company 1"]
