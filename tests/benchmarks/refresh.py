"""How far a batch goes beyond the new companies that it was asked for."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.book.inline import run_inline
from tests.book.market import CHECKPOINT, Refreshed, refresh
from tests.support.virtual_time import VirtualClockLoop

_WITHIN = Goal(CHECKPOINT, why="A job was not cancelled at once.")
_DISTINCT = 500


def measure(*, active: Sequence[int]) -> Table:
    """Refresh a market with each number of jobs at a time."""
    about = (
        f"A batch with `distinct={_DISTINCT}` in the sandbox on virtual time, after a "
        "batch of two searches in the same market, so that about half of its rows are "
        f"known. A job stops when its page of {CHECKPOINT} rows is complete; what it "
        "delivers after the decision is billed."
    )
    heads = (
        "`max_active`",
        "rows = credits",
        "new",
        "known",
        "most rows of a job after the decision",
        "to reach",
    )
    rows = [_row(number, _refresh(number)) for number in active]
    return Table("A refresh of a market", heads, rows, about)


def _refresh(active: int) -> Refreshed:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as monkeypatch,
        asyncio.Runner(loop_factory=VirtualClockLoop) as runner,
    ):
        run_inline(monkeypatch)
        path = Path(folder) / "book.sqlite"
        return runner.run(refresh(path, distinct=_DISTINCT, max_active=active))


def _row(active: int, found: Refreshed) -> Sequence[Cell]:
    return [
        str(active),
        Figure(found.billed, digits=0),
        Figure(found.report.new, digits=0),
        Figure(found.report.known, digits=0),
        Figure(max(found.rows_after), _WITHIN, digits=0),
        _WITHIN,
    ]
