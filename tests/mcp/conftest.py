"""The desk of each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import Unknowns
from tests.cli.command import life
from tests.fleet.programs import WatchedSandbox
from tests.mcp.hosts import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A Book with a budget of 500, and a service whose jobs end at once."""
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        made = Desk(folder=tmp_path, sandbox=sandbox)
        made.lists.mkdir()
        await made.set_budget(500)
        yield made
