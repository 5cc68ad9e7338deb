"""Processes that submit under one budget of a Book."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.book.spending import LIMIT, Spending, spend

_MEAN_BILL = 7
_NONE = Goal(0, why="The Book's reservations do not hold.")
_NEVER_IN_USE = Goal(
    0, why="A process waits 10 s at most for the lock that each submit takes."
)


def measure(*, processes: int, submits: int) -> Table:
    """Submit from processes at once, with a budget for about two of three submits."""
    budget = float(processes * submits * _MEAN_BILL * 2 // 3)
    most = Goal(budget, why="The Book's reservations do not hold.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.sqlite"
        found = asyncio.run(
            spend(
                path, processes=processes, submits=submits, budget=budget, at_a_time=1
            )
        )
    about = (
        f"{processes} processes on one Book (SQLite) and one sandbox, each with "
        f"{submits:,} submits of limit {LIMIT}, one after the other, under a total of "
        f"{budget:,.0f} credits; every second job delivers less than its limit. Each "
        "submit takes the lock of the Book."
    )
    heads = ("", "measured", "to reach")
    return Table("A budget of many processes", heads, _rows(found, most), about)


def _rows(found: Spending, most: Goal) -> list[Sequence[Cell]]:
    total = found.outcomes.total()
    accepted, refused = found.outcomes["accepted"], found.outcomes["refused"]
    apart = abs(found.spent - found.billed)
    failed = total - accepted - refused
    return [
        ["submits", Figure(total, digits=0), None],
        ["refused", Figure(refused, digits=0), None],
        [
            "requests beyond the accepted submits",
            Figure(found.arrived - accepted, _NONE, digits=0),
            _NONE,
        ],
        [
            "credits billed and reserved, at the worst moment",
            Figure(found.most_committed, most, digits=0),
            most,
        ],
        [
            "credits by which Book and bills differ",
            Figure(apart, _NONE, digits=0),
            _NONE,
        ],
        [
            "other errors, such as `BookInUseError`",
            Figure(failed, _NEVER_IN_USE, digits=0),
            _NEVER_IN_USE,
        ],
        ["submits a second, of all processes", Figure(total / found.seconds), None],
        ["the longest wait of a submit, s", Figure(found.longest, digits=1), None],
    ]
