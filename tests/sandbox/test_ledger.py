"""Credits: one bill a job, for the companies it delivered."""

import math

import pytest

from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.sandbox.caller import Caller, by_hand


def test_the_ledger_equals_the_rows() -> None:
    """It failed with a job billed by its limit."""
    caller = by_hand(lives=[JobLife(rows=130), JobLife(), JobLife(rows=0)])
    job_ids = [caller.start(limit=300) for _ in range(3)]
    caller.service.advance(1000)
    bills = {entry.job_id: entry.credits for entry in caller.service.ledger.entries}
    assert bills == {job_id: len(caller.read_all(job_id)) for job_id in job_ids}


def test_nothing_is_billed_while_a_job_is_active() -> None:
    caller = by_hand(lives=[JobLife(closing=50)])
    job_id = caller.start(limit=100)
    caller.service.advance(40)
    assert caller.read(job_id).body["processed"] == 100
    assert caller.service.ledger.entries == ()
    assert caller.service.jobs[job_id].credits is None


def test_bills_are_in_the_order_in_which_jobs_ended() -> None:
    caller = by_hand(lives=[JobLife(queue=100), JobLife()])
    first, second = caller.start(), caller.start()
    caller.service.advance(1000)
    entries = caller.service.ledger.entries
    assert [entry.job_id for entry in entries] == [second, first]
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)


def test_a_job_is_billed_once() -> None:
    caller = by_hand()
    caller.start(limit=10)
    for _ in range(3):
        caller.service.advance(1000)
        caller.balance()
    assert len(caller.service.ledger.entries) == 1


def test_the_balance_falls_by_the_bill() -> None:
    caller = by_hand(credits=137.5)
    caller.start(limit=100)
    before = caller.balance().body
    caller.service.advance(1000)
    assert (before["credits_left"], before["credits_used"]) == (137.5, 0)
    assert caller.balance().body == {
        "total_credits": 137.5,
        "credits_used": 100,
        "credits_left": 37.5,
    }


def test_the_bill_of_the_manifest_is_that_of_the_ledger() -> None:
    caller = by_hand()
    job_id = caller.start(limit=120)
    caller.service.advance(1000)
    consumed = caller.read(job_id).body["manifest"]["credits_consumed"]
    assert consumed == caller.service.ledger.entries[0].credits == 120
    assert caller.service.jobs[job_id].credits == 120


@pytest.mark.parametrize(("billed", "credits_used"), [(True, 130), (False, 0)])
def test_a_failed_job_is_billed_as_the_option_requires(
    billed: bool, credits_used: float
) -> None:
    caller = by_hand(
        lives=[JobLife(rows=130, ends="failed")],
        unknowns=Unknowns(failed_rows_billed=billed),
    )
    caller.start(limit=250)
    caller.service.advance(1000)
    (entry,) = caller.service.ledger.entries
    assert (entry.companies, entry.credits) == (130, credits_used)


@pytest.mark.parametrize("nesting", ["top", "detail"])
def test_a_search_beyond_the_credits_is_refused(nesting: str) -> None:
    unknowns = Unknowns(error_nesting="top" if nesting == "top" else "detail")
    answer = by_hand(credits=99, unknowns=unknowns).submit(limit=100)
    error = answer.body if nesting == "top" else answer.body["detail"]
    assert (answer.status, error["error_code"]) == (400, "CREDITS_EXCEEDED")


def test_a_search_beyond_the_credits_fails_where_they_end() -> None:
    caller = by_hand(credits=130, unknowns=Unknowns(low_credits="fail"))
    job_id = caller.start(limit=250)
    caller.service.advance(1000)
    body = caller.read(job_id).body
    assert (body["status"], body["manifest"]["count"]) == ("failed", 130)
    assert caller.service.ledger.balance == 0


@pytest.mark.parametrize("credits", [-5, -0.5])
def test_a_balance_may_be_negative(credits: float) -> None:  # noqa: A002 -- its name
    caller = by_hand(credits=credits)
    assert caller.balance().body["credits_left"] == credits
    assert caller.submit(limit=1).status == 400


def test_a_job_of_an_account_in_debt_delivers_nothing() -> None:
    caller = by_hand(credits=-5, unknowns=Unknowns(low_credits="fail"))
    job_id = caller.start(limit=10)
    caller.service.advance(1000)
    assert caller.read(job_id).body["status"] == "failed"
    assert caller.service.ledger.balance == -5


@pytest.mark.parametrize("credits", [math.inf, -math.inf, math.nan])
def test_credits_are_a_finite_number(credits: float) -> None:  # noqa: A002 -- its name
    with pytest.raises(ValueError, match="finite"):
        Service(credits=credits)


@pytest.mark.parametrize("low_credits", ["refuse", "fail"])
def test_jobs_at_once_do_not_outrun_the_credits(low_credits: str) -> None:
    """It failed with running jobs' credits counted as free."""
    position = Unknowns(low_credits="fail" if low_credits == "fail" else "refuse")
    caller = by_hand(credits=250, unknowns=position)
    for _ in range(4):
        caller.submit(limit=100)
    caller.service.advance(1000)
    assert caller.service.ledger.balance >= 0


def test_accounts_pay_for_themselves() -> None:
    caller = by_hand()
    other = Caller(caller.service, key=caller.service.open_account("other"))
    other.start(limit=100)
    caller.service.advance(1000)
    assert caller.balance().body["credits_used"] == 0
    assert other.balance().body["credits_used"] == 100


def test_a_ledger_shows_its_totals_in_one_line() -> None:
    caller = by_hand(credits=500)
    assert repr(caller.service.ledger) == "<Ledger 0 bills, 0 of 500 credits used>"
    caller.start(limit=120)
    caller.service.advance(1000)
    assert repr(caller.service.ledger) == "<Ledger 1 bill, 120 of 500 credits used>"
