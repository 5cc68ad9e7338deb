"""Procrastinate, set up for a worker: its tables, its connections, what it fetches."""

import asyncio
import contextlib
import os
import socket
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg_pool import PoolClosed

from openfunnel_async.errors import BookError

T = TypeVar("T")
_Connection = psycopg.AsyncConnection[Any]
_MOST_CONNECTIONS = 4
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# Of all sessions that make the tables.
_LOCK_CLASS = 0x4F46776B
_MAKE_TABLE = """
CREATE TABLE IF NOT EXISTS of_worker (
    name text PRIMARY KEY,
    jobs integer NOT NULL,
    most integer NOT NULL,
    seen_at timestamptz NOT NULL
)
"""
_FIND_TABLES = (
    "SELECT to_regclass('procrastinate_jobs'),"
    " to_regtype('procrastinate_job_to_defer_v1'),"
    " to_regproc('procrastinate_fetch_job_v2')"
)


class EngineConnector(PsycopgConnector):
    """The connections of Procrastinate, which wait for a database that is away.

    Procrastinate ends a worker with the first statement that fails. Here a statement is
    repeated until the database is back, or until ``give_up()``: how long to wait for it
    is decided by the Book, which has ids and rows to write.

    Args:
        conninfo: The address of the database.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] -- its callables are untyped
            conninfo=conninfo,
            min_size=1,
            max_size=_MOST_CONNECTIONS,
            timeout=10.0,
            reconnect_timeout=1.0,
            configure=self._note,
        )
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._is_given_up = False

    async def _note(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def give_up(self) -> None:
        """Wait for the database no more: what is under way and what follows fails."""
        self._is_given_up = True
        for connection in list(self._connections):
            _sever(connection)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:  # noqa: ANN401 -- any value
        """Run a statement without an answer; after ``give_up()`` do nothing."""
        execute = super().execute_query_async
        with contextlib.suppress(_GivenUp):
            await self._persist(lambda: execute(query, **arguments))

    async def execute_query_one_async(
        self,
        query: LiteralString,
        **arguments: Any,  # noqa: ANN401 -- any value
    ) -> dict[str, Any]:
        """Run a statement with one row."""
        execute = super().execute_query_one_async
        return await self._persist(lambda: execute(query, **arguments))

    async def execute_query_all_async(
        self,
        query: LiteralString,
        **arguments: Any,  # noqa: ANN401 -- any value
    ) -> list[dict[str, Any]]:
        """Run a statement with rows."""
        execute = super().execute_query_all_async
        return await self._persist(lambda: execute(query, **arguments))

    async def listen_notify(
        self, on_notification: Notify, channels: Iterable[str]
    ) -> None:
        """Listen until it is cancelled."""
        listen = super().listen_notify
        with contextlib.suppress(_GivenUp):
            await self._persist(lambda: listen(on_notification, channels))
        # An end of it would end the engine.
        await asyncio.get_running_loop().create_future()

    async def _persist(self, execute: Callable[[], Awaitable[T]]) -> T:
        pause = _SHORTEST_PAUSE
        while not self._is_given_up:
            try:
                return await execute()
            except ConnectorException as exc:
                if not _is_away(exc):
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise _GivenUp("the database is away")


class _GivenUp(ConnectorException):
    """The database is not waited for any more."""


def _sever(connection: _Connection) -> None:
    """End a connection, so that who waits for its answer gets an error."""
    with contextlib.suppress(psycopg.Error, OSError):
        link = socket.socket(fileno=os.dup(connection.fileno()))
        with link:
            link.shutdown(socket.SHUT_RDWR)


def _is_away(error: ConnectorException) -> bool:
    cause = error.__cause__
    return isinstance(cause, psycopg.OperationalError) and not isinstance(
        cause, PoolClosed
    )


class GatedJobManager(JobManager):
    """Fetches a task of a queue only while this worker may take one.

    Args:
        connector: The connections.
        gates: Whether a task of a queue may be fetched now, by queue.
    """

    def __init__(
        self, connector: EngineConnector, gates: dict[str, Callable[[], bool]]
    ) -> None:
        super().__init__(connector)
        self._gates = gates

    async def fetch_job(
        self, queues: Iterable[str] | None, worker_id: int
    ) -> Job | None:
        """Fetch a task; None if there is none, or if it is left to other workers."""
        if not all(self._gates[queue]() for queue in queues or ()):
            return None
        return await super().fetch_job(queues, worker_id)


def make_app(connector: EngineConnector, gates: dict[str, Callable[[], bool]]) -> App:
    """Return an app of Procrastinate for one worker."""
    app = App(connector=connector)
    app.job_manager = GatedJobManager(connector, gates)
    return app


async def set_up_tables(conninfo: str) -> None:
    """Make the tables of Procrastinate and of the workers where they are missing.

    Raises:
        BookError: The database cannot be reached, or its tables of Procrastinate are
            those of an old version.
    """
    try:
        async with await psycopg.AsyncConnection.connect(conninfo) as connection:
            await _set_up(connection)
    except psycopg.Error as exc:
        raise BookError(
            f"the tables of the workers could not be made: {_first_line(exc)}"
        ) from exc


async def _set_up(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_LOCK_CLASS,))
    found = await (await connection.execute(_FIND_TABLES)).fetchone() or ()
    if not any(found):
        await connection.execute(SchemaManager.get_schema())
    elif not all(found):
        raise BookError(
            "the tables of Procrastinate in this database are those of an old version; "
            "run its migrations up to 3.10: https://procrastinate.readthedocs.io"
        )
    await connection.execute(_MAKE_TABLE)


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or ["no reason was given"])[0]
