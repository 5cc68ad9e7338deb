"""Real processes under one budget: never above it, refused before a request."""

import pytest

from tests.book.processes.spending import spend

pytestmark = pytest.mark.anyio


async def test_processes_stay_under_one_budget(address: str) -> None:
    """Caught: reservations that are not counted."""
    # Of a file each submit takes the lock; on a server they are sent at once.
    processes = 8 if address.startswith("postgresql:") else 4
    found = await spend(
        address,
        processes=processes,
        submits=100 // processes,
        budget=400,
        at_a_time=1,
    )
    accepted, refused = found.outcomes["accepted"], found.outcomes["refused"]
    assert accepted + refused == processes * (100 // processes)
    assert refused > 0
    assert found.arrived == accepted
    assert found.most_committed <= 400
    assert found.spent == found.billed <= 400
    assert found.problems == ()
