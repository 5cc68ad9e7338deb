"""The store on SQLite: each method runs one transaction of the modules beside it."""

import logging
import time
from collections.abc import Collection, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from openfunnel_async.book._identity import Identity
from openfunnel_async.book._records import (
    BatchOptions,
    BatchRecord,
    EntryRecord,
    Intent,
    PageSums,
    Resolution,
    StoredPage,
)
from openfunnel_async.book._requests import PlannedSearch
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._sqlite import (
    caps,
    checking,
    companies,
    queries,
    transactions,
)
from openfunnel_async.book._sqlite.connection import Connection, copy_database
from openfunnel_async.book._sqlite.spill import HeldId, SpillFile
from openfunnel_async.book._values import (
    BatchDiff,
    BatchReport,
    BookCheck,
    BudgetStatus,
    EntryState,
    KnownList,
)

_logger = logging.getLogger("openfunnel_async")


class SqliteStore:
    """The transactions of the Book in one file; see ``Store``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = Connection(path)
        self._lock = RunLock(path)
        self._spill = SpillFile(path)

    async def aclose(self) -> None:
        """Close the file."""
        await self._connection.aclose()

    async def bind_account(self, fingerprint: str) -> None:
        """Claim the Book for an account, or refuse an account that it is not of."""
        await self._connection.write(transactions.bind_account, fingerprint)

    async def acquire_run_lock(self) -> None:
        """Become the one process that submits and follows jobs."""
        self._lock.acquire()

    async def release_run_lock(self) -> None:
        """Let another process run the Book."""
        self._lock.release()

    async def plan(
        self,
        name: str,
        searches: Sequence[PlannedSearch],
        options: BatchOptions,
        *,
        extends: bool = False,
    ) -> None:
        """Write a batch and its searches, or check that they are there."""
        await self._connection.write(
            transactions.plan, name, searches, options, extends
        )

    async def plan_one(self, planned: PlannedSearch) -> EntryRecord:
        """Write an entry without a batch if there is none with its key; return it."""
        return await self._connection.write(transactions.plan_one, planned)

    async def begin_submit(
        self, entry_id: int, owner: str, budget: str | None = None
    ) -> Intent:
        """Write that a submit begins, and reserve its exposure under every cap."""
        return await self._connection.write(
            transactions.begin_submit, entry_id, owner, budget
        )

    async def record_submitted(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> bool:
        """Write the id of the job, also if the outcome was taken for unknown."""
        return await self._connection.write(
            transactions.record_submitted, key, attempt, job_id, limit
        )

    async def record_no_job(
        self, key: str, attempt: int, state: EntryState, error: str
    ) -> None:
        """Write that a submit made no job that is known."""
        await self._connection.write(
            transactions.record_no_job, key, attempt, state, error
        )

    async def record_page(
        self, entry_id: int, first: int, rows: Sequence[object], place: str
    ) -> PageSums:
        """Write the rows of a page, which companies are new, and the place after it."""
        return await self._connection.write(
            transactions.record_page, entry_id, first, rows, place
        )

    async def record_bill(
        self, entry_id: int, status: str, billed: float | None, error: str | None
    ) -> None:
        """Write the terminal status and the bill, which replaces the reservation."""
        await self._connection.write(
            transactions.record_bill, entry_id, status, billed, error
        )

    async def note_error(self, entry_id: int, error: str | None) -> None:
        """Write what has kept a job from being read, or that nothing does any more."""
        await self._connection.write(transactions.note_error, entry_id, error)

    async def record_stop(self, entry_id: int, rows: int) -> None:
        """Write that a job is cancelled because too few of its companies are new."""
        await self._connection.write(transactions.record_stop, entry_id, rows)

    async def skip_planned(self, name: str, error: str) -> None:
        """Skip what a batch has planned, until it is planned with other limits."""
        await self._connection.write(transactions.skip_planned, name, error)

    async def reuse(self, entry_id: int, days: float) -> bool:
        """Answer a planned search by an identical one that was settled not long ago."""
        return await self._connection.write(transactions.reuse, entry_id, days)

    async def skip_over_cap(self, entry_id: int, error: str) -> None:
        """Write that a planned search does not fit under a cap."""
        await self._connection.write(transactions.skip_over_cap, entry_id, error)

    async def check_file(self) -> None:
        """Check quickly that the file is intact, before anything is sent."""
        await self._connection.read(checking.check_quickly)

    async def sweep(self, under_way: Collection[str]) -> list[str]:
        """Make each submit that nobody carries on an unknown one; return their keys."""
        return await self._connection.write(transactions.sweep, under_way)

    async def request_cancel(self, name: str, *, is_final: bool = True) -> None:
        """Skip what a batch has planned, and mark its jobs for a cancel."""
        await self._connection.write(transactions.request_cancel, name, is_final)

    async def resolve(self, key: str, resolution: Resolution | str) -> EntryRecord:
        """Write what a person decided; a text is the id of the entry's job."""
        return await self._connection.write(transactions.resolve, key, resolution)

    async def find_entry(self, key: str) -> EntryRecord | None:
        """Return an entry."""
        return await self._connection.read(queries.find_entry, key)

    async def find_entries(
        self,
        *,
        batch: str | None = None,
        states: Sequence[EntryState] = (),
        after: int = -1,
        most: int | None = None,
    ) -> list[EntryRecord]:
        """Return entries in order."""
        return await self._connection.read(
            queries.find_entries, batch, states, after, most
        )

    async def find_batch(self, name: str) -> BatchRecord | None:
        """Return a batch."""
        return await self._connection.read(queries.find_batch, name)

    async def find_reports(self, name: str | None = None) -> list[BatchReport]:
        """Return the sums of a batch, or of all batches in the order of planning."""
        return await self._connection.read(queries.find_reports, name)

    async def find_pages(
        self, name: str, after: tuple[int, int], most: int
    ) -> list[StoredPage]:
        """Return the next pages of a batch, in the order of its searches."""
        return await self._connection.read(queries.find_pages, name, after, most)

    async def add_known(self, identities: Sequence[Identity], label: str) -> int:
        """Add companies of a list; return how many of them were not known."""
        return await self._connection.write(companies.add_known, identities, label)

    async def remove_known(self, label: str) -> int | None:
        """Forget a list; return how many companies it had, None without such a list."""
        return await self._connection.write(companies.remove_known, label)

    async def find_known(self, lookups: Sequence[str]) -> str | None:
        """Return the list, batch or key that has a company with one of these marks."""
        return await self._connection.read(companies.find_known, lookups)

    async def find_lists(self) -> list[KnownList]:
        """Return the lists that were added."""
        return await self._connection.read(companies.find_lists)

    async def count_known(self) -> int:
        """Return how many companies are known."""
        return await self._connection.read(companies.count_known)

    async def diff(self, first: str, second: str) -> BatchDiff:
        """Return which companies two batches share."""
        return await self._connection.read(companies.diff, first, second)

    async def set_budget(
        self, name: str, limits: tuple[float | None, float | None, float | None]
    ) -> None:
        """Write the limits of a budget: per day, per month, in total."""
        await self._connection.write(caps.set_budget, name, limits)

    async def find_budgets(self) -> list[BudgetStatus]:
        """Return each limit of each budget in its current period."""
        return await self._connection.read(caps.find_budgets, time.time())

    async def find_change(self) -> int:
        """Return a number that differs once another process has changed the Book."""
        return await self._connection.call(
            lambda db: int(db.execute("PRAGMA data_version").fetchone()[0])
        )

    async def check(self) -> BookCheck:
        """Recompute every sum, and check the file."""
        return await self._connection.read(checking.check)

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
        held = self._spill.take()
        lost = [one for one in held if not await self.record_submitted(*one)]
        for one in lost:
            _logger.error(
                "job %s was submitted for entry %s and may be billing, and the entry "
                "has another job or is not in this Book (%s has the id)",
                one.job_id,
                one.key,
                self._spill.lost,
            )
        if held:
            self._spill.finish(lost)
