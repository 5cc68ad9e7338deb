"""The default pace, checked against the numbers it is to reach.

`python -m tests.pace` measures every job of the model; here are as many of them as
take seconds. The bounds are those of all the jobs.
"""

import functools

import pytest

from openfunnel_async import PollPolicy
from tests.pace.model import CLASSES, jobs_of, mixed
from tests.pace.run import (
    FIXED,
    ONE_WAY,
    Outcome,
    busiest_second,
    summary,
    wait_for,
)

# Of each limit. All 400 of the large ones take a minute.
JOBS = {"small": 400, "medium": 400, "large": 40}
UNSEEN = "a seed that nothing was tuned on"
DEFAULT = PollPolicy()


@functools.cache
def thousand() -> list[Outcome]:
    """Wait for a thousand mixed jobs, submitted within a second."""
    return wait_for(mixed(1000), DEFAULT, apart=0.001)


@pytest.mark.parametrize(
    ("size", "polls", "delay"),
    [("small", 13.6, 1.85), ("medium", 26.6, 2.0), ("large", 160, 1.85)],
)
def test_few_looks_find_the_end_soon(size: str, polls: float, delay: float) -> None:
    """Caught: a share of 0.3 (too many looks), a share of 0.7 (too late)."""
    found = summary(wait_for(jobs_of(CLASSES[size], JOBS[size])))
    assert found.polls <= polls
    assert found.delay <= delay


@pytest.mark.parametrize("size", CLASSES)
def test_few_looks_find_the_settling_of_a_cancel(size: str) -> None:
    """Caught: a first look 4 s after the cancel."""
    jobs = jobs_of(CLASSES[size], 400)
    found = summary(wait_for(jobs, cancels=True))
    assert found.polls <= 6.5
    assert found.delay <= 1.5


def test_nobody_learns_of_the_end_much_later_than_the_longest_sleep() -> None:
    """Caught: a sleep varied by twice the jitter."""
    longest = DEFAULT.longest * (1 + DEFAULT.jitter) + 3 * ONE_WAY
    assert summary(thousand()).longest <= longest


def test_a_thousand_jobs_at_once_do_not_look_all_at_once() -> None:
    """Caught: the first looks of a batch not spread."""
    outcomes = thousand()
    assert len(outcomes) == 1000
    assert busiest_second(outcomes) <= 300


@pytest.mark.parametrize("size", CLASSES)
def test_it_beats_a_fixed_pace_on_a_seed_never_looked_at(size: str) -> None:
    jobs = jobs_of(CLASSES[size], JOBS[size] // 4, UNSEEN)
    default, fixed = (summary(wait_for(jobs, policy)) for policy in (DEFAULT, FIXED))
    assert default.polls < fixed.polls
    assert default.delay < fixed.delay
