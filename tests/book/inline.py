"""Transactions of a Book on the event loop, for virtual time."""

from collections.abc import Callable

import anyio.lowlevel
import pytest

from openfunnel_async.book._postgres.connection import Connections
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._sqlite.connection import Connection
from openfunnel_async.book._sqlite.database import SqliteDatabase

_Work = Callable[[PostgresDatabase], object]


def run_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each transaction on the loop: a clock that jumps waits for no thread."""

    async def run(
        self: Connection,
        begin: str | None,
        function: Callable[[SqliteDatabase], object],
    ) -> object:
        await anyio.lowlevel.checkpoint()
        return self._do(begin, function)

    async def aclose(self: Connection) -> None:
        await anyio.lowlevel.checkpoint()
        self._close()

    async def run_on_server(
        self: Connections, run: Callable[[_Work], object], function: _Work
    ) -> object:
        await anyio.lowlevel.checkpoint()
        return self._do(run, function)

    monkeypatch.setattr(Connection, "_run", run)
    monkeypatch.setattr(Connection, "aclose", aclose)
    monkeypatch.setattr(Connections, "_run", run_on_server)
