"""The model is the one the numbers were set for, and the runner acts it out."""

import math
from statistics import fmean

import pytest

from tests.pace.model import CLASSES, SEED, PacedJob, draw, jobs_of
from tests.pace.run import FIXED, ONE_WAY, wait_for

EVERY = 4.0


def with_a_fixed_pace(job: PacedJob) -> tuple[int, float]:
    """Tell by sums alone how often a look every 4 s is made, and how late the last."""
    first, period = EVERY + ONE_WAY, EVERY + 2 * ONE_WAY
    further = max(0, math.ceil((job.end - first) / period))
    return further + 1, first + further * period + ONE_WAY - job.end


@pytest.mark.parametrize(
    ("limit", "end"), [(100, 44.518784), (1000, 51.071686), (10_000, 1601.301123)]
)
def test_the_first_jobs_end_when_they_should(limit: int, end: float) -> None:
    """Caught: the draws of bursts and stalls swapped."""
    assert draw(SEED, limit, 0).end == pytest.approx(end, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "polls", "delay"),
    [("small", 13.8, 2.18), ("medium", 34.9, 2.27), ("large", 222, 2.19)],
)
def test_a_fixed_pace_costs_what_it_was_measured_to(
    size: str, polls: float, delay: float
) -> None:
    """Caught: the job's clock started when its submit arrives, not when it answers."""
    outcomes = [with_a_fixed_pace(job) for job in jobs_of(CLASSES[size], 400)]
    assert fmean(looks for looks, _ in outcomes) == pytest.approx(polls, rel=0.005)
    assert fmean(late for _, late in outcomes) == pytest.approx(delay, abs=0.006)


def test_the_waiter_keeps_a_fixed_pace_to_the_letter() -> None:
    """Caught: a pace counted from the sending of a look instead of its answer."""
    jobs = jobs_of((100, 1000, 2500), 20)
    outcomes = wait_for(jobs, FIXED)
    for job, outcome in zip(jobs, outcomes, strict=True):
        looks, late = with_a_fixed_pace(job)
        assert outcome.polls == looks
        assert outcome.delay == pytest.approx(late, abs=1e-6)


def test_a_cancel_settles_at_the_next_page() -> None:
    job = draw(SEED, 1000, 0)
    first, second = job.pages[:2]
    assert job.settles(job.start - 1) == job.start - 1 + job.flush
    assert job.settles(first) == first + job.flush
    assert job.settles(first + 0.01) == second + job.flush
    assert job.settles(job.pages[-2] + 0.01) == job.end
