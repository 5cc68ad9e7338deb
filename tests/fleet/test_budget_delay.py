"""When turns are short, the jobs near their ends are polled first."""

import functools

from tests.fleet.thousand import MOST_DELAY, Waited, in_turn, wait_for
from tests.pace.model import mixed

# A fifth of the thousand jobs that `nox -s bench` waits for, and of their turns.
JOBS, RATE, WITHIN = 200, 2.0, 20.0


@functools.cache
def waited() -> Waited:
    return wait_for(mixed(JOBS), per_second=RATE, within=WITHIN)


def test_the_end_of_a_job_is_seen_soon_enough() -> None:
    """Caught: turns that go round; the distance itself in place of its root."""
    assert waited().delay <= MOST_DELAY


def test_no_second_has_more_looks_than_the_budget() -> None:
    """Caught: the first looks not counted."""
    assert waited().busiest <= RATE


def test_it_is_far_better_than_going_round() -> None:
    turns = in_turn(mixed(JOBS), per_second=RATE, within=WITHIN)
    assert waited().delay < 0.7 * turns.delay


def test_nobody_is_left_unseen_for_ever() -> None:
    """Caught: urgency without the wait, so that long jobs starve."""
    assert waited().longest < 300
