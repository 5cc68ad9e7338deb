"""Many searches, a few jobs at a time, each with its outcome in its place."""

import asyncio
from itertools import pairwise
from typing import cast

import anyio
import pytest

from openfunnel_async import (
    JobError,
    JobFailedError,
    JobNotFoundError,
    JobStatus,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
    WireReply,
)
from openfunnel_async.sandbox import LostAnswer, StatusFault
from tests.fleet.account import Account, kinds, lasting, searches
from tests.support.sandbox_transport import Fate
from tests.support.scripted import (
    Later,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
    submit_reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


async def test_the_outcomes_are_in_the_order_of_the_searches() -> None:
    """Caught: outcomes listed as the jobs end."""
    lives = [lasting(60, rows=1), lasting(20, rows=2), lasting(40, rows=3)]
    wanted = searches(10, 10, 10)
    async with Account(*lives) as account:
        outcomes = await account.client.run_many(wanted)
    assert [outcome.search for outcome in outcomes] == wanted
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    assert [len(result.rows) for result in results] == [1, 2, 3]


async def test_an_outcome_has_the_handle_the_rows_and_the_bill() -> None:
    async with Account(lasting(20, rows=130)) as account:
        [outcome] = await account.client.run_many(searches(500))
        [view] = account.views
    assert outcome.error is None
    assert outcome.job is not None
    assert outcome.job.id == view.id
    assert outcome.result is not None
    assert [row.name for row in outcome.result.rows] == [r["name"] for r in view.rows]
    assert outcome.result.manifest is not None
    assert outcome.result.manifest.credits_consumed == 130


async def test_no_more_than_asked_for_are_active() -> None:
    """Caught: a slot given back when the submit is answered, not when the job ends."""
    lives = [lasting(10 + (number * 7) % 50) for number in range(30)]
    async with Account(*lives) as account:
        outcomes = await account.client.run_many(searches(*[50] * 30), max_active=4)
        assert account.most_at_once() == 4
    assert kinds(outcomes) == ["completed"] * 30


async def test_eight_are_active_by_default() -> None:
    async with Account(lasting(100)) as account:
        await account.client.run_many(searches(*[5] * 20))
        assert account.most_at_once() == 8


async def test_one_at_a_time_is_one_after_the_other() -> None:
    async with Account(lasting(30)) as account:
        await account.client.run_many(searches(5, 5, 5), max_active=1)
        views = account.views
    assert all(a.ends_at <= b.created_at for a, b in pairwise(views))


async def test_one_submit_is_under_way_at_a_time() -> None:
    """Caught: the submits sent from the tasks that collect."""
    transport = ScriptedTransport(
        submit=[Later(submit_reply(str(number)), after=2) for number in range(5)],
        read=lambda seen: job_reply("completed", job_id=seen.job_id),
    )
    async with connect(transport) as client:
        await client.run_many(searches(1, 1, 1, 1, 1))
    assert transport.times("submit") == [0.0, 2.0, 4.0, 6.0, 8.0]


async def test_a_refused_submit_is_its_own_outcome() -> None:
    """Caught: one refusal ends the whole batch."""
    faults = [StatusFault(on="submit", status=422)]
    async with Account(lasting(20), faults=faults) as account:
        outcomes = await account.client.run_many(searches(5, 5, 5))
        assert len(account.views) == 2
    assert kinds(outcomes) == ["RequestRejectedError", "completed", "completed"]
    assert isinstance(outcomes[0].error, RequestRejectedError)
    assert outcomes[0].job is None


async def test_a_refused_submit_takes_no_slot_from_the_others() -> None:
    """Caught: the slot of a submit that failed is never given back."""
    faults = [StatusFault(on="submit", status=403, times=6)]
    async with Account(lasting(20), faults=faults) as account:
        with anyio.fail_after(300):
            outcomes = await account.client.run_many(searches(*[5] * 9), max_active=2)
    assert kinds(outcomes) == ["AuthenticationError"] * 6 + ["completed"] * 3


async def test_a_submit_that_was_never_sent_says_so() -> None:
    async with Account(lasting(20)) as account:
        account.transport.fates.extend([Fate.REFUSED] * 4)
        outcomes = await account.client.run_many(searches(5, 5))
    assert kinds(outcomes) == ["TransportError", "completed"]
    assert cast("TransportError", outcomes[0].error).request_sent is False


async def test_a_submit_of_unknown_outcome_is_not_sent_again() -> None:
    async with Account(lasting(20), faults=[LostAnswer(on="submit")]) as account:
        outcomes = await account.client.run_many(searches(7, 8))
        assert len(account.seen("submit")) == 2
    assert kinds(outcomes) == ["SubmitOutcomeUnknownError", "completed"]
    unknown = cast("SubmitOutcomeUnknownError", outcomes[0].error)
    assert (unknown.search, unknown.max_exposure) == (outcomes[0].search, 7)


async def test_an_id_out_of_a_broken_answer_comes_with_a_handle() -> None:
    def read(seen: Seen) -> WireReply:
        return job_reply("completed", job_id=seen.job_id)

    transport = ScriptedTransport(
        submit=[reply(200, b'{"job_id": "a", "st')], read=read
    )
    async with connect(transport) as client:
        [outcome] = await client.run_many(searches(7))
    assert kinds([outcome]) == ["SubmitOutcomeUnknownError"]
    assert outcome.job is not None
    assert outcome.job.id == "a"
    assert outcome.job.is_terminal


async def test_a_job_out_of_a_broken_answer_holds_its_slot() -> None:
    """Caught: a second job submitted under max_active=1 while the first one bills."""
    running: set[str] = set()
    most = 0

    def submit(_seen: Seen) -> WireReply:
        nonlocal most
        running.add("b" if running else "a")
        most = max(most, len(running))
        return reply(200, b'{"job_id": "a", "st') if most == 1 else submit_reply("b")

    def read(seen: Seen) -> WireReply:
        polls.append(seen.job_id)
        if polls.count(seen.job_id) < 5:
            return job_reply("running", job_id=seen.job_id)
        running.discard(seen.job_id)
        return job_reply("completed", job_id=seen.job_id)

    polls: list[str] = []
    transport = ScriptedTransport(submit=submit, read=read)
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(7, 7), max_active=1)
    assert most == 1
    assert kinds(outcomes)[0] == "SubmitOutcomeUnknownError"
    assert {"a"} <= set(polls)


async def test_a_job_out_of_a_broken_answer_may_become_visible_later() -> None:
    """Caught: its first 404 believed, its rows lost, and its cancel refused."""

    def read(seen: Seen) -> WireReply:
        if seen.at < 2:
            return reply(404, {"detail": "Job not found"})
        return job_reply("completed", rows=rows(0, 3), manifest=manifest(3, pages=1))

    broken = reply(200, b'{"job_id": "job-1", "st')
    transport = ScriptedTransport(submit=[broken], read=read)
    async with connect(transport) as client:
        [outcome] = await client.run_many(searches(3))
    assert outcome.error is not None
    assert len(outcome.error.rows) == 3
    assert transport.count("cancel") == 0


async def test_a_failed_job_keeps_its_rows_on_the_error() -> None:
    """Caught: a failed job handed out as a result."""
    async with Account(lasting(20, rows=120, ends="failed"), lasting(20)) as account:
        outcomes = await account.client.run_many(searches(500, 5))
        first = account.views[0]
    assert kinds(outcomes) == ["JobFailedError", "completed"]
    error = cast("JobFailedError", outcomes[0].error)
    assert [row.name for row in error.rows] == [row["name"] for row in first.rows]
    assert outcomes[0].result is None
    assert outcomes[0].job is not None
    assert error.snapshot is outcomes[0].job.snapshot


async def test_a_job_that_cannot_be_read_leaves_the_others_alone() -> None:
    def read(seen: Seen) -> WireReply:
        if seen.job_id == "a":
            return reply(404)
        return job_reply("completed", job_id=seen.job_id)

    submits = [submit_reply("a"), submit_reply("b")]
    transport = ScriptedTransport(submit=submits, read=read)
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(5, 5))
    assert kinds(outcomes) == ["JobNotFoundError", "completed"]
    assert isinstance(outcomes[0].error, JobNotFoundError)
    assert outcomes[0].job is not None
    assert not outcomes[0].job.is_terminal


async def test_a_job_that_takes_too_long_is_cancelled() -> None:
    async with Account(lasting(9000)) as account:
        [outcome] = await account.client.run_many(searches(5), job_timeout=60)
        assert account.going() == []
    error = cast("JobError", outcome.error)
    assert isinstance(error, WaitTimeoutError)
    assert outcome.job is not None
    assert outcome.job.id == error.job_id
    assert outcome.job.status is JobStatus.CANCELLED


async def test_the_clients_wait_timeout_does_not_end_a_member() -> None:
    """Caught: every job of more than an hour given up, and its slot given back."""
    async with Account(lasting(5000, rows=3), wait_timeout=60) as account:
        outcomes = await account.client.run_many(searches(5, 5), max_active=1)
        assert account.most_at_once() == 1
    assert kinds(outcomes) == ["completed", "completed"]


async def test_rows_that_do_not_add_up_are_an_error_with_rows() -> None:
    def read(seen: Seen) -> WireReply:
        rows = [{"name": "one"}, {"name": "two"}]
        counted = manifest(3)
        return job_reply("completed", rows=rows, job_id=seen.job_id, manifest=counted)

    transport = ScriptedTransport(submit=[submit_reply()], read=read)
    async with connect(transport) as client:
        [outcome] = await client.run_many(searches(5))
    assert kinds([outcome]) == ["IncompleteResultsError"]
    assert [row.name for row in cast("JobError", outcome.error).rows] == ["one", "two"]


async def test_a_job_somebody_else_cancels_is_a_result_with_its_rows() -> None:
    async with Account(lasting(600)) as account:
        task = asyncio.create_task(account.client.run_many(searches(5)))
        await anyio.sleep(30)
        await account.client.job(account.views[0].id).cancel()
        [outcome] = await task
    assert outcome.error is None
    assert outcome.result is not None
    assert outcome.result.status is JobStatus.CANCELLED


async def test_no_searches_have_no_outcomes() -> None:
    async with Account() as account:
        assert await account.client.run_many([]) == []
        assert account.service.requests == []


async def test_a_search_without_a_limit_is_run_where_there_is_no_cap() -> None:
    async with Account(lasting(20, rows=3)) as account:
        assert kinds(await account.client.run_many(searches(None))) == ["completed"]


async def test_the_same_search_twice_is_two_jobs() -> None:
    async with Account(lasting(20)) as account:
        [wanted] = searches(5)
        outcomes = await account.client.run_many([wanted, wanted])
    assert len({outcome.job.id for outcome in outcomes if outcome.job}) == 2
