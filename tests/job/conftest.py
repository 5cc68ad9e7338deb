"""What every test of a job's handle may count on."""

from collections.abc import AsyncIterator

import pytest

from tests.support.tasks import check_no_task_is_left


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Hold every test to it: what the client started is gone when it is closed."""
    yield
    await check_no_task_is_left()
