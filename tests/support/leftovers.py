"""What may be left of a test of which there are hundreds."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

__all__ = ["left", "nothing_young_left", "others", "settled"]

_OPEN = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")


def others() -> set[asyncio.Task[object]]:
    """Return the tasks that are not the test runner's, which runs the tests."""
    return {
        task
        for task in asyncio.all_tasks()
        if "TestRunner" not in repr(task.get_coro())
    }


def left() -> tuple[int, int]:
    """Count open files and tasks."""
    return len(list(_OPEN.iterdir())), len(others())


async def settled(before: tuple[int, int]) -> tuple[int, int]:
    """Count once the connections that were closed on both sides have ended."""
    for _ in range(2000):
        if left() == before:
            break
        await asyncio.sleep(0.05)
    return left()


@pytest.fixture(autouse=True)
async def nothing_young_left() -> AsyncIterator[None]:
    """See that no task outlives a test, and nothing it made is dropped unclosed.

    In a module, ``nothing_left = nothing_young_left`` puts it in place of the
    fixture that collects all garbage, a fifth of a second for each test.
    """
    yield
    # A connection that was just closed learns it in the next rounds of the loop.
    for _ in range(5):
        await asyncio.sleep(0)
    assert others() == set()
    gc.collect(1)
