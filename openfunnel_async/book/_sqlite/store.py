"""The store on SQLite."""

import logging
from functools import partial
from os import PathLike
from pathlib import Path

from openfunnel_async.book._records import RESTORE, DamagedBookError, EntryRecord
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._spill import HeldId, SpillFile
from openfunnel_async.book._sql.store import SqlStore
from openfunnel_async.book._sqlite.connection import Connection, copy_database
from openfunnel_async.book._sqlite.database import SqliteDatabase
from openfunnel_async.book._values import EntryState

_logger = logging.getLogger("openfunnel_async")


class SqliteStore(SqlStore):
    """The transactions of the Book in one file; see ``Store``."""

    is_shared = False
    conninfo: str | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = Connection(path)
        super().__init__(self._connection)
        self._lock = RunLock(path)
        self._spill = SpillFile(path)

    async def aclose(self) -> None:
        """Close the file."""
        await self._connection.aclose()

    async def acquire_run_lock(self) -> None:
        """Become the one process that submits and follows jobs."""
        self._lock.acquire()

    async def release_run_lock(self) -> None:
        """Let another process run the Book."""
        self._lock.release()

    async def check_file(self) -> None:
        """Check quickly that the file is intact, before anything is sent."""
        await self._connection.read(_check_quickly)

    async def find_change(self) -> int:
        """Return a number that differs once another process has changed the Book."""
        return await self._connection.call(
            lambda db: int(db.execute("PRAGMA data_version").fetchone()[0])
        )

    async def backup(self, path: str | PathLike[str]) -> None:
        """Write a copy into a new file."""
        await self._connection.call(partial(copy_database, path=Path(path)))

    async def hold_id(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> None:
        """Keep an id outside of the database until ``record_submitted`` succeeds."""
        held = HeldId(key, attempt, job_id, limit)
        try:
            # Without a thread: there may be none left, and this is the last chance.
            self._spill.append(held)
        except OSError as exc:
            why = exc.strerror or exc
            _logger.error("the id could not be kept beside the Book either: %s", why)  # noqa: TRY400 -- the id is what matters

    async def restore_held_ids(self) -> None:
        """Write the ids that were kept by a process that could not write them."""
        await self._spill.restore(lambda held: self.record_submitted(*held))

    # One process runs the Book, so it has the leases of all jobs.

    def may_send(self) -> bool:
        """Return True: nobody else takes a submit of this process for a lost one."""
        return True

    async def check_leases(self) -> None:
        """Do nothing."""

    async def take_lease(self, entry_id: int) -> bool:
        """Return True."""
        del entry_id
        return True

    async def take_free_leases(self, name: str, most: int) -> list[EntryRecord]:
        """Return all submitted entries of a batch."""
        del most
        return await self.find_entries(batch=name, states=(EntryState.SUBMITTED,))

    async def release_lease(self, entry_id: int, after: float = 0.0) -> None:
        """Do nothing."""

    async def find_due(self, most: int, budget: str | None) -> list[tuple[str, str]]:
        """Return all entries of batches that are planned or submitted."""
        del budget
        states = (EntryState.SUBMITTED, EntryState.PLANNED)
        found = await self.find_entries(states=states, most=most)
        return [
            (one.key, "follow" if one.state is EntryState.SUBMITTED else "submit")
            for one in found
            if one.batch is not None
        ]

    async def find_cancels(self) -> list[str]:
        """Return the keys of submitted entries whose jobs nobody wants."""
        found = await self.find_entries(states=(EntryState.SUBMITTED,))
        return [one.key for one in found if one.wants_cancel]


def _check_quickly(db: SqliteDatabase) -> None:
    damage = db.find_first_damage()
    if damage is not None:
        raise DamagedBookError(f"the Book is damaged: {damage}; {RESTORE}")
