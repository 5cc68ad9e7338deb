"""What the tests of many jobs share."""

import asyncio
from collections.abc import AsyncIterator

import anyio.lowlevel
import pytest


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Hold a test to it: what the client started is gone when it is closed.

    Not for every test, as some need no loop: a module asks for it in its marks.
    """
    yield
    await anyio.lowlevel.checkpoint()
    names = [
        getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()
    ]
    # The runner of the tests has tasks of its own.
    assert [name for name in names if not name.startswith("TestRunner.")] == []
