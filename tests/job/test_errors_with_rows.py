"""An error that ends a reading carries the rows; a stream repeats what ended it."""

import asyncio
import functools
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

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


async def test_an_error_of_ours_that_where_raises_passes_unchanged() -> None:
    """Caught: rows put onto an error that the caller made."""
    mine = ConfigurationError("mine")

    def complain(company: Company) -> bool:
        if company.name == "Company 0":
            return True
        raise mine

    async with connect(ScriptedTransport(read=[page(0, 0, 4)])) as client:
        with pytest.raises(ConfigurationError) as caught:
            await client.job(JOB).take(2, where=complain)
    assert caught.value is mine
    assert caught.value.rows == ()


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
            found += [company.name async for company in stream]  # pragma: no branch
        found = list[str | None](numbered(2))
        async for company in stream:
            found.append(company.name)
    assert found == numbered(4)


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


async def fit_later(_company: object) -> AsyncIterator[bool]:
    yield False


def fit_one_by_one(_company: object) -> Iterator[bool]:
    yield False


def begun(company: object) -> Awaitable[bool]:
    return asyncio.ensure_future(fits(company))


def is_open(_company: object) -> Awaitable[bool]:
    return asyncio.get_running_loop().create_future()


def by_way_of(way: Callable[[object], object], company: object) -> object:
    return way(company)


def is_resolved(_company: object) -> Awaitable[bool]:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    future.set_result(False)
    return future


@pytest.mark.parametrize(
    "where",
    [
        fits_by_accident,
        Fits(),
        functools.partial(by_way_of, fits),
        begun,
        is_open,
        is_resolved,
        # What a yield makes of a function is as true as a coroutine.
        fit_later,
        fit_one_by_one,
    ],
)
async def test_a_where_that_is_async_by_accident_is_refused(where: object) -> None:
    """Caught: an awaitable is true: the first rows taken, the job cancelled."""
    transport = ScriptedTransport(
        read=[page(0, 0, 4, ends=True)], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="awaitable"):
            await client.job(JOB).take(2, where=where)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert transport.count("cancel") == 0


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
