"""What the Book needs of a database: one method for each transaction.

Two stores implement it, and one suite of tests (tests/book/conformance) is run on both.
Each method is one transaction: it happens in whole and is on the disk when it returns,
or it does not happen. A cancelled call may do either.

All methods raise ``BookError`` if the database cannot be read or written.
"""

from collections.abc import Collection, Sequence
from os import PathLike
from typing import Protocol

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
from openfunnel_async.book._values import (
    BatchDiff,
    BatchReport,
    BookCheck,
    BudgetStatus,
    EntryState,
    KnownList,
)


class Store(Protocol):
    """The transactions of the Book.

    Attributes:
        owner: The name of this process in the Book.
        is_shared: Whether several processes may run the Book at a time.
        conninfo: The address of the database, for an engine; None for a file.
    """

    owner: str
    is_shared: bool
    conninfo: str | None

    async def aclose(self) -> None:
        """Close the connections."""
        ...

    async def bind_account(self, fingerprint: str) -> None:
        """Claim the Book for an account, or refuse an account that it is not of.

        Raises:
            OtherAccountError: It belongs to another account.
        """
        ...

    async def acquire_run_lock(self) -> None:
        """Become a process that submits and follows jobs; of some stores the only one.

        Raises:
            BookInUseError: Another process is it.
        """
        ...

    async def release_run_lock(self) -> None:
        """Let another process run the Book."""
        ...

    def may_send(self) -> bool:
        """Whether this process may still send a submit whose intent it has written."""
        ...

    async def check_leases(self) -> None:
        """Check that others do not take over what this process has.

        Raises:
            BookError: The leases ran out: the database was not reached for too long.
        """
        ...

    async def take_lease(self, entry_id: int) -> bool:
        """Become the one process that follows a job; False if another one is it."""
        ...

    async def take_free_leases(self, name: str, most: int) -> list[EntryRecord]:
        """Become the one that follows the jobs of a batch that nobody follows.

        Args:
            name: The batch.
            most: At most this number of them, if the Book is shared.

        Returns:
            Their entries; if the Book is not shared, of all submitted entries.
        """
        ...

    async def release_lease(self, entry_id: int, after: float = 0.0) -> None:
        """Let another process follow a job.

        Args:
            entry_id: The entry.
            after: In how many seconds somebody should.
        """
        ...

    async def find_due(self, most: int, budget: str | None) -> list[tuple[str, str]]:
        """Return the keys of entries of batches that wait for somebody.

        Args:
            most: At most this number of them.
            budget: The budget that applies beside the caps of the batches.

        Returns:
            Each with ``"submit"`` or ``"follow"``; only searches that fit under their
            caps are to be submitted.
        """
        ...

    async def find_cancels(self) -> list[str]:
        """Return the keys of jobs that this process follows and nobody wants."""
        ...

    async def plan(
        self,
        name: str,
        searches: Sequence[PlannedSearch],
        options: BatchOptions,
        *,
        extends: bool = False,
    ) -> None:
        """Write a batch and its searches, or check that they are there.

        Args:
            name: The batch.
            searches: Its searches.
            options: Its limits.
            extends: Whether to add the searches to a batch that exists.

        Raises:
            ConfigurationError: The batch has other searches.
        """
        ...

    async def plan_one(self, planned: PlannedSearch) -> EntryRecord:
        """Write an entry without a batch if there is none with its key; return it."""
        ...

    async def begin_submit(
        self, entry_id: int, owner: str, budget: str | None = None
    ) -> Intent:
        """Write that a submit begins, and reserve its exposure under every cap.

        Args:
            entry_id: The entry.
            owner: Who submits.
            budget: The budget that applies beside the cap of the batch.

        Raises:
            ConfigurationError: There is no such budget.
        """
        ...

    async def record_submitted(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> bool:
        """Write the id of the job, also if the outcome was taken for unknown.

        Returns:
            False if the entry has come further: the attempt is not its last one.
        """
        ...

    async def record_no_job(
        self, key: str, attempt: int, state: EntryState, error: str
    ) -> None:
        """Write that a submit made no job that is known.

        Args:
            key: The entry.
            attempt: The number of the submit.
            state: Planned or rejected, which return the reservation, or unknown, which
                keeps it.
            error: Why.
        """
        ...

    async def record_page(
        self, entry_id: int, first: int, rows: Sequence[object], place: str
    ) -> PageSums:
        """Write the rows of a page, which companies are new, and the place after it.

        Args:
            entry_id: The entry.
            first: How many rows of it are stored before; anything else raises.
            rows: The rows as the service sent them.
            place: The checkpoint after the page.
        """
        ...

    async def record_bill(
        self, entry_id: int, status: str, billed: float | None, error: str | None
    ) -> None:
        """Write the terminal status and the bill, which replaces the reservation."""
        ...

    async def note_error(self, entry_id: int, error: str | None) -> None:
        """Write what has kept a job from being read, or that nothing does any more."""
        ...

    async def record_stop(self, entry_id: int, rows: int) -> None:
        """Write that a job is cancelled because too few of its companies are new.

        Args:
            entry_id: The entry.
            rows: How many of its rows are stored.
        """
        ...

    async def skip_planned(self, name: str, error: str) -> None:
        """Skip what a batch has planned, until it is planned with other limits."""
        ...

    async def reuse(self, entry_id: int, days: float) -> bool:
        """Answer a planned search by an identical one that was settled not long ago.

        Returns:
            Whether there is one. The entry is then settled, for 0 credits.
        """
        ...

    async def skip_over_cap(self, entry_id: int, error: str) -> None:
        """Write that a planned search does not fit under a cap."""
        ...

    async def check_file(self) -> None:
        """Check quickly that the database is intact, before anything is sent.

        Raises:
            BookError: It is damaged.
        """
        ...

    async def sweep(self, under_way: Collection[str]) -> list[str]:
        """Make each submit that nobody carries on an unknown one; return their keys.

        Args:
            under_way: Keys of the submits that this process carries on.
        """
        ...

    async def request_cancel(self, name: str, *, is_final: bool = True) -> None:
        """Skip what a batch has planned, and mark its jobs for a cancel.

        Args:
            name: The batch.
            is_final: Whether what was skipped before stays skipped under other limits.
        """
        ...

    async def resolve(self, key: str, resolution: Resolution | str) -> EntryRecord:
        """Write what a person decided; a text is the id of the entry's job.

        Raises:
            ConfigurationError: There is no such entry, or it is not in a state in which
                this can be decided.
        """
        ...

    async def find_entry(self, key: str) -> EntryRecord | None:
        """Return an entry."""
        ...

    async def find_entries(
        self,
        *,
        batch: str | None = None,
        states: Sequence[EntryState] = (),
        after: int = -1,
        most: int | None = None,
        is_single: bool = False,
    ) -> list[EntryRecord]:
        """Return entries in order.

        Args:
            batch: Of this batch alone.
            is_single: Only those that are of no batch.
            states: In these states alone.
            after: Only entries behind this one: its ``seq`` in a batch, else its id.
            most: At most this number of them.
        """
        ...

    async def find_batch(self, name: str) -> BatchRecord | None:
        """Return a batch."""
        ...

    async def find_reports(self, name: str | None = None) -> list[BatchReport]:
        """Return the sums of a batch, or of all batches in the order of planning."""
        ...

    async def find_pages(
        self, name: str, after: tuple[int, int], most: int
    ) -> list[StoredPage]:
        """Return the next pages of a batch, in the order of its searches.

        Args:
            name: The batch.
            after: ``seq`` and ``first`` of the last page; (-1, 0) at the beginning.
            most: At most this number of them.
        """
        ...

    async def add_known(self, identities: Sequence[Identity], label: str) -> int:
        """Add companies of a list; return how many of them were not known."""
        ...

    async def remove_known(self, label: str) -> int | None:
        """Forget a list; return how many companies it had, None without such a list."""
        ...

    async def find_known(self, lookups: Sequence[str]) -> str | None:
        """Return the list, batch or key that has a company with one of these marks."""
        ...

    async def find_lists(self) -> list[KnownList]:
        """Return the lists that were added."""
        ...

    async def count_known(self) -> int:
        """Return how many companies are known."""
        ...

    async def diff(self, first: str, second: str) -> BatchDiff:
        """Return which companies two batches share."""
        ...

    async def set_budget(
        self, name: str, limits: tuple[float | None, float | None, float | None]
    ) -> None:
        """Write the limits of a budget: per day, per month, in total."""
        ...

    async def find_budgets(self) -> list[BudgetStatus]:
        """Return each limit of each budget in its current period."""
        ...

    async def find_change(self) -> int:
        """Return a number that differs once another process has changed the Book."""
        ...

    async def check(self) -> BookCheck:
        """Recompute every sum, and check the file."""
        ...

    async def backup(self, path: str | PathLike[str]) -> None:
        """Write a copy into a new file."""
        ...

    async def hold_id(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> None:
        """Keep an id outside of the database until ``record_submitted`` succeeds."""
        ...

    async def restore_held_ids(self) -> None:
        """Write the ids that were kept by a process that could not write them."""
        ...
