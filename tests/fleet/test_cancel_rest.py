"""`on_error="cancel_rest"`: the first failure stops the spend of all the others."""

import logging

import pytest

from openfunnel_async import (
    BulkResult,
    JobOutcome,
    JobStatus,
    TransportError,
    WireReply,
)
from openfunnel_async.sandbox import (
    CompletesUnderCancel,
    JobLife,
)
from tests.fleet.account import Account, kinds, lasting, searches
from tests.support.scripted import (
    Later,
    ScriptedTransport,
    Seen,
    broken,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]

FAILS = lasting(40, ends="failed")
PAGES = JobLife(queue=0, first_page_after=10, seconds_per_page=10, closing=600)


def result_of(outcome: JobOutcome) -> BulkResult:
    assert outcome.result is not None
    return outcome.result


async def run(account: Account, *limits: int, max_active: int = 8) -> list[JobOutcome]:
    return await account.client.run_many(
        searches(*limits), max_active=max_active, on_error="cancel_rest"
    )


async def test_the_others_are_cancelled() -> None:
    """Caught: `_note_failure` that only stops the submits."""
    async with Account(FAILS, lasting(5000)) as account:
        outcomes = await run(account, 5, 5, 5)
        assert [view.status for view in account.views[1:]] == ["cancelled"] * 2
        assert account.service.now < 120
    assert kinds(outcomes) == ["JobFailedError", "cancelled", "cancelled"]


async def test_they_keep_the_rows_they_had() -> None:
    """Caught: no more than a cancel's receipt for them."""
    async with Account(FAILS, PAGES) as account:
        outcomes = await run(account, 5, 1000)
        cancelled = account.views[1]
    result = result_of(outcomes[1])
    assert len(result.rows) >= 300
    assert [row.name for row in result.rows] == [row["name"] for row in cancelled.rows]
    assert result.manifest is not None
    assert result.manifest.credits_consumed == len(result.rows)


async def test_what_was_not_submitted_says_that_nothing_was_sent() -> None:
    """Caught: searches that wait for a slot are submitted after the failure."""
    async with Account(FAILS, lasting(5000)) as account:
        outcomes = await run(account, 5, 5, 5, 5, max_active=2)
        assert len(account.seen("submit")) == 2
    assert kinds(outcomes)[2:] == ["OpenFunnelError"] * 2
    for outcome in outcomes[2:]:
        assert "nothing was sent" in str(outcome.error)
        assert outcome.job is None


async def test_what_waits_for_room_is_not_submitted_either() -> None:
    """Caught: the wait for room ends and nobody looks whether something failed."""
    async with Account(lasting(40, ends="failed", rows=0), lasting(5000)) as account:
        outcomes = await account.client.run_many(
            searches(60, 40, 40), max_credits=100, on_error="cancel_rest"
        )
        assert len(account.seen("submit")) == 2
    assert kinds(outcomes) == ["JobFailedError", "cancelled", "OpenFunnelError"]


async def test_a_job_whose_submit_was_under_way_is_cancelled_as_well() -> None:
    """Caught: only those cancelled that were running when the other failed."""

    def read(seen: Seen) -> WireReply:
        if seen.job_id == "a":
            return job_reply("failed", job_id="a")
        word = "cancelled" if transport.count("cancel") else "running"
        return job_reply(word, job_id="b")

    transport = ScriptedTransport(
        submit=[submit_reply("a"), Later(submit_reply("b"), after=9)],
        cancel=[cancel_reply("b")],
        read=read,
    )
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(1, 1, 1), on_error="cancel_rest")
    assert kinds(outcomes) == ["JobFailedError", "cancelled", "OpenFunnelError"]
    assert transport.times("cancel") == [9.0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(422), "RequestRejectedError"),
        (reply(401), "AuthenticationError"),
        (broken(), "SubmitOutcomeUnknownError"),
    ],
)
async def test_a_failing_submit_is_a_failure(
    answer: WireReply | TransportError, error: str
) -> None:
    """Caught: only failing jobs cancel the rest."""

    def read(seen: Seen) -> WireReply:
        word = "cancelled" if transport.count("cancel") else "running"
        return job_reply(word, job_id=seen.job_id)

    transport = ScriptedTransport(
        submit=[submit_reply("a"), answer], cancel=[cancel_reply("a")], read=read
    )
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(1, 1), on_error="cancel_rest")
    assert kinds(outcomes) == ["cancelled", error]


async def test_a_search_that_fits_no_more_is_no_failure() -> None:
    """Caught: every error cancels the rest."""
    async with Account(lasting(40)) as account:
        outcomes = await account.client.run_many(
            searches(60, 101, 40), max_credits=100, on_error="cancel_rest"
        )
    assert kinds(outcomes) == ["completed", "CreditCapError", "completed"]


async def test_a_job_that_gets_there_first_is_whole() -> None:
    """Caught: every one of the rest taken for cancelled."""
    lives = [FAILS, lasting(5000, rows=3), lasting(5000)]
    async with Account(*lives, faults=[CompletesUnderCancel()]) as account:
        outcomes = await run(account, 5, 5, 5)
    assert sorted(kinds(outcomes)) == ["JobFailedError", "cancelled", "completed"]
    assert len(result_of(outcomes[1]).rows) == 3


async def test_one_that_was_done_before_keeps_its_result() -> None:
    async with Account(lasting(10), FAILS, lasting(5000)) as account:
        outcomes = await run(account, 5, 5, 5)
        assert len(account.seen("cancel")) == 1
    assert kinds(outcomes) == ["completed", "JobFailedError", "cancelled"]


async def test_two_failures_cancel_once() -> None:
    async with Account(FAILS, FAILS, lasting(5000)) as account:
        outcomes = await run(account, 5, 5, 5)
        asked = [seen.job_id for seen in account.seen("cancel")]
        assert asked.count(account.views[2].id) == 1
    assert kinds(outcomes)[2] == "cancelled"
    assert {"JobFailedError"} <= set(kinds(outcomes))


async def test_collect_goes_on() -> None:
    async with Account(FAILS, lasting(100)) as account:
        outcomes = await account.client.run_many(searches(5, 5, 5))
        assert account.seen("cancel") == []
    assert kinds(outcomes) == ["JobFailedError", "completed", "completed"]


async def test_a_cancel_that_is_refused_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: what could not be cancelled is waited for in silence."""

    def read(seen: Seen) -> WireReply:
        word = "failed" if seen.job_id == "a" else "running"
        word = "completed" if seen.at > 500 else word
        return job_reply(word, job_id=seen.job_id)

    transport = ScriptedTransport(
        submit=[submit_reply("a"), submit_reply("b")], read=read, cancel=[reply(422)]
    )
    with caplog.at_level(logging.WARNING, "openfunnel_async"):
        async with connect(transport) as client:
            outcomes = await client.run_many(searches(1, 1), on_error="cancel_rest")
    assert kinds(outcomes) == ["JobFailedError", "completed"]
    assert any("job b could not be cancelled" in text for text in caplog.messages)


async def test_nothing_is_left_running_when_it_returns() -> None:
    lives = [
        lasting(35 + n, ends="failed" if n == 3 else "completed") for n in range(9)
    ]
    async with Account(*lives) as account:
        outcomes = await run(account, *[5] * 9, max_active=5)
        assert account.going() == []
        assert account.client.orphans == ()
    statuses = {one.result.status for one in outcomes if one.result}
    assert statuses <= {JobStatus.COMPLETED, JobStatus.CANCELLED}
