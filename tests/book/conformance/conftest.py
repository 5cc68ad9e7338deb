"""The stores that the suite is run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.book._sqlite.store import SqliteStore
from openfunnel_async.book._store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Open an empty Book in a real database."""
    if request.param == "sqlite":
        opened: Store = SqliteStore(tmp_path / "book.sqlite")
    else:
        opened = PostgresStore(request.getfixturevalue("postgres_url"))
    yield opened
    await opened.aclose()
