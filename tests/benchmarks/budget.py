"""A thousand jobs under ten polls a second: how late an end is seen."""

from collections.abc import Sequence

from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.fleet.thousand import MOST_DELAY, Waited, in_turn, wait_for
from tests.pace.model import mixed

_PER_SECOND, _WITHIN = 10.0, 20.0
_DELAY = Goal(
    MOST_DELAY, why="The model is deterministic, so the sharing itself falls short."
)


def measure(*, jobs: int) -> Table:
    """Wait for a day's mix of jobs by the SDK, in turn, and without a budget."""
    mix = mixed(jobs)
    urgent = wait_for(mix, per_second=_PER_SECOND, within=_WITHIN)
    turns = in_turn(mix, per_second=_PER_SECOND, within=_WITHIN)
    free = wait_for(mix, per_second=None, within=_WITHIN)
    rows: list[Sequence[Cell]] = [
        _row(f"**`max_polls_per_second={_PER_SECOND:g}`**", urgent, _DELAY),
        _row("the same, the job polled longest ago first", turns, None),
        _row("no budget", free, None),
    ]
    about = (
        f"{jobs:,} jobs of the model on virtual time, a day's mix of limits, submitted "
        f"within {_WITHIN:g} s and waited for by one client: seconds from the end of a "
        "job to the answer that reports it. A short limit goes to the jobs that are "
        "near their ends."
    )
    heads = (
        "",
        "mean delay, s",
        "to reach",
        "longest, s",
        "polls a job",
        "busiest second",
    )
    return Table("A budget of polls", heads, rows, about)


def _row(name: str, waited: Waited, goal: Goal | None) -> Sequence[Cell]:
    return [
        name,
        Figure(waited.delay, goal),
        goal,
        Figure(waited.longest, digits=1),
        Figure(waited.polls, digits=1),
        Figure(waited.busiest, digits=0),
    ]
