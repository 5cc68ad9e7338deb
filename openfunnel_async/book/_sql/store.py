"""The transactions of the Book as a store; each method runs one of this room's."""

import os
import secrets
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

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
from openfunnel_async.book._sql import (
    caps,
    checking,
    companies,
    deciding,
    following,
    planning,
    queries,
    submitting,
)
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._values import (
    BatchDiff,
    BatchReport,
    BookCheck,
    BudgetStatus,
    EntryState,
    KnownList,
)

P = ParamSpec("P")
T = TypeVar("T")


class Transactions(Protocol):
    """What runs transactions."""

    async def write(
        self,
        transaction: Callable[Concatenate[Database, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that writes; it is on the disk when this returns."""
        ...

    async def read(
        self,
        transaction: Callable[Concatenate[Database, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction that reads; it sees one state of the Book."""
        ...


class SqlStore:
    """The transactions that are the same for both databases; see ``Store``.

    Args:
        transactions: What runs them.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # Of two Books in one process, or of two containers with the same host name.
        name = f"{os.getpid()}@{socket.gethostname()}"
        self.owner: str = f"{name}/{secrets.token_hex(3)}"

    async def bind_account(self, fingerprint: str) -> None:
        """Claim the Book for an account, or refuse an account that it is not of."""
        await self._transactions.write(planning.bind_account, fingerprint)

    async def plan(
        self,
        name: str,
        searches: Sequence[PlannedSearch],
        options: BatchOptions,
        *,
        extends: bool = False,
    ) -> None:
        """Write a batch and its searches, or check that they are there."""
        await self._transactions.write(planning.plan, name, searches, options, extends)

    async def plan_one(self, planned: PlannedSearch) -> EntryRecord:
        """Write an entry without a batch if there is none with its key; return it."""
        return await self._transactions.write(planning.plan_one, planned)

    async def begin_submit(
        self, entry_id: int, owner: str, budget: str | None = None
    ) -> Intent:
        """Write that a submit begins, and reserve its exposure under every cap."""
        return await self._transactions.write(
            submitting.begin_submit, entry_id, owner, budget
        )

    async def record_submitted(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> bool:
        """Write the id of the job, also if the outcome was taken for unknown."""
        return await self._transactions.write(
            submitting.record_submitted, key, attempt, job_id, limit
        )

    async def record_no_job(
        self, key: str, attempt: int, state: EntryState, error: str
    ) -> None:
        """Write that a submit made no job that is known."""
        await self._transactions.write(
            submitting.record_no_job, key, attempt, state, error
        )

    async def record_page(
        self, entry_id: int, first: int, rows: Sequence[object], place: str
    ) -> PageSums:
        """Write the rows of a page, which companies are new, and the place after it."""
        return await self._transactions.write(
            following.record_page, entry_id, first, rows, place
        )

    async def record_bill(
        self, entry_id: int, status: str, billed: float | None, error: str | None
    ) -> None:
        """Write the terminal status and the bill, which replaces the reservation."""
        await self._transactions.write(
            following.record_bill, entry_id, status, billed, error
        )

    async def note_error(self, entry_id: int, error: str | None) -> None:
        """Write what has kept a job from being read, or that nothing does any more."""
        await self._transactions.write(following.note_error, entry_id, error)

    async def record_stop(self, entry_id: int, rows: int) -> None:
        """Write that a job is cancelled because too few of its companies are new."""
        await self._transactions.write(following.record_stop, entry_id, rows)

    async def skip_planned(self, name: str, error: str) -> None:
        """Skip what a batch has planned, until it is planned with other limits."""
        await self._transactions.write(deciding.skip_planned, name, error)

    async def reuse(self, entry_id: int, days: float) -> bool:
        """Answer a planned search by an identical one that was settled not long ago."""
        return await self._transactions.write(submitting.reuse, entry_id, days)

    async def skip_over_cap(self, entry_id: int, error: str) -> None:
        """Write that a planned search does not fit under a cap."""
        await self._transactions.write(submitting.skip_over_cap, entry_id, error)

    async def sweep(self, under_way: Collection[str]) -> list[str]:
        """Make each submit that nobody carries on an unknown one; return their keys."""
        return await self._transactions.write(submitting.sweep, under_way)

    async def request_cancel(self, name: str, *, is_final: bool = True) -> None:
        """Skip what a batch has planned, and mark its jobs for a cancel."""
        await self._transactions.write(deciding.request_cancel, name, is_final)

    async def resolve(self, key: str, resolution: Resolution | str) -> EntryRecord:
        """Write what a person decided; a text is the id of the entry's job."""
        return await self._transactions.write(deciding.resolve, key, resolution)

    async def find_entry(self, key: str) -> EntryRecord | None:
        """Return an entry."""
        return await self._transactions.read(queries.find_entry, key)

    async def find_entries(
        self,
        *,
        batch: str | None = None,
        states: Sequence[EntryState] = (),
        after: int = -1,
        most: int | None = None,
        is_single: bool = False,
    ) -> list[EntryRecord]:
        """Return entries in order."""
        return await self._transactions.read(
            queries.find_entries, batch, states, after, most, is_single
        )

    async def find_batch(self, name: str) -> BatchRecord | None:
        """Return a batch."""
        return await self._transactions.read(queries.find_batch, name)

    async def find_reports(self, name: str | None = None) -> list[BatchReport]:
        """Return the sums of a batch, or of all batches in the order of planning."""
        return await self._transactions.read(queries.find_reports, name)

    async def find_pages(
        self, name: str, after: tuple[int, int], most: int
    ) -> list[StoredPage]:
        """Return the next pages of a batch, in the order of its searches."""
        return await self._transactions.read(queries.find_pages, name, after, most)

    async def add_known(self, identities: Sequence[Identity], label: str) -> int:
        """Add companies of a list; return how many of them were not known."""
        return await self._transactions.write(companies.add_known, identities, label)

    async def remove_known(self, label: str) -> int | None:
        """Forget a list; return how many companies it had, None without such a list."""
        return await self._transactions.write(companies.remove_known, label)

    async def find_known(self, lookups: Sequence[str]) -> str | None:
        """Return the list, batch or key that has a company with one of these marks."""
        return await self._transactions.read(companies.find_known, lookups)

    async def find_lists(self) -> list[KnownList]:
        """Return the lists that were added."""
        return await self._transactions.read(companies.find_lists)

    async def count_known(self) -> int:
        """Return how many companies are known."""
        return await self._transactions.read(companies.count_known)

    async def diff(self, first: str, second: str) -> BatchDiff:
        """Return which companies two batches share."""
        return await self._transactions.read(companies.diff, first, second)

    async def set_budget(
        self, name: str, limits: tuple[float | None, float | None, float | None]
    ) -> None:
        """Write the limits of a budget: per day, per month, in total."""
        await self._transactions.write(caps.set_budget, name, limits)

    async def find_budgets(self) -> list[BudgetStatus]:
        """Return each limit of each budget in its current period."""
        return await self._transactions.read(caps.find_budgets)

    async def check(self) -> BookCheck:
        """Recompute every sum, and check the file."""
        return await self._transactions.read(checking.check)
