"""The stores that the suite is run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.book._sqlite.store import SqliteStore
from openfunnel_async.book._store import Store


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Open an empty Book in a real database."""
    assert request.param == "sqlite"
    opened = SqliteStore(tmp_path / "book.sqlite")
    yield opened
    await opened.aclose()
