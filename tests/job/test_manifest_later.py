"""Only the status is latched: a manifest that is completed later counts."""

import logging
from typing import Any

import pytest

from openfunnel_async import IncompleteResultsError, JobStatus, Manifest, WireReply
from tests.job.streams import names, numbered
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DONE = {"count": 3, "pages": 1, "credits_consumed": 3.0}
NEXT = {"next_cursor": "page_0001"}
Stated = dict[str, object] | None


def ended(stated: object, status: str = "completed", **more: Any) -> WireReply:
    return job_reply(status, rows=rows(0, 3), manifest=stated, **more)


@pytest.mark.parametrize(
    "first",
    [None, {}, {"count": 3}, {"credits_consumed": None, "count": 3}, {"pages": 1}],
)
async def test_gaps_are_filled_by_later_answers(
    first: Stated, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: the first terminal manifest kept for ever: the bill stays None."""
    transport = ScriptedTransport(read=[ended(first), ended(DONE)])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        snapshot = await job.poll()
        assert snapshot is job.snapshot
    assert snapshot.manifest == Manifest(count=3, pages=1, credits_consumed=3.0)
    assert "anomaly" not in caplog.text


async def test_a_later_answer_that_states_less_takes_nothing_away() -> None:
    answers = [ended(DONE), ended({"count": 3}), ended(None)]
    transport = ScriptedTransport(read=answers)
    async with connect(transport) as client:
        job = client.job(JOB)
        snapshot = [await job.poll() for _ in answers][-1]
    assert snapshot.manifest == Manifest(count=3, pages=1, credits_consumed=3.0)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("count", 2, 3), ("credits_consumed", 30.0, 3.0), ("credits_consumed", 0.0, -1.0)],
)
async def test_what_differs_is_corrected_and_logged(
    name: str, before: float, after: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: a correction that nobody hears of."""
    answers = [ended(DONE | {name: before}), ended(DONE | {name: after})]
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        await job.poll()
        with caplog.at_level(logging.WARNING):
            snapshot = await job.poll()
            await job.poll()
    assert snapshot.manifest is not None
    assert getattr(snapshot.manifest, name) == after
    [record] = caplog.records
    assert record.getMessage().startswith(f"anomaly: the manifest of job {JOB}")
    assert f"{name} {before} and now states {after}" in record.getMessage()


async def test_the_reason_of_a_failed_job_may_come_later() -> None:
    answers = [ended(None, "failed"), ended(None, "failed", error_message="no seeds")]
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        await job.poll()
        assert (await job.poll()).error_message == "no seeds"


@pytest.mark.parametrize("status", ["running", "cancelled", "odd"])
async def test_an_answer_with_another_status_adds_nothing(
    status: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [ended({"count": 3}), ended(DONE | {"count": 9}, status)]
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        await job.poll()
        snapshot = await job.poll()
    assert snapshot.status is JobStatus.COMPLETED
    assert snapshot.manifest == Manifest(count=3)
    assert "anomaly" in caplog.text


@pytest.mark.parametrize("count", [1, 2, 30])
async def test_a_wrong_count_is_read_once_more(count: int) -> None:
    transport = ScriptedTransport(read=[ended(DONE | {"count": count}), ended(DONE)])
    async with connect(transport) as client:
        result = await client.job(JOB).result()
    assert [company.name for company in result.rows] == numbered(3)
    assert result.manifest == Manifest(count=3, pages=1, credits_consumed=3.0)
    assert transport.count("read") == 2


async def test_a_count_that_is_corrected_later_ends_the_next_result_well() -> None:
    """Caught: every `result()` of that handle an IncompleteResultsError."""

    def read(_seen: Seen) -> WireReply:
        return ended(DONE if transport.count("read") > 2 else DONE | {"count": 2})

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(IncompleteResultsError) as caught:
            await job.result()
        assert len(caught.value.rows) == 3
        assert len((await job.result()).rows) == 3


@pytest.mark.parametrize("pages", [None, 1, 2, 9])
async def test_a_wrong_number_of_pages_loses_no_row(pages: int | None) -> None:
    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000")[-4:])
        if number > 3:
            return job_reply("completed", page=seen.cursor, rows=[])
        return job_reply(
            "completed",
            rows=rows(3 * number, 3 * number + 3),
            page=f"page_{number:04}",
            next_cursor=None if number == 3 else f"page_{number + 1:04}",
            manifest={"count": 12, "pages": pages},
        )

    async with connect(ScriptedTransport(read=read)) as client:
        result = await client.job(JOB).result()
    assert [company.name for company in result.rows] == numbered(12)


@pytest.mark.parametrize("others", [(), ("running", "failed")])
async def test_replicas_that_disagree_are_logged_once_each_way(
    others: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: a line for every answer of a stream of a hundred pages."""
    answers = [ended({"count": count}) for count in (3, 4, 3, 4, 3, 4)]
    answers += [job_reply(word) for word in others * 3]
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        for _ in answers:
            await job.poll()
    assert len(caplog.messages) == 2 + len(others)


async def test_an_anomaly_is_one_bounded_line(caplog: pytest.LogCaptureFixture) -> None:
    """Caught: the value of the service written as it came."""
    evil = "voice\nERROR all is lost\x1b[2J" + "x" * 5000
    answers = [ended({"derived_query": word}) for word in ("voice", evil)]
    answers.append(job_reply(evil))
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        for _ in answers:
            await job.poll()
    assert len(caplog.messages) == 2
    for line in caplog.messages:
        assert line.isprintable()
        assert len(line) < 400


async def test_a_receipt_has_the_bill_of_a_later_answer() -> None:
    """Caught: a receipt without a bill for as long as the handle lives."""
    read = [job_reply("cancelled"), job_reply("cancelled", manifest=manifest(7))]
    transport = ScriptedTransport(read=read, cancel=[cancel_reply()])
    async with connect(transport) as client:
        job = client.job(JOB, limit=10)
        assert (await job.cancel(wait=True)).credits_consumed is None
        await job.poll()
        receipt = await job.cancel()
    assert (receipt.credits_consumed, receipt.credits_avoided) == (7, 3)


def lagging(lag: int, stated: object) -> ScriptedTransport:
    """Script a completed job of three pages of two rows; the first answers lag."""

    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000")[-4:])
        return job_reply(
            "completed",
            rows=rows(2 * number, 2 * number + 2),
            page=f"page_{number:04}",
            next_cursor=None if number == 2 else f"page_{number + 1:04}",
            manifest=stated if len(transport.seen) <= lag else manifest(6, pages=3),
        )

    transport = ScriptedTransport(read=read)
    return transport


STATED: dict[str, object] = {
    "no manifest": None,
    "no count": {"pages": 3, "credits_consumed": 6},
    "a count too low": manifest(2, pages=3),
    "a count too high": manifest(9, pages=3),
    "no pages": manifest(2),
    "pages too low": manifest(2, pages=1),
    "pages too high": manifest(2, pages=99),
}


@pytest.mark.parametrize("stated", STATED.values(), ids=STATED)
@pytest.mark.parametrize("lag", [1, 2, 3])
async def test_the_rows_are_whole_whatever_the_first_answers_state(
    stated: object, lag: int
) -> None:
    """Caught: the number of pages of the first answer taken for the end."""
    async with connect(lagging(lag, stated)) as client:
        assert await names(client.job(JOB)) == numbered(6)


async def test_one_more_read_decides_about_a_count_that_does_not_add_up() -> None:
    """Caught: read for as long as it does not add up."""
    transport = lagging(99, manifest(5))
    async with connect(transport) as client:
        with pytest.raises(IncompleteResultsError, match=r"6 rows .* counts 5"):
            await names(client.job(JOB))
    assert transport.cursors() == [None, "page_0001", "page_0002", "page_0002"]


async def test_a_last_page_that_has_grown_by_then_is_handed_out() -> None:
    """Caught: the status read alone, and the rows that came with it dropped."""
    stale = job_reply("completed", rows=rows(0, 2), manifest=manifest(5))
    more = job_reply("completed", rows=rows(0, 4), manifest=manifest(5), **NEXT)
    last = job_reply("completed", rows=rows(4, 5), page="page_0001")
    async with connect(ScriptedTransport(read=[stale, more, last])) as client:
        assert await names(client.job(JOB)) == numbered(5)
    async with connect(ScriptedTransport(read=[stale, more, last])) as client:
        pages = [page async for page in client.job(JOB).pages()]
    assert [len(page.rows) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize("follow", [True, False])
async def test_a_late_answer_to_that_read_does_not_undo_the_end(follow: bool) -> None:
    """Caught: without follow, the wrong count passed over in silence."""
    wrong = job_reply("completed", rows=rows(0, 2), manifest=manifest(3))
    late = job_reply("running", rows=rows(0, 2))
    transport = ScriptedTransport(read=[wrong, late])
    async with connect(transport) as client:
        with pytest.raises(IncompleteResultsError):
            await names(client.job(JOB), follow=follow)
    assert transport.count("read") == 2


@pytest.mark.parametrize(
    ("before", "after", "known"), [(None, 3, 3), (3, None, 3), (2, 3, 3), (3, 2, 3)]
)
async def test_rows_delivered_are_never_fewer_later(
    before: int | None, after: int | None, known: int
) -> None:
    """Caught: the number of the first terminal answer kept for ever."""
    answers = [ended(None, processed=number) for number in (before, after)]
    async with connect(ScriptedTransport(read=answers)) as client:
        job = client.job(JOB)
        await job.poll()
        assert (await job.poll()).delivered == known


async def test_a_page_that_is_read_once_more_is_handed_out_once() -> None:
    """Caught: the last page a second time, without rows."""
    async with connect(lagging(3, manifest(5))) as client:
        pages = [page async for page in client.job(JOB).pages()]
    assert [len(page.rows) for page in pages] == [2, 2, 2]
