"""The cap is a reservation: what may still be billed counts as spent."""

import asyncio
from typing import cast

import anyio
import pytest

from openfunnel_async import CreditCapError, WireReply
from openfunnel_async.sandbox import LostAnswer, StatusFault, Unknowns
from tests.fleet.account import Account, kinds, lasting, searches
from tests.support.scripted import (
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
    submit_reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


async def test_what_may_still_be_billed_never_passes_the_cap() -> None:
    """Caught: only what was billed checked against the cap."""
    lives = [lasting(20 + number % 7 * 9, rows=3 * number) for number in range(40)]
    limits = [20 + number * 13 % 60 for number in range(40)]
    async with Account(*lives) as account:
        await account.client.run_many(searches(*limits), max_credits=200)
        assert account.most_committed() <= 200
        assert account.most_committed() > 150


async def test_the_cap_can_be_used_up_to_the_last_credit() -> None:
    """Caught: `<` in place of `<=`."""
    async with Account(lasting(20)) as account:
        outcomes = await account.client.run_many(searches(60, 40), max_credits=100)
        assert account.service.ledger.used == 100
    assert kinds(outcomes) == ["completed"] * 2


async def test_a_search_waits_for_room() -> None:
    """Caught: refused at once; no search woken by the room that a job gave back."""
    async with Account(lasting(30, rows=10)) as account:
        outcomes = await account.client.run_many(searches(80, 80), max_credits=100)
        first, second = account.views
    assert kinds(outcomes) == ["completed"] * 2
    assert second.created_at >= first.ends_at


async def test_short_jobs_let_later_ones_in() -> None:
    async with Account(lasting(20, rows=5)) as account:
        outcomes = await account.client.run_many(searches(*[90] * 6), max_credits=100)
        assert account.service.ledger.used == 15
    # After three jobs of 5 credits, 85 are left and no search of 90 fits.
    assert kinds(outcomes) == ["completed"] * 3 + ["CreditCapError"] * 3


async def test_a_search_that_fits_no_more_is_not_sent() -> None:
    """Caught: it is submitted and the error made afterwards."""
    async with Account(lasting(20)) as account:
        outcomes = await account.client.run_many(searches(70, 70), max_credits=100)
        assert len(account.seen("submit")) == 1
    assert isinstance(outcomes[1].error, CreditCapError)
    assert outcomes[1].job is None


async def test_a_smaller_one_behind_it_still_runs() -> None:
    async with Account(lasting(20)) as account:
        outcomes = await account.client.run_many(searches(70, 70, 30), max_credits=100)
        assert account.service.ledger.used == 100
    assert kinds(outcomes) == ["completed", "CreditCapError", "completed"]


async def test_a_search_above_the_cap_does_not_wait_for_the_others() -> None:
    async with Account(lasting(600)) as account:
        outcomes = await account.client.run_many(searches(10, 101, 10), max_credits=100)
        assert account.views[1].created_at < 5
    assert kinds(outcomes) == ["completed", "CreditCapError", "completed"]


async def test_a_cap_of_nothing_sends_nothing() -> None:
    async with Account() as account:
        outcomes = await account.client.run_many(searches(1, 1), max_credits=0)
        assert account.service.requests == []
    assert kinds(outcomes) == ["CreditCapError"] * 2


async def test_a_refused_submit_gives_its_room_back() -> None:
    """Caught: the reservation of a submit that made no job is kept."""
    faults = [StatusFault(on="submit", status=422)]
    async with Account(lasting(20), faults=faults) as account:
        outcomes = await account.client.run_many(searches(100, 100), max_credits=100)
    assert kinds(outcomes) == ["RequestRejectedError", "completed"]


async def test_a_submit_of_unknown_outcome_keeps_its_reservation() -> None:
    """Caught: the reservation released with every failed submit."""
    async with Account(
        lasting(20, rows=1), faults=[LostAnswer(on="submit")]
    ) as account:
        outcomes = await account.client.run_many(searches(60, 60, 40), max_credits=100)
        assert account.most_committed() <= 100
    assert kinds(outcomes) == [
        "SubmitOutcomeUnknownError",
        "CreditCapError",
        "completed",
    ]


def bills(job: dict[str, object] | None) -> ScriptedTransport:
    """Script two jobs, of which the first ends with this manifest."""

    def read(seen: Seen) -> WireReply:
        written = job if seen.job_id == "a" else manifest(0)
        return job_reply("completed", job_id=seen.job_id, manifest=written)

    submits = [submit_reply("a"), submit_reply("b")]
    return ScriptedTransport(submit=submits, read=read)


@pytest.mark.parametrize("written", [None, {"count": 0}, {"credits_consumed": None}])
async def test_a_missing_bill_counts_as_the_whole_limit(
    written: dict[str, object] | None,
) -> None:
    """Caught: a bill that is not known taken for 0."""
    async with connect(bills(written)) as client:
        outcomes = await client.run_many(searches(60, 60), max_credits=100)
    assert kinds(outcomes) == ["completed", "CreditCapError"]


async def test_a_bill_makes_room() -> None:
    async with connect(bills(manifest(0))) as client:
        outcomes = await client.run_many(searches(60, 60), max_credits=100)
    assert kinds(outcomes) == ["completed", "completed"]


async def test_a_bill_of_fractions_is_kept_exactly() -> None:
    async with connect(bills({"count": 0, "credits_consumed": 40.5})) as client:
        outcomes = await client.run_many(searches(60, 60), max_credits=100)
    assert kinds(outcomes) == ["completed", "CreditCapError"]


async def test_a_bill_above_the_limit_takes_more_room() -> None:
    async with connect(bills({"count": 0, "credits_consumed": 90})) as client:
        outcomes = await client.run_many(
            searches(60, 20), max_credits=100, max_active=1
        )
    assert kinds(outcomes) == ["completed", "CreditCapError"]


async def test_a_bill_below_zero_makes_no_room() -> None:
    """Caught: a refund of 500 credits taken for room under the cap."""
    async with connect(bills({"count": 0, "credits_consumed": -500})) as client:
        outcomes = await client.run_many(
            searches(60, 101), max_credits=100, max_active=1
        )
    assert kinds(outcomes) == ["completed", "CreditCapError"]


async def test_a_job_that_cannot_be_read_keeps_its_reservation() -> None:
    """Caught: the room given back because the reading has ended."""

    def read(seen: Seen) -> WireReply:
        if seen.job_id == "a":
            return reply(404)
        return job_reply("completed", job_id=seen.job_id, manifest=manifest(0))

    submits = [submit_reply("a"), submit_reply("b")]
    async with connect(ScriptedTransport(submit=submits, read=read)) as client:
        outcomes = await client.run_many(searches(60, 60), max_credits=100)
    assert kinds(outcomes) == ["JobNotFoundError", "CreditCapError"]


@pytest.mark.parametrize(("billed", "second"), [(True, "CreditCapError"), (False, "")])
async def test_a_failed_job_counts_with_its_bill(*, billed: bool, second: str) -> None:
    unknowns = Unknowns(failed_rows_billed=billed)
    lives = [lasting(20, rows=60, ends="failed"), lasting(20, rows=5)]
    async with Account(*lives, unknowns=unknowns) as account:
        outcomes = await account.client.run_many(searches(60, 60), max_credits=100)
        assert account.most_committed() <= 100
    assert kinds(outcomes) == ["JobFailedError", second or "completed"]


async def test_a_cancelled_job_counts_with_what_it_delivered() -> None:
    async with Account(lasting(600), lasting(20)) as account:
        work = account.client.run_many(searches(100, 100), max_credits=100)
        task = asyncio.create_task(work)
        await anyio.sleep(30)
        await account.client.job(account.views[0].id).cancel()
        outcomes = await task
    assert kinds(outcomes) == ["cancelled", "completed"]


async def test_a_wait_for_room_keeps_nobody_from_ending() -> None:
    async with Account(lasting(20)) as account:
        with anyio.fail_after(100):
            outcomes = await account.client.run_many(
                searches(100, 1), max_credits=100, max_active=1
            )
    assert kinds(outcomes) == ["completed", "CreditCapError"]
    assert str(cast("CreditCapError", outcomes[1].error)).startswith("1 credits")
