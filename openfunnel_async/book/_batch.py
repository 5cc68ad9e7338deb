"""``Batch``: many searches in a Book, run until all is done."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Self

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import cancel_and_wait
from openfunnel_async._text import escaped
from openfunnel_async._values.checks import check_amount, check_text, check_whole
from openfunnel_async._values.models import Company
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.book._batch_run import BatchRun, OnProgress, RunOptions
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._planning import check_state, plan_batch
from openfunnel_async.book._records import BatchOptions, EntryRecord, read_companies
from openfunnel_async.book._stop_rule import check_stop_rule
from openfunnel_async.book._values import (
    BatchReport,
    BatchStatus,
    BookEntry,
    EntryState,
)
from openfunnel_async.errors import BookInUseError, ConfigurationError, OpenFunnelError

_CANCELS_AT_A_TIME = 8
_PAGES_AT_A_TIME = 4
_WATCH_EVERY = 2.0
_LONGEST_REASON = 500


class BatchRows:
    """The companies of a batch, from the disk, in the order of its searches.

    An async iterator. It holds a few pages; each is read in a transaction of its own,
    so a slow reader holds nothing up. While the batch is run, rows of earlier searches
    may come too late for it: what it has passed it does not read again.
    """

    def __init__(self, ledger: Ledger, name: str, *, new_only: bool) -> None:
        self._ledger = ledger
        self._name = name
        self._new_only = new_only
        self._after = (-1, 0)
        self._rows: deque[Company] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Company:
        while not self._rows:
            if not await self._read_pages():
                raise StopAsyncIteration
        return self._rows.popleft()

    async def _read_pages(self) -> bool:
        """Read the next pages; False if there are none."""
        pages = await self._ledger.store.find_pages(
            self._name, self._after, _PAGES_AT_A_TIME
        )
        for page in pages:
            self._rows.extend(read_companies(page, new_only=self._new_only))
            self._after = (page.seq, page.first)
        return bool(pages)


class Batch:
    """A list of searches in a Book that is bought once, whatever happens meanwhile.

    Made by ``OpenFunnel.batch()``. ``Book.batch()`` returns one that can be read, and
    not run. A batch may be run as often as is needed: ``run()`` continues with what is
    missing and submits nothing twice.

    Attributes:
        name: Its name in the Book.
    """

    __module__ = "openfunnel_async"

    def __init__(self, ledger: Ledger, name: str, jobs: Jobs | None = None) -> None:
        self._ledger = ledger
        self.name: str = name
        self._jobs = jobs

    def __repr__(self) -> str:
        return f"<Batch {escaped(self.name, 200)}>"

    @property
    def _client(self) -> Jobs:
        if self._jobs is None:
            msg = f"to change batch {self.name} get it from OpenFunnel.batch()"
            raise ConfigurationError(msg)
        self._jobs.check_loop()
        return self._jobs

    async def run(
        self,
        *,
        max_active: int = 8,
        on_progress: OnProgress | None = None,
        min_new_share: float | None = None,
        over: int = 200,
        keep_credits: float | None = None,
    ) -> BatchReport:
        """Submit what is planned, and read every job to its end and its bill.

        The first call runs the batch, later ones continue with it, also in another
        process. Searches are submitted one at a time.

        Args:
            max_active: Most jobs that may be running at a time, at least 1.
            on_progress: Called, or awaited, with the sums of the batch, at most twice a
                second and once at the end. What it raises is raised.
            min_new_share: A job is cancelled when less than this share of its last rows
                are new companies, 0.0 to 1.0; None for no such rule.
            over: How many of its last rows count for that.
            keep_credits: Nothing is submitted that could bring the account's balance
                below this; None for no such rule. The balance is read before each
                submit, which is free.

        Returns:
            The sums, the bill included.

        Raises:
            ConfigurationError: An argument is invalid, or the client was closed.
            BookInUseError: Another process runs this Book; nothing was sent.
            BookError: The Book could not be written.
            OpenFunnelError: What left something undone, once the other jobs were read:
                a key that is not accepted, too few credits, an outage longer than
                ``RetryPolicy.outage``, a job that could not be read. Run it again.

        Cancellation: nothing more is submitted, and the jobs **continue and bill**; run
        it again to read them, or ``cancel()`` them. A submit that was sent is written
        down first, within 5 s.
        """
        jobs = self._client
        max_active = check_whole("max_active", max_active, 1)
        if on_progress is not None and not callable(on_progress):
            raise ConfigurationError("on_progress must be a function")
        options = RunOptions(
            max_active=max_active,
            on_progress=on_progress,
            stop_rule=check_stop_rule(min_new_share, over),
            keep_credits=None
            if keep_credits is None
            else check_amount("keep_credits", keep_credits),
        )
        work = jobs.start_task(self._run(jobs, options))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled():
                msg = "the client was closed; run the batch again to continue"
                raise ConfigurationError(msg) from None
            await cancel_and_wait([work])
            raise

    async def _run(self, jobs: Jobs, options: RunOptions) -> BatchReport:
        async with (
            self._ledger.running_batch(self.name) as handles,
            self._ledger.run_lock(),
        ):
            await self._ledger.store.bind_account(jobs.fingerprint)
            batch = await self._ledger.store.find_batch(self.name)
            assert batch is not None  # noqa: S101 -- it was planned, and stays
            run = BatchRun(self._ledger, jobs, batch, handles, options)
            return await run.run()

    async def status(self) -> BatchStatus:
        """Return the sums of the batch, from the disk.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return (await self.report()).to_status()

    async def report(self) -> BatchReport:
        """Return what became of the batch so far, from the disk.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        (report,) = await self._ledger.store.find_reports(self.name)
        return report

    async def searches(self, *, state: EntryState | None = None) -> list[BookEntry]:
        """Return its entries in order, from the disk.

        Args:
            state: Only those in this state.

        Raises:
            ConfigurationError: The state is none.
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return [record.to_entry() for record in await self._find(state)]

    async def _find(self, state: EntryState | None) -> list[EntryRecord]:
        return await self._ledger.store.find_entries(
            batch=self.name, states=check_state(state)
        )

    def rows(self, *, new_only: bool = False) -> BatchRows:
        """Return its companies from the disk, a page at a time.

        Args:
            new_only: Only companies that the Book did not know when they were
                delivered. The service bills the others as well.
        """
        return BatchRows(self._ledger, self.name, new_only=new_only)

    async def extend(
        self,
        searches: Iterable[LookalikeSearch],
        *,
        labels: Iterable[str | None] | None = None,
    ) -> None:
        """Add searches; those that are in the batch already change nothing.

        Args:
            searches: The searches.
            labels: A name of the caller's own for each of them.

        Raises:
            ConfigurationError: A search is invalid, or has no limit under a cap.
            BookError: The Book cannot be written.

        Cancellation: all of them may have been added, or none; calling again is safe.
        """
        most = (await self.report()).cap
        planned = plan_batch(self.name, searches, most, labels)
        await self._ledger.store.plan(self.name, planned, BatchOptions(), extends=True)
        self._ledger.note_change()

    async def skip_planned(self, reason: str) -> None:
        """Submit nothing more; jobs that run, and submits under way, are left alone.

        What was planned is ``skipped``. ``Book.resolve(key, submit_again=True)`` plans
        it again, and so does another cap for the batch.

        Args:
            reason: Why, in at most 500 characters; the ``error`` of the entries.

        Raises:
            ConfigurationError: The reason is no text, empty, or too long.
            BookError: The Book cannot be written.

        Cancellation: it may be written or not; calling again is safe.
        """
        check_text("reason", reason, _LONGEST_REASON)
        await self._ledger.store.skip_planned(self.name, escaped(reason))
        self._ledger.note_change()

    async def cancel(self, *, wait: bool = False) -> list[CancelReceipt]:
        """Submit nothing more, and cancel the jobs that run.

        Submits of unknown outcome stay unknown. The next ``run()`` reads what the jobs
        have delivered, and their bills.

        Args:
            wait: Whether to wait until the jobs are terminal, and their rows and bills
                are in the Book.

        Returns:
            A receipt for each job.

        Raises:
            OpenFunnelError: The first cancel that failed, once all were tried. The
                others are made; the next ``run()`` repeats the one that failed.

        Cancellation: the batch submits nothing more. The jobs may be cancelled or not;
        the next ``run()`` cancels the rest.
        """
        jobs = self._client
        await self._ledger.store.request_cancel(self.name)
        self._ledger.note_change()
        submitting = await self._find(EntryState.SUBMITTING)
        await self._ledger.wait_for_submits(entry.key for entry in submitting)
        handles = self._ledger.running.get(self.name, {})
        entries = await self._find(EntryState.SUBMITTED)
        found = [
            handles.get(entry.key) or jobs.attach(entry.start) for entry in entries
        ]
        outcomes = await _cancel_all(found, wait=wait)
        failed = [one for one in outcomes if isinstance(one, OpenFunnelError)]
        if failed:
            raise failed[0]
        if wait:
            await self._read_the_rest()
        return [one for one in outcomes if isinstance(one, CancelReceipt)]

    async def _read_the_rest(self) -> None:
        """Store what the cancelled jobs delivered, or wait for the run that does."""
        while self.name in self._ledger.running:
            if not await self._find(EntryState.SUBMITTED):
                return
            await self._ledger.wait_for_change(_WATCH_EVERY)
        try:
            await self.run()
        except BookInUseError:
            return


async def _cancel_all(
    jobs: list[BulkJob], *, wait: bool
) -> list[CancelReceipt | OpenFunnelError]:
    """Cancel all of them, a few at a time, and return what became of each."""
    places = asyncio.Semaphore(_CANCELS_AT_A_TIME)

    async def cancel(job: BulkJob) -> CancelReceipt | OpenFunnelError:
        async with places:
            try:
                return await job.cancel(wait=wait)
            except OpenFunnelError as exc:
                return exc

    return list(await asyncio.gather(*map(cancel, jobs)))
