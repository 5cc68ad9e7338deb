"""One connection in a thread of its own; a function for each transaction.

A transaction is never split over two calls, so a cancelled caller cannot leave one
open. ``synchronous=FULL`` makes each commit wait for the disk: without it a power cut
could forget a submit that was sent.
"""

import asyncio
import contextlib
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from openfunnel_async._text import error_text, escaped
from openfunnel_async.book._records import RESTORE, DamagedBookError
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._sqlite.database import SqliteDatabase
from openfunnel_async.book._sqlite.schema import MIGRATIONS, find_version, migrate
from openfunnel_async.errors import BookError

P = ParamSpec("P")
T = TypeVar("T")
_BUSY_FOR = 10.0
_MOUNTS = Path("/proc/self/mounts")
_NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "gfs2",
        "ocfs2",
        "9p",
        "beegfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.davfs",
        "davfs",
    ]
)


class Connection:
    """The file of a Book, opened when it is first used.

    Args:
        path: The file; it is made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: SqliteDatabase | None = None
        self._executor: ThreadPoolExecutor | None = None

    async def write(
        self,
        transaction: Callable[Concatenate[SqliteDatabase, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that writes; it is on the disk when this returns."""
        return await self._run(
            "BEGIN IMMEDIATE", lambda db: transaction(db, *args, **kwargs)
        )

    async def read(
        self,
        transaction: Callable[Concatenate[SqliteDatabase, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that reads; it sees one state of the Book."""
        return await self._run("BEGIN", lambda db: transaction(db, *args, **kwargs))

    async def call(self, function: Callable[[SqliteDatabase], T]) -> T:
        """Run a function outside of any transaction."""
        return await self._run(None, function)

    async def _run(
        self, begin: str | None, function: Callable[[SqliteDatabase], T]
    ) -> T:
        if self._executor is None:
            # Also after a close: the client closes a Book that may be read later.
            self._executor = ThreadPoolExecutor(1, "book")
        loop = asyncio.get_running_loop()
        # A cancelled caller leaves, and the transaction is finished all the same.
        done: asyncio.Future[T] = loop.create_future()
        self._executor.submit(self._do_for, loop, done, begin, function)
        return await done

    def _do_for(
        self,
        loop: asyncio.AbstractEventLoop,
        done: asyncio.Future[T],
        begin: str | None,
        function: Callable[[SqliteDatabase], T],
    ) -> None:
        """Run a transaction, and wake the caller in one turn of its event loop.

        ``run_in_executor`` behind a shield takes two more turns.
        """
        try:
            answer = self._do(begin, function)
        except BaseException as exc:  # noqa: BLE001 -- the caller gets it
            deliver = partial(_set_error, done, exc)
        else:
            deliver = partial(_set_answer, done, answer)
        # The caller's event loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver)

    def _do(self, begin: str | None, function: Callable[[SqliteDatabase], T]) -> T:
        try:
            db = self._db = self._db or open_database(self.path)
            if begin is None:
                return function(db)
            db.execute(begin)
            try:
                answer = function(db)
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except sqlite3.Error as exc:
            raise to_book_error(exc, self.path) from exc
        except OSError as exc:
            msg = f"the Book {self.path} cannot be used: {exc.strerror or exc}"
            raise BookError(msg) from exc
        except (OverflowError, UnicodeError) as exc:
            # Neither is a ConfigurationError, which is a ValueError as well.
            msg = f"the Book {self.path} cannot hold a value: {error_text(exc)}"
            raise BookError(msg) from exc
        return answer

    async def aclose(self) -> None:
        """Close the file, after the transactions that were begun.

        Its thread stays for later calls, which open the file again, and ends with this
        object: a connection belongs to the thread that opened it.
        """
        if self._executor is not None:
            run = asyncio.get_running_loop().run_in_executor
            await asyncio.shield(run(self._executor, self._close))

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _set_answer(done: asyncio.Future[T], answer: T) -> None:
    if not done.done():
        done.set_result(answer)


def _set_error(done: asyncio.Future[T], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def open_database(path: Path) -> SqliteDatabase:
    """Open the file, make or migrate its tables, and check that it can be locked."""
    _refuse_network(path)
    _refuse_second_name(path)
    is_new = _create(path)
    db = sqlite3.connect(
        path, timeout=_BUSY_FOR, isolation_level=None, factory=SqliteDatabase
    )
    try:
        version = find_version(db, str(path))
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = 1")
        (mode,) = db.execute("PRAGMA journal_mode").fetchone()
        if is_new or version < len(MIGRATIONS) or mode != "wal":
            _bring_up_to_date(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _create(path: Path) -> bool:
    """Make the file, readable by its owner alone; return whether it is new."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    except OSError as exc:
        if path.exists():
            return False
        raise BookError(f"cannot make the Book {path}: {exc.strerror}") from None
    if sys.platform != "win32":
        # A new name is on the disk once its directory is.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def _bring_up_to_date(db: SqliteDatabase, path: Path) -> None:
    """Make or migrate the tables while no other process runs the Book."""
    lock = RunLock(path)
    # Another process may be making the same file at this moment.
    lock.acquire(_BUSY_FOR)
    try:
        version = find_version(db, str(path))
        if 0 < version < len(MIGRATIONS):
            now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
            copy_database(db, path.with_name(f"{path.name}.v{version}-{now}"))
        db.execute("PRAGMA journal_mode = WAL")
        _check_locking(db, path)
        if version < len(MIGRATIONS):
            migrate(db, version)
    finally:
        lock.release()


def _check_locking(db: SqliteDatabase, path: Path) -> None:
    """Refuse a file system on which two connections can write at the same time."""
    db.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return
    finally:
        other.close()
        db.execute("ROLLBACK")
    raise BookError(f"the file system of {path} does not lock; use a local disk")


def copy_database(db: SqliteDatabase, path: Path) -> None:
    """Copy the database into a new file, in whole or not at all."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise BookError(f"{path} exists already; give the name of a new file") from None
    copy = sqlite3.connect(path, isolation_level=None)
    try:
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    except BaseException:
        copy.close()
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    copy.close()


def _refuse_second_name(path: Path) -> None:
    """Refuse a file with two names (hard links), which would have two locks."""
    if path.exists() and path.stat().st_nlink > 1:
        msg = f"{path} has another name (a hard link), and so another lock; remove one"
        raise BookError(msg)


def _refuse_network(path: Path) -> None:
    """Refuse a network file system, where SQLite's locks do not hold."""
    try:
        mounts = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return
    kind = find_file_system(path.resolve(), mounts)
    if kind in _NETWORK:
        msg = (
            f"{path} is on a network file system ({kind}), where two machines could "
            "write at the same time; use a local disk, or PostgreSQL for many machines"
        )
        raise BookError(msg)


def find_file_system(path: Path, mounts: Iterable[str]) -> str:
    """Return the kind of file system that a path is on, as /proc/mounts names it."""
    best, kind = 0, ""
    for line in mounts:
        fields = line.split()
        if len(fields) < 3:  # noqa: PLR2004 -- device, folder and kind
            continue
        folder = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[1])
        if path.is_relative_to(folder) and len(folder) >= best:
            best, kind = len(folder), fields[2]
    return kind


def to_book_error(error: sqlite3.Error, path: Path) -> BookError:
    """Return what a fault of SQLite means, and what to do about it."""
    why = escaped(str(error), 200)
    name = getattr(error, "sqlite_errorname", "")
    advice = ""
    if name.startswith("SQLITE_FULL"):
        advice = "; make room on the disk and run it again"
    elif name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DamagedBookError(f"the Book {path}: {why}; {RESTORE}")
    elif name.startswith("SQLITE_READONLY"):
        advice = "; its file or folder is read-only"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        advice = "; another program holds the file, for example an open SQLite shell"
    return BookError(f"the Book {path}: {why}{advice}")
