"""An error that ends a reading carries the rows; a stream repeats what ended it."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import partial

import pytest

from openfunnel_async import (
    BulkJob,
    Company,
    ConfigurationError,
    IncompleteResultsError,
    InvalidResponseError,
    JobCheckpoint,
    JobError,
    JobFailedError,
    OpenFunnelError,
    PollPolicy,
    RowStream,
    ServerError,
    WireReply,
)
from tests.job.streams import numbered, page
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    broken,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

FAULTS = [
    broken(),
    reply(503, {"detail": "busy"}),
    reply(403, {"detail": "no"}),
    reply(404, {"detail": "no"}),
    reply(429, {"detail": "slow down"}, {"retry-after": "600"}),
    reply(200, b"<html>"),
    reply(200, {"job_id": JOB, "status": 5}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("way", ["result", "take"])
async def test_any_error_after_rows_carries_them(fault: WireReply, way: str) -> None:
    """Caught: only a JobError carrying the rows: those of a TransportError lost."""
    transport = ScriptedTransport(read=[page(0, 0, 4), fault])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(OpenFunnelError) as caught:
            await (job.result() if way == "result" else job.take(9))
    assert [company.name for company in caught.value.rows] == numbered(4)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 -- just written
    assert again.rows == caught.value.rows
    assert "Company" not in repr(caught.value.args)


async def test_two_takes_that_share_a_refused_cancel_keep_their_own_rows() -> None:
    """Caught: the rows written onto the error that both of them got."""

    async def take(job: BulkJob, n: int) -> int:
        with pytest.raises(JobError) as caught:
            await job.take(n)
        return len(caught.value.rows)

    read = [page(0, 0, 6, ends=True)]
    async with connect(ScriptedTransport(read=read, cancel=[reply(409)])) as client:
        job = client.job(JOB)
        one, three = await asyncio.gather(take(job, 1), take(job, 3))
    assert (one, three) == (1, 3)


@pytest.mark.parametrize("way", ["rows", "pages"])
async def test_a_resumed_stream_with_fewer_rows_than_were_used_hands_none_out(
    way: str,
) -> None:
    """Caught: the page with too few rows handed out, empty, after its refusal."""
    place = JobCheckpoint(job_id=JOB, page="page_0001", offset=2, rows_before=2)
    transport = ScriptedTransport(read=[page(1, 2, 3), page(2, 5, 9)])
    async with connect(transport) as client:
        job = client.resume(place)
        stream = job.rows() if way == "rows" else job.pages()
        for _ in range(3):
            with pytest.raises(InvalidResponseError, match="handed out"):
                await anext(stream)
        assert stream.checkpoint() == place
    assert transport.count("read") == 1


async def test_an_outage_may_be_followed_by_the_very_next_row() -> None:
    def read(seen: Seen) -> WireReply:
        if seen.cursor is None:
            return page(0, 0, 2)
        return (
            reply(503)
            if seen.at < 200
            else page(1, 2, 4, status="completed", ends=True)
        )

    async with connect(ScriptedTransport(read=read)) as client:
        stream, found = client.job(JOB).rows(), list[str | None]()
        with pytest.raises(ServerError):
            await collect_names(stream, found)
        assert found == numbered(2)
        await collect_names(stream, found)
    assert found == numbered(4)


async def collect_names(stream: RowStream, found: list[str | None]) -> None:
    async for company in stream:
        found.append(company.name)  # noqa: PERF401 -- kept when it raises


ENDINGS: list[tuple[list[WireReply], type[OpenFunnelError]]] = [
    ([page(0, 0, 3, status="failed", ends=True)], JobFailedError),
    (
        [page(0, 0, 3, status="completed", ends=True, count=9)],
        IncompleteResultsError,
    ),
    (
        [
            page(0, 0, 3, ends=True),
            job_reply("running", rows=rows(5, 9)),
        ],
        InvalidResponseError,
    ),
    (
        [
            page(0, 0, 3),
            job_reply(
                "running", rows=rows(3, 5), page="page_0001", next_cursor="page_0000"
            ),
        ],
        InvalidResponseError,
    ),
    (
        [page(0, 0, 3, ends=True), page(0, 0, 1, status="completed", ends=True)],
        InvalidResponseError,
    ),
]


@pytest.mark.parametrize(
    ("way", "answers", "kind"),
    # A stream of pages holds the newest one back, so that it may still change.
    [("rows", *ending) for ending in ENDINGS]
    + [("pages", *ending) for ending in (*ENDINGS[:2], ENDINGS[3])],
)
async def test_what_ended_a_stream_is_raised_again(
    way: str, answers: list[WireReply], kind: type[OpenFunnelError]
) -> None:
    """Caught: a stream that ends quietly, or skips a row, after its error."""
    transport = ScriptedTransport(read=answers)
    async with connect(transport, polling=PollPolicy.fixed(2)) as client:
        job = client.job(JOB)
        stream = job.rows() if way == "rows" else job.pages()
        raised: list[OpenFunnelError] = []
        for _ in range(3):
            with pytest.raises(kind) as caught:
                async for _ in stream:
                    pass
            raised.append(caught.value)
        requests = len(transport.seen)
        with pytest.raises(kind):
            await anext(stream)
        assert len(transport.seen) == requests
        assert raised[0] is raised[1] is raised[2]
        await stream.aclose()
        assert [item async for item in stream] == []


async def fits(_company: object) -> bool:
    return False


def fits_by_accident(company: object) -> Awaitable[bool]:
    return fits(company)


class Fits:
    async def __call__(self, _company: object) -> bool:
        return False


def promise(company: object) -> "asyncio.Future[bool]":
    return asyncio.ensure_future(fits(company))


async def stream_of(_company: object) -> AsyncIterator[bool]:
    yield False


def each(_company: object) -> Iterator[bool]:
    yield False


@pytest.mark.parametrize("where", [fits_by_accident, Fits(), promise, stream_of, each])
async def test_a_where_that_is_async_by_accident_is_refused(where: object) -> None:
    """Caught: an awaitable is true: the first rows taken, the job cancelled."""
    transport = ScriptedTransport(
        read=[page(0, 0, 4, ends=True)], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="awaitable") as caught:
            await client.job(JOB).take(2, where=where)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert transport.count("cancel") == 0
    # The row that was asked about was read, and is billed.
    assert [company.name for company in caught.value.rows] == numbered(1)


async def test_a_where_that_is_async_later_on_keeps_the_matches() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 4, ends=True)])

    def where(company: Company) -> object:
        return fits(company) if company.name == "Company 2" else True

    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="awaitable") as caught:
            await client.job(JOB).take(4, where=where)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert [company.name for company in caught.value.rows] == numbered(3)


@pytest.mark.parametrize("where", [fits, partial(fits), partial(partial(fits))])
async def test_an_async_function_is_refused_before_anything_is_read(
    where: object,
) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="plain function"):
            await client.job(JOB).take(2, where=where)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert transport.seen == []


@pytest.mark.parametrize("error", [JobError("mine", "other"), KeyError("mine")])
async def test_an_error_of_ones_own_where_passes_unchanged(error: Exception) -> None:
    """Caught: rows put on any error that leaves the loop, also on the caller's."""
    before = dict(vars(error))

    def where(_company: Company) -> bool:
        if transport.count("read") > 1:
            raise error
        return True

    transport = ScriptedTransport(read=[page(0, 0, 2), page(1, 2, 4)])
    async with connect(transport) as client:
        with pytest.raises(type(error)) as caught:
            await client.job(JOB).take(9, where=where)
    assert caught.value is error
    assert vars(error) == before
    assert transport.count("cancel") == 0


async def test_an_error_that_is_raised_again_does_not_grow() -> None:
    """Caught: the frames of each raising added to those before."""
    transport = ScriptedTransport(read=[page(0, 0, 1, status="failed", ends=True)])
    async with connect(transport) as client:
        stream, lengths = client.job(JOB).rows(), list[int]()
        await anext(stream)
        for _ in range(5):
            with pytest.raises(JobFailedError) as caught:
                await anext(stream)
            lengths.append(len(caught.traceback))
    assert len(set(lengths[1:])) == 1


@pytest.mark.parametrize("follow", [True, False])
async def test_an_outage_while_the_manifest_is_checked_ends_nothing(
    follow: bool,
) -> None:
    """Caught: an outage hidden, and the rows called incomplete by an old manifest."""
    outage = [503]

    def read(_seen: Seen) -> WireReply:
        if transport.count("read") == 1:
            return page(0, 0, 3, status="completed", ends=True, count=2)
        if outage:
            return reply(503)
        return page(0, 0, 3, status="completed", ends=True, count=3)

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        stream = client.job(JOB).rows(follow=follow)
        found = [(await anext(stream)).name for _ in range(3)]
        with pytest.raises(ServerError):
            await anext(stream)
        outage.clear()
        assert [company async for company in stream] == []
    assert found == numbered(3)


async def test_a_failed_job_has_its_reason_whatever_its_manifest_counts() -> None:
    """Caught: a status that is read before the failure is raised, and fails itself."""
    ended = page(0, 0, 3, status="failed", ends=True, count=9)
    transport = ScriptedTransport(read=[ended, reply(403)])
    async with connect(transport) as client:
        with pytest.raises(JobFailedError) as caught:
            await client.job(JOB).result()
    assert len(caught.value.rows) == 3
    assert transport.count("read") == 1


class Truthy:
    def __bool__(self) -> bool:
        return True


async def test_a_where_may_return_anything_that_is_true() -> None:
    transport = ScriptedTransport(
        read=[page(0, 0, 4, ends=True), job_reply("cancelled", manifest=manifest(4))],
        cancel=[cancel_reply()],
    )
    async with connect(transport) as client:
        taken = await client.job(JOB).take(2, where=lambda _company: Truthy())  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    assert len(taken.rows) == 2
