"""The client against the sandbox's real server: the whole way, and its refusals."""

from typing import Literal

import pytest

from openfunnel_async import (
    AuthenticationError,
    JobNotFoundError,
    JobStatus,
    LookalikeSearch,
    RequestRejectedError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.sandbox import JobLife, LostAnswer, Sandbox, Unknowns
from tests.wire.clients import JOB_ID, SEARCH, client_of

pytestmark = pytest.mark.anyio

FINISHED = JobLife(
    queue=0, processed_after=0, first_page_after=0, seconds_per_page=0, closing=0
)
TWICE = RetryPolicy(attempts=2)
# Nine pages within a blink, the tenth never.
STUCK = JobLife(
    queue=0,
    processed_after=0,
    first_page_after=1,
    seconds_per_page=(1.0,) * 8 + (1e9,),
)


async def test_rows_are_read_until_enough_and_the_spend_is_stopped() -> None:
    async with (
        Sandbox(speed=100, lives=[STUCK]) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        job = await client.submit(LookalikeSearch(query="voice ai", limit=5000))
        names: list[str | None] = []
        async with job.rows() as rows:
            async for company in rows:
                names.append(company.name)
                if rows.delivered >= 800:
                    break
        receipt = await job.cancel(wait=True)
        truth = sandbox.jobs[job.id]
    assert names == [row["name"] for row in truth.rows[:800]]
    assert receipt.status is JobStatus.CANCELLED
    assert receipt.credits_consumed == truth.credits == 900
    assert receipt.credits_avoided == 4100


async def test_a_job_that_got_there_first_is_no_error_of_the_cancel() -> None:
    """The 409 does not say which of three it is: a GET does."""
    async with (
        Sandbox(speed=0, lives=[FINISHED]) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        job = await client.submit(SEARCH)
        receipt = await job.cancel()
        asked = [(r.kind, r.status) for r in sandbox.requests[1:]]
    assert asked == [("cancel", 409), ("read", 200)]
    assert receipt.already_terminal
    assert (receipt.status, receipt.credits_consumed) == (JobStatus.COMPLETED, 250)


async def test_all_rows_of_a_finished_job_come_back_packed() -> None:
    async with (
        Sandbox(speed=0, lives=[FINISHED]) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        job = await client.submit(SEARCH)
        result = await job.result()
        truth = sandbox.jobs[job.id]
        accepted = [dict(r.headers)["accept-encoding"] for r in sandbox.requests]
    assert all("gzip" in text for text in accepted)
    assert [row.linkedin_url for row in result.rows] == [
        row["linkedin_url"] for row in truth.rows
    ]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_an_authentication_error(
    status: Literal[401, 403],
) -> None:
    unknowns = Unknowns(wrong_key_status=status)
    async with (
        Sandbox(unknowns=unknowns) as sandbox,
        client_of(sandbox.base_url, "of_wrong") as client,
    ):
        with pytest.raises(AuthenticationError) as caught:
            await client.submit(SEARCH)
        assert len(sandbox.requests) == 1
    assert caught.value.status_code == status


async def test_an_unknown_id_is_not_found() -> None:
    async with (
        Sandbox() as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        with pytest.raises(JobNotFoundError):
            await client.job(JOB_ID).poll()
        with pytest.raises(JobNotFoundError):
            await client.job(JOB_ID).cancel()
        assert len(sandbox.requests) == 2


async def test_a_refused_search_tells_what_is_wrong_with_it() -> None:
    search = LookalikeSearch(query="voice ai", funding_stages=("Series Q",))
    async with (
        Sandbox() as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        with pytest.raises(RequestRejectedError) as caught:
            await client.submit(search)
    (issue,) = caught.value.issues
    assert issue.loc == ("body", "funding_stages", 0)
    assert issue.type == "enum"
    assert "Series Q" not in repr(caught.value.detail)


async def test_a_lost_answer_to_a_submit_is_an_unknown_outcome() -> None:
    async with (
        Sandbox(faults=[LostAnswer(on="submit")]) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key) as client,
    ):
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
        assert [r.kind for r in sandbox.requests] == ["submit"]
        assert len(sandbox.jobs) == 1
    assert (caught.value.accepted, caught.value.job_id) == (False, None)
    assert caught.value.max_exposure == 250


async def test_a_lost_answer_to_a_cancel_is_asked_for_again() -> None:
    faults = [LostAnswer(on="cancel")]
    async with (
        Sandbox(speed=0, faults=faults) as sandbox,
        client_of(sandbox.base_url, sandbox.api_key, retry=TWICE) as client,
    ):
        job = await client.submit(SEARCH)
        receipt = await job.cancel()
        asked = [(r.kind, r.answered) for r in sandbox.requests[1:]]
    assert asked == [("cancel", False), ("cancel", True)]
    assert receipt.accepted
