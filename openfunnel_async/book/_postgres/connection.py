"""A few threads with a connection each, and a function for each transaction.

Transactions that write take turns over all processes (an advisory lock), as they do on
SQLite: the caps and the known companies make them wait for each other anyway, and no
two can deadlock. A transaction that failed because the database was away is run again
for a while. There are two cases. Before its COMMIT it was not done. If the COMMIT
itself was cut off, the database is asked what became of it (``of_write``), so that it
is not done twice.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, local
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from openfunnel_async._text import error_text, escaped
from openfunnel_async.book._postgres.address import has_stray_password
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._postgres.schema import LOCK_CLASS, bring_up_to_date
from openfunnel_async.errors import BookError, ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")
Connection = psycopg.Connection[Any]
OnCommit = Callable[[Connection, dict[int, float]], None]

_MOST_CONNECTIONS = 4
_PAUSE = 0.25
# Of an address that has not worked yet: more likely it is wrong than away.
_FIRST_PATIENCE = 3.0
# Of a statement that writes, the wait for the other writers included.
_STALLED_AFTER = 60.0
# Of a statement that reads, or that migrates: one of a large Book takes long.
_READ_STALLED_AFTER = 300.0
_CLOSE_WITHIN = 10.0
# Of a peer that has vanished: seconds, and milliseconds for the last one.
_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "openfunnel_async",
}
# A process that is stopped inside a transaction must not hold up the others for ever.
_SESSION = (
    "SET idle_in_transaction_session_timeout = '15s';"
    "SET lock_timeout = '60s';"
    "SET synchronous_commit = on;"
    # Of the plain times of the server: no time zone of a session matters.
    "SET client_encoding = 'UTF8'"
)
_BEGIN = (
    f"BEGIN; SELECT pg_advisory_xact_lock({LOCK_CLASS}, 1),"  # noqa: S608 -- a number
    " extract(epoch FROM clock_timestamp())::float8;"
).encode()
# The session is hexadecimal, and the number a number.
_NOTE = (
    "INSERT INTO of_write VALUES ('{}', {}, extract(epoch FROM clock_timestamp()))"
    " ON CONFLICT (session) DO UPDATE SET number = excluded.number, at = excluded.at"
)
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Away(Exception):  # noqa: N818 -- a moment, which is tried again
    """The database could not be reached, and nothing was done."""


class _Use:
    """What a thread does with its connection now.

    A peer that has vanished is noticed by TCP; one that acknowledges everything and
    never answers (a proxy whose server is gone) by its silence alone.

    Args:
        connection: The connection.
        most: Seconds of silence after which it is taken for dead.
    """

    def __init__(self, connection: Connection, most: float) -> None:
        self.most: float = most
        self._connection: Connection | None = connection
        self._since = time.monotonic()
        self._lock = Lock()

    def note_answer(self) -> None:
        """Note that the database has answered."""
        self._since = time.monotonic()

    def end(self) -> None:
        """Note that the connection is not used any more."""
        with self._lock:
            self._connection = None

    def cut_if_silent(self, seconds: float) -> None:
        """End the connection if it is silent since then; its thread fails."""
        with self._lock:
            is_silent = time.monotonic() - self._since >= seconds
            if self._connection is None or self._connection.closed or not is_silent:
                return
            _cut(self._connection)


class Connections:
    """The database of a Book, connected to when it is first used.

    Args:
        url: The address, ``postgresql://…``.
        patience: Seconds for which a database that is away is waited for.
        on_due: Called inside a transaction with the entries that became due in it.
    """

    def __init__(self, url: str, patience: float, on_due: OnCommit) -> None:
        self.conninfo: str = _make_conninfo(url)
        self.place: str = describe_place(url)
        self._patience = patience
        self._on_due = on_due
        self._of_thread = local()
        self._open: set[Connection] = set()
        self._uses: set[_Use] = set()
        self._is_migrated = False
        self._was_reached = False
        self._executor: ThreadPoolExecutor | None = None
        self._opening = Lock()
        self._is_closing = Event()
        self._is_lost = False

    async def write(
        self,
        transaction: Callable[Concatenate[PostgresDatabase, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that writes; it is on the disk when this returns."""
        return await self._run(self._write, lambda db: transaction(db, *args, **kwargs))

    async def read(
        self,
        transaction: Callable[Concatenate[PostgresDatabase, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that reads; it sees one state of the Book."""
        return await self._run(self._read, lambda db: transaction(db, *args, **kwargs))

    async def _run(
        self,
        run: Callable[[Callable[[PostgresDatabase], T]], T],
        function: Callable[[PostgresDatabase], T],
    ) -> T:
        """Run a transaction in a thread; meanwhile, end the connections that are dead.

        Also those of callers that were cancelled: others wait for their threads.
        """
        work = self._start(run, function)
        while True:
            # A cancelled caller leaves, and the transaction is finished all the same.
            done, _ = await asyncio.wait([work], timeout=_STALLED_AFTER)
            if done:
                return work.result()
            for use in list(self._uses):
                use.cut_if_silent(use.most)

    def _start(
        self,
        run: Callable[[Callable[[PostgresDatabase], T]], T],
        function: Callable[[PostgresDatabase], T],
    ) -> asyncio.Future[T]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_MOST_CONNECTIONS, "book")
            self._is_closing.clear()
            self._is_lost = False
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._executor, self._do, run, function)
        work.add_done_callback(_retrieve)
        return work

    def _do(
        self,
        run: Callable[[Callable[[PostgresDatabase], T]], T],
        function: Callable[[PostgresDatabase], T],
    ) -> T:
        first = min(self._patience, _FIRST_PATIENCE)
        patience = self._patience if self._was_reached else first
        until = time.monotonic() + patience
        while True:
            if self._is_lost:
                raise BookError(f"the Book at {self.place} cannot be reached")
            try:
                return run(function)
            except Away as exc:
                is_late = time.monotonic() > until
                if is_late or self._is_closing.wait(_PAUSE):
                    # What waits behind it while the Book is closed need not try.
                    self._is_lost = self._is_closing.is_set()
                    msg = f"the Book at {self.place} cannot be reached: {exc}"
                    raise BookError(msg) from exc.__cause__
            except psycopg.Error as exc:
                raise to_book_error(exc, self.place) from exc
            except (OverflowError, UnicodeError) as exc:
                msg = f"the Book at {self.place} cannot hold a value: {error_text(exc)}"
                raise BookError(msg) from exc

    @contextlib.contextmanager
    def _using(self, connection: Connection, most: float) -> Generator[_Use]:
        """Let a connection be ended if it is silent for some seconds, for a block."""
        use = _Use(connection, most)
        self._uses.add(use)
        try:
            yield use
        finally:
            use.end()
            self._uses.discard(use)

    def _write(self, function: Callable[[PostgresDatabase], T]) -> T:
        number = self._count_write()
        with (
            self._connection() as connection,
            self._using(connection, _STALLED_AFTER) as use,
        ):
            with _away():
                begun = connection.execute(
                    _BEGIN + _NOTE.format(self._of_thread.session, number).encode(),
                    prepare=False,
                )
                begun.nextset()
                _, now = begun.fetchone() or (None, 0.0)
                db = PostgresDatabase(connection, now, use.note_answer)
                answer = function(db)
                if db.due:
                    self._on_due(connection, db.due)
                    use.note_answer()
            cut_off = _commit(connection)
        # With the connection given back: the others may need it for the same.
        return answer if cut_off is None else self._settle(number, answer, cut_off)

    def _count_write(self) -> int:
        """Return the number of the next transaction of this thread that writes."""
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = secrets.token_hex(12)
            self._of_thread.writes = 0
        self._of_thread.writes += 1
        return int(self._of_thread.writes)

    def _settle(self, number: int, answer: T, error: psycopg.Error) -> T:
        """Return the answer of a transaction whose COMMIT was cut off, if it was done.

        The last number that this thread has written says it, once the lock of writers
        is free: until then the server may be at it. (The status of the transaction's id
        would not do: after a crash the server gives an id a second time.)

        Raises:
            Away: It was not done.
            BookError: Nobody can say it, as the database did not come back in time.
        """
        until = time.monotonic() + self._patience
        while True:
            try:
                with (
                    self._connection() as connection,
                    self._using(connection, _STALLED_AFTER),
                    _away(),
                ):
                    connection.execute(_BEGIN, prepare=False)
                    row = connection.execute(
                        "SELECT number FROM of_write WHERE session = %s",
                        (self._of_thread.session,),
                    ).fetchone()
                    connection.execute("ROLLBACK", prepare=False)
            except Away:
                if time.monotonic() > until or self._is_closing.wait(_PAUSE):
                    raise to_book_error(error, self.place) from error
                continue
            if row is not None and row[0] == number:
                return answer
            raise Away(_first_line(error)) from error

    def _read(self, function: Callable[[PostgresDatabase], T]) -> T:
        with (
            self._connection() as connection,
            self._using(connection, _READ_STALLED_AFTER) as use,
            _away(),
        ):
            connection.execute(_READ)
            answer = function(PostgresDatabase(connection, on_answer=use.note_answer))
            connection.execute("COMMIT", prepare=False)
            return answer

    @contextlib.contextmanager
    def _connection(self) -> Generator[Connection]:
        """Yield the connection of this thread; one that is broken is dropped.

        Raises:
            Away: There is none.
        """
        connection = self._find_connection()
        try:
            yield connection
        except BaseException:
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
            raise

    def _find_connection(self) -> Connection:
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None or connection.closed or connection not in self._open:
            connection = self._connect()
            with self._opening:
                self._open.add(connection)
            self._of_thread.connection = connection
        return connection

    def _connect(self) -> Connection:
        """Connect; the first time, make or migrate the tables.

        Raises:
            Away: The server cannot be reached.
            psycopg.Error: It refuses the connection.
        """
        with self._opening:
            self._open = {one for one in self._open if not one.closed}
        try:
            connection = psycopg.connect(self.conninfo, autocommit=True)
        except psycopg.OperationalError as exc:
            if _is_refusal(exc):
                raise
            raise Away(_first_line(exc)) from exc
        try:
            with _away(), self._using(connection, _READ_STALLED_AFTER):
                connection.execute(_SESSION)
                with self._opening:
                    if not self._is_migrated:
                        bring_up_to_date(connection)
                        self._is_migrated = self._was_reached = True
        except BaseException:
            connection.close()
            raise
        return connection

    async def aclose(self) -> None:
        """Close the connections, after the transactions that were begun."""
        executor, self._executor = self._executor, None
        self._is_closing.set()
        if executor is not None:
            ending = asyncio.create_task(asyncio.to_thread(executor.shutdown))
            while not (await asyncio.wait([ending], timeout=_CLOSE_WITHIN))[0]:
                for use in list(self._uses):
                    use.cut_if_silent(0.0)
        for connection in self._open:
            connection.close()
        self._open = set()
        self._is_migrated = False


def _cut(connection: Connection) -> None:
    """End a connection from outside of the thread that waits for its answer."""
    with contextlib.suppress(psycopg.Error, OSError):
        link = socket.socket(fileno=os.dup(connection.fileno()))
        with link:
            link.shutdown(socket.SHUT_RDWR)


def _commit(connection: Connection) -> psycopg.Error | None:
    """Commit; return the error if it is not known whether that was done."""
    try:
        connection.execute("COMMIT", prepare=False)
    except psycopg.Error as exc:
        connection.close()
        return exc
    return None


def _retrieve(work: asyncio.Future[T]) -> None:
    """Retrieve an error that a cancelled caller does not wait for."""
    _ = work.cancelled() or work.exception()


@contextlib.contextmanager
def _away() -> Generator[None]:
    """Raise ``Away`` for what says that the database is away, and not what it means."""
    try:
        yield
    except psycopg.Error as exc:
        is_passing = isinstance(exc, psycopg.OperationalError) or exc.sqlstate == _IDLE
        if exc.sqlstate in _LASTING or not is_passing:
            raise
        raise Away(_first_line(exc)) from exc


# The server ended a transaction whose process was stopped for too long.
_IDLE = "25P03"
# A full disk.
_LASTING = frozenset(["53100"])
# What a server says that will accept connections soon.
_SOON = ("starting up", "shutting down", "recovery", "too many", "remaining connection")


def _is_refusal(error: psycopg.OperationalError) -> bool:
    """Whether a server refused to connect: a password, a role, a database.

    Such an error has no code. In another language than English it is tried again.
    """
    text = str(error)
    return "FATAL" in text and not any(word in text for word in _SOON)


def _first_line(error: BaseException) -> str:
    return escaped(next(iter(str(error).splitlines()), type(error).__name__), 200)


def _make_conninfo(url: str) -> str:
    """Return the address with our limits of time where it has none of its own.

    Raises:
        ConfigurationError: It is no address of a PostgreSQL database.
    """
    given: dict[str, Any] | None
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Its text has the address, and so the password.
        given = None
    if given is None or has_stray_password(given):
        raise ConfigurationError(
            "the address of the Book is not valid: postgresql://USER@HOST:PORT/NAME; "
            "signs such as / and @ in a password are written as %2F and %40"
        )
    return make_conninfo(url, **{k: v for k, v in _DEFAULTS.items() if k not in given})


def describe_place(url: str) -> str:
    """Return the host, the port and the name of a database, never the password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "PostgreSQL"
    host, port, name = (parts.get(key) for key in ("host", "port", "dbname"))
    where = f"{host or 'localhost'}:{port or 5432}/{name or ''}"
    return escaped(where, 200)


def to_book_error(error: psycopg.Error, place: str) -> BookError:
    """Return what a fault of PostgreSQL means, and what to do about it."""
    why = _first_line(error)
    advice = ""
    if error.sqlstate == "53100":
        advice = "; make room on the disk of the server and run it again"
    elif error.sqlstate == "42501":
        advice = "; the role of the address must own the tables of_*"
    return BookError(f"the Book at {place}: {why}{advice}")
