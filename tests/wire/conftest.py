"""Real sockets: what must not be left after a test."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """See that no task outlives a test, and nothing is dropped unclosed."""
    yield
    # A connection that was just closed learns it in the next rounds of the loop.
    for _ in range(5):
        await asyncio.sleep(0)
    # anyio runs tests and fixtures in tasks of its own.
    left = [task for task in asyncio.all_tasks() if "TestRunner" not in repr(task)]
    assert left == []
    # pytest makes an error of each ResourceWarning this brings out.
    gc.collect()
