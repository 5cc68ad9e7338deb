"""A small run, and a check that each planted bug is found."""

import re

import pytest

from tests.storm.__main__ import main
from tests.storm.book_run import run_book_schedule
from tests.storm.counts import MINIMUM, Counts, missing_events
from tests.storm.invariants import BOOK_INVARIANTS, INVARIANTS
from tests.storm.planted import BOOK_BUGS, BUGS, Bug, planted
from tests.storm.run import run_and_count, run_schedules

SCHEDULES = 150
# A bug must be found within this number of schedules.
MAX_SCHEDULES = 2000
MAX_BOOK_SCHEDULES = 200


def test_every_invariant_holds_in_a_small_storm() -> None:
    seen = run_and_count(range(1, SCHEDULES + 1))
    assert seen.violations == []
    assert seen.counts["schedules"] == SCHEDULES
    assert seen.counts["rows checked"] > 1000


def test_a_seed_gives_the_same_schedule_again() -> None:
    first, second = ([v.lines for v in run_schedules(range(40, 60))] for _ in "12")
    assert first == second


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_an_invariant_finds_a_planted_bug(bug: Bug) -> None:
    found: set[str] = set()
    with planted(bug):
        for result in run_schedules(range(1, MAX_SCHEDULES + 1)):
            found |= {violation.invariant for violation in result.violations}
            if bug.invariant.__name__ in found:
                return
    pytest.fail(f"{bug.invariant.__name__} did not find it; found: {found}")


@pytest.mark.parametrize("bug", BOOK_BUGS, ids=str)
def test_an_invariant_finds_a_bug_planted_in_the_book(bug: Bug) -> None:
    found: set[str] = set()
    with planted(bug):
        for seed in range(1, MAX_BOOK_SCHEDULES + 1):
            violations = run_book_schedule(seed).violations
            found |= {violation.invariant for violation in violations}
            if bug.invariant.__name__ in found:
                return
    pytest.fail(f"{bug.invariant.__name__} did not find it; found: {found}")


def test_every_invariant_can_fail() -> None:
    assert {bug.invariant for bug in BUGS} == set(INVARIANTS)
    assert {bug.invariant for bug in BOOK_BUGS} == set(BOOK_INVARIANTS)


def test_a_run_with_too_few_events_is_reported() -> None:
    fair = Counts(dict.fromkeys(MINIMUM, 10**6))
    fair["schedules"] = 2000
    assert missing_events(fair) == []
    fair["orphans"] = 3
    assert missing_events(fair) == ["3 orphans, expected at least 24"]


def test_the_command_says_how_to_see_a_violation_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted(BUGS[0]):
        assert main(["--schedules", "100", "--jobs", "1"]) == 1
        message = capsys.readouterr().out
        (seed, *_) = re.findall(r"python -m tests.storm --replay (\d+)", message)
        assert main(["--replay", seed]) == 1
        assert "VIOLATED: a_" in capsys.readouterr().out
    assert main(["--replay", seed]) == 0
