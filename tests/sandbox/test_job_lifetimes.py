"""One job from its submit to its end, seen through reads."""

import pytest

from openfunnel_async.sandbox import JobLife, Service, realistic_life
from tests.sandbox.caller import Caller, by_hand

LIFE = JobLife(
    queue=2, processed_after=1, first_page_after=5, seconds_per_page=10, closing=3
)
"""Pending to 2; counting from 3; pages at 7, 17, 27; the end at 30."""


@pytest.mark.parametrize(
    ("at", "status", "processed", "count", "next_cursor"),
    [
        (0, "pending", None, 0, None),
        (2, "running", None, 0, None),
        (3, "running", 0, 0, None),
        (7, "running", 100, 100, None),
        (17, "running", 200, 100, "page_0001"),
        (29.9, "running", 250, 100, "page_0001"),
        (30, "completed", 250, 100, "page_0001"),
    ],
)
def test_a_read_shows_the_moment(
    at: float, status: str, processed: int | None, count: int, next_cursor: str | None
) -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(at)
    body = caller.read(job_id).body
    assert (body["status"], body["processed"]) == (status, processed)
    assert (body["count"], len(body["rows"])) == (count, count)
    assert body["next_cursor"] == next_cursor
    assert (body["manifest"] is None) == (status != "completed")


def test_rows_come_in_pages_of_a_hundred_and_a_rest() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(30)
    pages = [caller.read(job_id, f"page_{n:04}").body for n in range(3)]
    assert [page["count"] for page in pages] == [100, 100, 50]
    assert [page["page"] for page in pages] == ["page_0000", "page_0001", "page_0002"]
    assert pages[-1]["next_cursor"] is None


def test_pages_hold_the_rows_of_the_truth_in_order() -> None:
    """It failed with the page's start one row off."""
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(30)
    assert tuple(caller.read_all(job_id)) == caller.service.jobs[job_id].rows


def test_a_written_page_never_changes() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250)
    caller.service.advance(7)
    early = caller.read(job_id).body["rows"]
    caller.service.advance(1000)
    assert caller.read(job_id).body["rows"] == early


def test_the_limit_of_a_read_is_ignored() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start()
    caller.service.advance(30)
    assert caller.read(job_id, limit="10").body["count"] == 100


def test_the_manifest_adds_the_job_up() -> None:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=250, seed_domains=["a.example", "b.invalid"])
    caller.service.advance(30)
    assert caller.read(job_id).body["manifest"] == {
        "count": 250,
        "pages": 3,
        "page_size": 100,
        "credits_consumed": 250.0,
        "derived_query": "voice ai",
        "resolved_seed_domains": ["a.example"],
        "unresolved_seed_domains": ["b.invalid"],
        "rerank_degraded": False,
        "partial": False,
    }


def test_a_job_may_deliver_less_than_its_limit() -> None:
    caller = by_hand(lives=[JobLife(rows=30)])
    job_id = caller.start(limit=250)
    caller.service.advance(1000)
    body = caller.read(job_id).body
    assert (body["status"], body["manifest"]["count"]) == ("completed", 30)


def test_a_job_may_deliver_nothing() -> None:
    caller = by_hand(lives=[JobLife(rows=0)])
    job_id = caller.start()
    caller.service.advance(1000)
    body = caller.read(job_id).body
    assert (body["status"], body["rows"]) == ("completed", [])
    assert (body["manifest"]["pages"], body["next_cursor"]) == (0, None)


def test_a_job_may_fail_midway() -> None:
    caller = by_hand(lives=[JobLife(rows=130, ends="failed", error_message="Broke.")])
    job_id = caller.start(limit=250)
    caller.service.advance(1000)
    body = caller.read(job_id).body
    assert (body["status"], body["error_message"]) == ("failed", "Broke.")
    assert len(caller.read_all(job_id)) == 130
    assert body["manifest"]["partial"]


def test_lives_come_first_and_the_plan_after_them() -> None:
    def plan(number: int, limit: int) -> JobLife:
        return JobLife(rows=limit - number)

    caller = by_hand(lives=[JobLife(rows=1)], plan=plan)
    job_ids = [caller.start(limit=50) for _ in range(3)]
    caller.service.advance(1000)
    rows = [len(caller.service.jobs[job_id].rows) for job_id in job_ids]
    assert rows == [1, 49, 48]


def test_gaps_between_pages_can_be_given_one_by_one() -> None:
    life = JobLife(queue=0, first_page_after=1, seconds_per_page=(2.0, 30.0))
    caller = by_hand(lives=[life])
    job_id = caller.start(limit=400)
    assert caller.service.jobs[job_id].page_times == (1, 3, 33, 63)


@pytest.mark.parametrize("number", range(20))
def test_a_life_nobody_planned_takes_as_long_as_was_measured(number: int) -> None:
    life = realistic_life("seed", number, 10_000)
    assert all(15.3 <= gap <= 27.3 for gap in life.gaps())
    assert 25 * 60 < sum(life.gaps()) < 45 * 60


def test_speed_is_a_factor_over_the_clock() -> None:
    seconds = 100.0
    service = Service(speed=20, clock=lambda: seconds)
    caller = Caller(service)
    caller.start()
    seconds += 2
    service.advance(5)
    caller.balance()
    assert [request.time for request in service.requests] == [0, 45]


def test_time_does_not_move_back() -> None:
    with pytest.raises(ValueError, match="forward"):
        Service(speed=0).advance(-1)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert _pages(seed="one") == _pages(seed="one")


def test_another_seed_gives_other_bytes() -> None:
    assert _pages(seed="one") != _pages(seed="two")


def _pages(**options: object) -> list[bytes]:
    caller = by_hand(**options)
    replies = [caller.submit(limit=150).reply.body]
    job_id = next(iter(caller.service.jobs))
    for _ in range(5):
        caller.service.advance(12)
        replies.append(caller.read(job_id).reply.body)
    return replies
