"""What every test of a job's handle may count on."""

import asyncio
from collections.abc import AsyncIterator

import anyio.lowlevel
import pytest


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Hold every test to it: what the client started is gone when it is closed."""
    yield
    await anyio.lowlevel.checkpoint()
    names = [
        getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()
    ]
    # The runner of the tests has tasks of its own.
    assert [name for name in names if not name.startswith("TestRunner.")] == []
