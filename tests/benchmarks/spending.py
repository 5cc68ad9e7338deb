"""Processes that submit under one budget of a Book."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.book.processes.spending import LIMIT, Spending, spend

_MEAN_BILL = 7
_AT_A_TIME = (1, 4)
_NONE = Goal(0, why="The Book's reservations do not hold.")
_NEVER_IN_USE = Goal(
    0, why="A process waits 10 s at most for the lock that each submit takes."
)


def measure(*, processes: int, submits: int) -> Table:
    """Submit from processes at once, with a budget for about two of three submits."""
    budget = float(processes * submits * _MEAN_BILL * 2 // 3)
    most = Goal(budget, why="The Book's reservations do not hold.")
    one, four = (
        _spend(processes, submits, budget, at_a_time) for at_a_time in _AT_A_TIME
    )
    about = (
        f"{processes} processes on one Book (SQLite) and one sandbox, each with "
        f"{submits:,} submits of limit {LIMIT}, one after the other or four at a time, "
        f"under a total of {budget:,.0f} credits; every second job delivers less than "
        "its limit. Each submit takes the lock of the Book."
    )
    heads = ("", "one at a time", "four at a time", "to reach")
    cells = zip(_rows(one, most), _rows(four, most), strict=True)
    rows: list[Sequence[Cell]] = [
        [name, Figure(measured, goal, digits), Figure(other, goal, digits), goal]
        for (name, measured, goal, digits), (_, other, _, _) in cells
    ]
    return Table("A budget of many processes", heads, rows, about)


def _spend(processes: int, submits: int, budget: float, at_a_time: int) -> Spending:
    with tempfile.TemporaryDirectory() as folder:
        work = spend(
            f"sqlite:///{Path(folder) / 'book.sqlite'}",
            processes=processes,
            submits=submits,
            budget=budget,
            at_a_time=at_a_time,
        )
        return asyncio.run(work)


def _rows(found: Spending, most: Goal) -> list[tuple[str, float, Goal | None, int]]:
    total = found.outcomes.total()
    accepted, refused = found.outcomes["accepted"], found.outcomes["refused"]
    apart = abs(found.spent - found.billed)
    failed = total - accepted - refused
    worst = "credits billed and reserved, at the worst moment"
    return [
        ("submits", total, None, 0),
        ("refused", refused, None, 0),
        ("requests beyond the accepted submits", found.arrived - accepted, _NONE, 0),
        (worst, found.most_committed, most, 0),
        ("credits by which Book and bills differ", apart, _NONE, 0),
        ("other errors, such as `BookInUseError`", failed, _NEVER_IN_USE, 0),
        ("submits a second, of all processes", total / found.seconds, None, 1),
        ("the longest wait of a submit, s", found.longest, None, 1),
    ]
