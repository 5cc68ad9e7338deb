"""Answers each of which could be true, in an order that cannot; and absurd heads."""

import json
import logging
from typing import Any

import pytest

from openfunnel_async import (
    InvalidResponseError,
    JobFailedError,
    JobStatus,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    TransportError,
)
from openfunnel_async.sandbox import JobLife, Sandbox, StaleRead
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, said
from tests.wire.clients import JOB_ID, RUNNING, SEARCH, SUBMITTED, client_of

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

HUGE = "x" * 5_000_000
FINISHED = JobLife(
    queue=0, processed_after=0, first_page_after=0, seconds_per_page=0, closing=0
)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def job(status: str, **more: Any) -> Said:
    return said(json.dumps({"job_id": JOB_ID, "status": status, **more}))


def page(status: str, start: int, stop: int, **more: Any) -> Said:
    rows = [{"name": f"Company {number}"} for number in range(start, stop)]
    return job(status, rows=rows, page="page_0000", **more)


async def statuses(*answers: Said) -> list[JobStatus]:
    async with RawServer(*answers) as server, client_of(server.base_url) as client:
        handle = client.job(JOB_ID)
        found: list[JobStatus] = []
        for _ in answers:
            assert (await handle.poll()).status is handle.status
            found.append(handle.status)
    return found


async def names(*answers: Said) -> list[str | None]:
    """Read the rows, over one error if there is one."""
    found: list[str | None] = []
    async with RawServer(*answers) as server, client_of(server.base_url) as client:  # noqa: SIM117 -- too long in one
        async with client.job(JOB_ID).rows() as rows:
            async for company in rows:
                found.append(company.name)  # noqa: PERF401 -- kept when it raises
    return found


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["running", "pending"], ["running", "running"]),
        (["cancelling", "running", "pending"], ["cancelling"] * 3),
        (["completed", "running"], ["completed"] * 2),
        (["completed", "failed", "cancelled"], ["completed"] * 3),
        (["cancelled", "cancelling"], ["cancelled"] * 2),
        (["failed", "completed"], ["failed"] * 2),
        (["running", "resting", "running"], ["running", "unknown", "running"]),
        (["cancelling", "resting"], ["cancelling"] * 2),
        (["completed", "resting"], ["completed"] * 2),
        (["running", "resting", "pending"], ["running", "unknown", "running"]),
    ],
    ids=" ".join,
)
async def test_a_status_never_goes_backwards(
    words: list[str], shown: list[str]
) -> None:
    """Caught: the last answer's own word shown."""
    assert await statuses(*map(job, words)) == [JobStatus(word) for word in shown]


async def test_a_stale_read_of_a_real_service_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        Sandbox(speed=0, lives=[FINISHED]) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        handle = await client.submit(SEARCH)
        await handle.poll()
        sandbox.faults.append(StaleRead())
        with caplog.at_level(logging.WARNING):
            snapshot = await handle.poll()
    assert snapshot.status is JobStatus.COMPLETED
    assert "anomaly" in caplog.text


async def test_an_unknown_word_is_warned_about_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await statuses(*[job("resting")] * 3)
    assert len([record for record in caplog.records if record.levelno > 20]) == 1


async def test_rows_that_were_read_and_then_changed() -> None:
    """Caught: a page read again without being compared."""
    with pytest.raises(InvalidResponseError) as caught:
        await names(page("running", 0, 2), page("completed", 5, 9))
    assert caught.value.path == "$.rows"


async def test_rows_that_were_read_and_then_gone() -> None:
    with pytest.raises(InvalidResponseError) as caught:
        await names(page("running", 0, 2), page("completed", 0, 1))
    assert caught.value.path == "$.rows"


async def test_a_cursor_that_leads_back() -> None:
    """Caught: a loop without end, or the same rows twice."""
    with pytest.raises(InvalidResponseError) as caught:
        await names(page("completed", 0, 2, next_cursor="page_0000"))
    assert caught.value.path == "$.next_cursor"


async def test_a_page_that_is_not_the_one_asked_for() -> None:
    first = page("completed", 0, 2, next_cursor="page_0001")
    with pytest.raises(InvalidResponseError) as caught:
        await names(first, page("completed", 2, 4))
    assert caught.value.path == "$.page"


async def test_rows_that_a_failed_job_had_come_before_its_error() -> None:
    with pytest.raises(JobFailedError, match="gave up"):
        await names(page("failed", 0, 2, error_message="gave up"))


async def test_rows_null_while_pending_and_then_delivered() -> None:
    waiting = job("pending", rows=None, page=None)
    assert await names(waiting, waiting, page("completed", 0, 2)) == [
        "Company 0",
        "Company 1",
    ]


@pytest.mark.parametrize(
    "bad",
    [b"<html>", b'{"rows": [', b"[" * 100_000, b"\xff"],
    ids=["HTML", "cut", "deep", "bytes"],
)
async def test_a_stream_reads_over_one_answer_that_is_not_json(bad: bytes) -> None:
    answers = [page("running", 0, 1), said(bad), page("completed", 0, 2)]
    async with (
        RawServer(*answers) as server,
        client_of(server.base_url, retry=RetryPolicy(attempts=2)) as client,
        client.job(JOB_ID).rows() as rows,
    ):
        assert [each.name async for each in rows] == ["Company 0", "Company 1"]


async def test_a_row_with_odd_fields_is_delivered() -> None:
    """A row is paid for: what does not fit its field is kept beside it."""
    odd = {"name": 5, "domain": None, "employee_count": "12", "novel": [1]}
    async with (
        RawServer(job("completed", rows=[odd])) as server,
        client_of(server.base_url) as client,
    ):
        (company,) = (await client.job(JOB_ID).fetch_page()).rows
    assert (company.name, company.domain, company.employee_count) == (None, None, None)
    assert company.extra == {"name": 5, "employee_count": "12", "novel": [1]}


HEADS = pytest.mark.parametrize(
    "head",
    [{"X-Huge": HUGE}, {HUGE: "x"}, {f"X-{n}": "x" for n in range(50_000)}],
    ids=["value", "name", "number"],
)


@HEADS
async def test_a_read_whose_answer_has_a_head_of_megabytes(
    head: dict[str, str],
) -> None:
    answer = said(RUNNING, headers=head)
    async with RawServer(answer, answer) as server, client_of(server.base_url) as c:
        with pytest.raises(TransportError) as caught:
            await c.job(JOB_ID).poll()
    assert caught.value.request_sent


@HEADS
async def test_a_submit_whose_answer_has_a_head_of_megabytes(
    head: dict[str, str],
) -> None:
    answer = said(SUBMITTED, headers=head)
    async with RawServer(answer, answer) as server, client_of(server.base_url) as c:
        with pytest.raises(SubmitOutcomeUnknownError):
            await c.submit(SEARCH)
        assert len(server.received) == 1
