"""A team for each test."""

from collections.abc import AsyncIterator

import pytest

from openfunnel_async.sandbox import Sandbox
from tests.workers.processes import Team


@pytest.fixture
async def team(postgres_url: str) -> AsyncIterator[Team]:
    """A database without tables, and a service whose jobs take seconds."""
    async with Sandbox(speed=40, credits=1e6) as sandbox:
        yield Team(url=postgres_url, sandbox=sandbox)


@pytest.fixture
async def lasting_team(postgres_url: str) -> AsyncIterator[Team]:
    """The same, but no job of 5,000 companies ends while a test waits for others."""
    async with Sandbox(credits=1e6) as sandbox:
        yield Team(url=postgres_url, sandbox=sandbox)
