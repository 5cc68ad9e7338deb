"""What must not be left after a test."""

import asyncio

import anyio.lowlevel


async def check_no_task_is_left() -> None:
    """See that what the client started is gone; the runner has tasks of its own."""
    await anyio.lowlevel.checkpoint()
    names = [
        getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()
    ]
    assert [name for name in names if not name.startswith("TestRunner.")] == []
