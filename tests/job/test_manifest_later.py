"""Only the status is latched: a manifest that is completed later counts."""

import logging
from typing import Any

import pytest

from openfunnel_async import IncompleteResultsError, JobStatus, Manifest, WireReply
from tests.job.streams import numbered
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DONE = {"count": 3, "pages": 1, "credits_consumed": 3.0}
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
