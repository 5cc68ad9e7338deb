"""What tests on real sockets may ask for."""

import asyncio
import gc
from collections.abc import AsyncGenerator

import pytest


@pytest.fixture
async def nothing_left() -> AsyncGenerator[None]:
    """Check that no task and no open socket is left after a test."""
    yield
    # asyncio reports a closed connection in the next iterations of the loop.
    for _ in range(5):
        await asyncio.sleep(0)
    # anyio runs tests and fixtures in tasks of its own.
    left = [task for task in asyncio.all_tasks() if "TestRunner" not in repr(task)]
    assert left == []
    # pytest makes an error of each ResourceWarning this brings out. What a test has
    # made is young: the full round takes far longer than most of these tests.
    gc.collect(1)
