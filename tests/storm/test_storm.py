"""A small storm, and the test of the tests: each planted bug is found."""

import re

import pytest

from tests.storm.__main__ import main
from tests.storm.judge import INVARIANTS
from tests.storm.planted import BUGS, Bug, planted
from tests.storm.run import run_and_see, run_schedules
from tests.storm.tally import AT_LEAST, Tally, hollow

SCHEDULES = 150
# A bug that shows in none of so many schedules would not be found in time.
PATIENCE = 600


def test_every_invariant_holds_in_a_small_storm() -> None:
    seen = run_and_see(range(1, SCHEDULES + 1))
    assert seen.violations == []
    assert seen.tally["schedules"] == SCHEDULES
    assert seen.tally["rows judged"] > 1000


def test_a_seed_tells_the_same_story_again() -> None:
    first, second = ([v.story for v in run_schedules(range(40, 60))] for _ in "12")
    assert first == second


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_the_judge_finds_a_planted_bug(bug: Bug) -> None:
    found: set[str] = set()
    with planted(bug):
        for verdict in run_schedules(range(1, PATIENCE + 1)):
            found |= {violation.invariant for violation in verdict.violations}
            if bug.caught_by.__name__ in found:
                return
    pytest.fail(f"{bug.caught_by.__name__} did not find it; found: {found}")


def test_every_invariant_can_fail() -> None:
    assert {bug.caught_by for bug in BUGS} == set(INVARIANTS)


def test_a_storm_without_weather_is_called_hollow() -> None:
    fair = Tally(dict.fromkeys(AT_LEAST, 10**6))
    fair["schedules"] = 2000
    assert hollow(fair) == []
    fair["orphans"] = 3
    assert hollow(fair) == ["3 orphans, expected at least 24"]


def test_the_command_says_how_to_see_a_violation_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted(BUGS[0]):
        assert main(["--schedules", "100", "--jobs", "1"]) == 1
        told = capsys.readouterr().out
        (seed, *_) = re.findall(r"python -m tests.storm --replay (\d+)", told)
        assert main(["--replay", seed]) == 1
        assert "VIOLATED: a_" in capsys.readouterr().out
    assert main(["--replay", seed]) == 0
