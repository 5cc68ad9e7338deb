"""A Book whose transactions run on the event loop, for tests in virtual time."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio.lowlevel
import pytest

from openfunnel_async.book._sqlite.connection import Connection


@pytest.fixture
def book_path(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each transaction on the loop: a clock that jumps waits for no thread."""

    async def run(
        self: Connection,
        begin: str | None,
        function: Callable[[sqlite3.Connection], object],
    ) -> object:
        await anyio.lowlevel.checkpoint()
        return self._do(begin, function)

    async def aclose(self: Connection) -> None:
        await anyio.lowlevel.checkpoint()
        self._close()

    monkeypatch.setattr(Connection, "_run", run)
    monkeypatch.setattr(Connection, "aclose", aclose)
