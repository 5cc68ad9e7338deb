"""Real processes under one budget: never above it, refused before a request."""

from pathlib import Path

import pytest

from tests.book.spending import spend

pytestmark = pytest.mark.anyio


async def test_processes_stay_under_one_budget(tmp_path: Path) -> None:
    """Caught: reservations that are not counted."""
    found = await spend(
        tmp_path / "book.sqlite", processes=4, submits=25, budget=400, at_a_time=1
    )
    accepted, refused = found.outcomes["accepted"], found.outcomes["refused"]
    assert accepted + refused == 100
    assert refused > 0
    assert found.arrived == accepted
    assert found.most_committed <= 400
    assert found.spent == found.billed <= 400
    assert found.problems == ()
