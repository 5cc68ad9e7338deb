"""Three hundred random batches; `python -m tests.fleet --schedules N` runs more.

What each invariant has caught is said in its docstring, in `judge`.
"""

import functools

import pytest

from tests.fleet.judge import INVARIANTS, Report, judge
from tests.fleet.schedule import draw

SCHEDULES = 300


@functools.cache
def report() -> Report:
    """Run them, once for all tests."""
    return judge(range(SCHEDULES))


@pytest.mark.parametrize("invariant", [one.__name__ for one in INVARIANTS])
def test_it_holds(invariant: str) -> None:
    told = [one for one in report().violations if f" {invariant}: " in one]
    assert told == [], "tell one by: python -m tests.fleet --replay SEED"


@pytest.mark.parametrize(
    "happening",
    [
        "caller went: once",
        "caller went: twice",
        "caller went: wait_for",
        "caller went: scope",
        "jobs nobody was told of",
        "orphans",
        "outcome: a result",
        "outcome: CreditCapError",
        "outcome: JobFailedError",
        "outcome: OpenFunnelError",
        "outcome: SubmitOutcomeUnknownError",
        "outcome: WaitTimeoutError",
    ],
)
def test_it_happens_often_enough_to_mean_something(happening: str) -> None:
    assert report().tally[happening] >= 5


def test_a_seed_is_one_schedule() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
