"""A cancel: it settles at a checkpoint, or the job wins the race."""

import pytest

from openfunnel_async.sandbox import JobLife, Unknowns
from tests.sandbox.caller import by_hand

LIFE = JobLife(queue=2, first_page_after=5, seconds_per_page=10, closing=3)
"""Pages at 7, 17, 27 for 250 rows; the end at 30."""


def test_a_cancel_settles_and_keeps_what_was_written() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(8)
    answer = caller.cancel(job_id)
    assert (answer.status, answer.body["status"]) == (200, "cancelling")
    assert caller.read(job_id).body["status"] == "cancelling"
    caller.service.advance(2)
    body = caller.read(job_id).body
    assert (body["status"], body["count"], body["next_cursor"]) == (
        "cancelled",
        100,
        None,
    )
    assert body["manifest"]["partial"]


def test_a_cancelled_job_bills_what_it_delivered_and_no_more() -> None:
    """It failed with the planned rows billed in place of the delivered."""
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(16)
    caller.cancel(job_id)
    caller.service.advance(1000)
    assert len(caller.read_all(job_id)) == 200
    assert [entry.credits for entry in caller.service.ledger.entries] == [200]
    assert caller.read(job_id).body["manifest"]["credits_consumed"] == 200


def test_a_pending_job_cancels_for_free() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start()
    caller.cancel(job_id)
    caller.service.advance(1000)
    body = caller.read(job_id).body
    assert (body["status"], body["processed"]) == ("cancelled", None)
    assert body["manifest"]["credits_consumed"] == 0


def test_a_job_that_ends_before_its_checkpoint_wins() -> None:
    """It failed with an accepted cancel always ending in cancelled."""
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(29)
    assert caller.cancel(job_id).status == 200
    assert caller.read(job_id).body["status"] == "cancelling"
    caller.service.advance(1)
    body = caller.read(job_id).body
    assert (body["status"], body["manifest"]["count"]) == ("completed", 250)


@pytest.mark.parametrize("life", [LIFE, JobLife(ends="failed")])
def test_a_job_that_has_ended_answers_409(life: JobLife) -> None:
    caller = by_hand(lives=[life])
    job_id = caller.start()
    caller.service.advance(1000)
    assert caller.cancel(job_id).status == 409
    assert caller.service.jobs[job_id].status == life.ends


def test_a_cancelled_job_answers_409() -> None:
    caller = by_hand()
    job_id = caller.start()
    caller.cancel(job_id)
    caller.service.advance(1000)
    assert caller.cancel(job_id).status == 409


def test_a_second_cancel_does_not_put_the_checkpoint_off() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start()
    caller.service.advance(8)
    caller.cancel(job_id)
    caller.service.advance(1)
    caller.cancel(job_id)
    assert caller.service.jobs[job_id].ends_at == 10


@pytest.mark.parametrize(
    ("cancelled_at", "ends_at", "ends"),
    [(1, 2, "cancelled"), (8, 18, "cancelled"), (18, 30, "completed")],
)
def test_a_checkpoint_may_be_the_page_being_written(
    cancelled_at: float, ends_at: float, ends: str
) -> None:
    caller = by_hand(lives=[LIFE], unknowns=Unknowns(settle="next_page"))
    job_id = caller.start(limit=250)
    caller.service.advance(cancelled_at)
    caller.cancel(job_id)
    job = caller.service.jobs[job_id]
    assert (job.ends_at, job.ends) == (ends_at, ends)


def test_a_job_nobody_has_answers_404() -> None:
    caller = by_hand()
    assert caller.cancel("nothing").status == 404
