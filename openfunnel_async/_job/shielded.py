"""Wait for tasks that must end, although the caller is being cancelled.

Under anyio's shield a second ``task.cancel()`` still gets through. It ends the wait,
and not the tasks: what must finish runs in a task of its own.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import anyio


async def wait_shielded(
    futures: Iterable[asyncio.Future[Any]], seconds: float | None = None
) -> None:
    """Wait until the futures are done, or for a number of seconds."""
    pending = [future for future in futures if not future.done()]
    if pending:
        with anyio.CancelScope(shield=True):
            await asyncio.wait(pending, timeout=seconds)


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks, and wait until they have ended."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await wait_shielded(pending)
