"""The jobs that a run of a batch follows: each is read to its end and its bill.

A job takes a place of ``max_active`` for as long as it may be running, also if it
cannot be read. Of a Book that several processes run, a job is followed by the one that
has its lease.
"""

from collections.abc import Callable, Iterable
from functools import partial

from anyio.abc import TaskGroup

from openfunnel_async._job.handle import BulkJob
from openfunnel_async.book._following import Follower, describe_error, stop_batch
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._records import (
    BatchRecord,
    EntryRecord,
    NotFollowedError,
    PageSums,
)
from openfunnel_async.book._stop_rule import LastRows, StopRule
from openfunnel_async.errors import BookError, JobNotFoundError, OpenFunnelError

_CANCEL_WITHIN = 60.0


class FollowedJobs:
    """The jobs of one run.

    Attributes:
        number: How many jobs are followed now.
        unreadable: How many jobs could not be read and may be running.
        seen: The keys of all entries that this run has followed.
        error: The first error that left a job unread.

    Args:
        ledger: The inside of the Book.
        jobs: The client.
        batch: The batch.
        handles: Where the handles of its jobs are kept, by key.
        stop_rule: When a job is cancelled because too few companies are new.
        note_change: Called when a place or credits may have become free.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts of a run, once
        self,
        ledger: Ledger,
        jobs: Jobs,
        batch: BatchRecord,
        handles: dict[str, BulkJob],
        stop_rule: StopRule | None,
        note_change: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._jobs = jobs
        self._batch = batch
        self._handles = handles
        self._stop_rule = stop_rule
        self._note_change = note_change
        self._group: TaskGroup | None = None
        self.number: int = 0
        self.unreadable: int = 0
        self.seen: set[str] = set()
        self.error: OpenFunnelError | None = None
        self._cancelling: set[str] = set()
        self._has_enough = False
        self._leased: dict[str, int] = {}

    async def give_back(self) -> None:
        """Let others follow the jobs that were not read to their ends."""
        for entry_id in self._leased.values():
            await self._store.release_lease(entry_id)

    def use(self, group: TaskGroup) -> None:
        """Follow the jobs in the tasks of a group."""
        self._group = group

    def cancel_unwanted(self, entries: Iterable[EntryRecord]) -> None:
        """Cancel the jobs for which somebody asked for it."""
        for entry in entries:
            if entry.wants_cancel and entry.key in self._handles:
                self.start_cancel(entry.key)

    async def take_free(self, most: int) -> None:
        """Follow submitted jobs of the batch that nobody follows."""
        for entry in await self._store.take_free_leases(self._batch.name, most):
            if entry.key not in self.seen and entry.key not in self._ledger.under_way:
                self.start(entry, self._jobs.attach(entry.start))

    def start(self, entry: EntryRecord, job: BulkJob) -> None:
        """Follow a job whose lease this process has."""
        assert self._group is not None  # noqa: S101 -- use() comes first
        self.number += 1
        self.seen.add(entry.key)
        self._handles[entry.key] = job
        self._leased[entry.key] = entry.id
        self._group.start_soon(self._follow, entry, job)
        if entry.wants_cancel:
            self.start_cancel(entry.key)

    async def _follow(self, entry: EntryRecord, job: BulkJob) -> None:
        """Follow a job; one that cannot be read keeps its place and its reservation."""
        try:
            on_page = partial(self._note_page, entry, self._make_last_rows())
            await Follower(self._store, entry, job, on_page).follow()
        except NotFollowedError:
            # A person has skipped it, or another process follows it by now.
            self.seen.discard(entry.key)
            self._leased.pop(entry.key, None)
            self._handles.pop(entry.key, None)
        except BookError:
            raise
        except OpenFunnelError as exc:
            await self._store.note_error(entry.id, describe_error(exc))
            self.error = self.error or exc
            is_gone = job.is_terminal or isinstance(exc, JobNotFoundError)
            self.unreadable += not is_gone
        else:
            # A handle holds its last page.
            del self._handles[entry.key], self._leased[entry.key]
        finally:
            self.number -= 1
            self._note_change()
            self._ledger.note_change()

    def _make_last_rows(self) -> LastRows | None:
        rule = self._stop_rule
        return None if rule is None else LastRows(rule)

    async def _note_page(
        self, entry: EntryRecord, last: LastRows | None, sums: PageSums, rows: int
    ) -> None:
        """Cancel a job that brings too little that is new, or all when it is enough."""
        is_poor = last is not None and last.note(sums.is_new)
        if is_poor and entry.key not in self._cancelling:
            await self._store.record_stop(entry.id, rows)
            self.start_cancel(entry.key)
        await self.stop_at_enough(sums.batch_new)

    async def stop_at_enough(self, new: int) -> None:
        """Submit nothing more and cancel the jobs, once enough companies are new."""
        most = self._batch.most_new
        if most is None or new < most or self._has_enough:
            return
        self._has_enough = True
        await stop_batch(self._store, self._batch)
        for key in list(self._handles):
            self.start_cancel(key)

    def start_cancel(self, key: str) -> None:
        """Cancel a job for which somebody asked for it; its follower reads the end."""
        assert self._group is not None  # noqa: S101 -- use() comes first
        if key not in self._cancelling:
            self._cancelling.add(key)
            self._group.start_soon(self._cancel, self._handles[key])

    async def _cancel(self, job: BulkJob) -> None:
        try:
            await job.cancel(timeout=max(self._jobs.outage, _CANCEL_WITHIN))
        except OpenFunnelError as exc:
            self.error = self.error or exc
