"""Run a batch: submit what is planned, follow what is submitted, leave the rest alone.

There are three kinds of work in one task group. One task submits, a search at a time,
so that at most one outcome can be unknown if the process ends. One task for each job
follows it. One task reports, and watches what other processes do to the batch.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import cast

import anyio
import attrs

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import cancel_and_wait, wait_shielded
from openfunnel_async._protocol.retry_rules import backoff, is_curable, retry_after_of
from openfunnel_async.book._followed_jobs import FollowedJobs
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._recording import is_rejection
from openfunnel_async.book._records import (
    BatchRecord,
    EntryRecord,
    Room,
)
from openfunnel_async.book._stop_rule import StopRule
from openfunnel_async.book._values import BatchReport, BatchStatus, EntryState
from openfunnel_async.errors import (
    BookError,
    OpenFunnelError,
    RateLimitedError,
    SubmitOutcomeUnknownError,
)

_logger = logging.getLogger("openfunnel_async")
OnProgress = Callable[[BatchStatus], object]
_REPORT_EVERY = 0.5
_WATCH_EVERY = 2.0
# After a change, in multiples of the time that it took to read it.
_WATCH_PAUSE = 9
_MOST_UNKNOWN = 3
_GIVE_BACK_WITHIN = 5.0


@attrs.frozen(kw_only=True)
class RunOptions:
    """What a run was asked for.

    Attributes:
        max_active: Most jobs that may be running at a time.
        on_progress: Called, or awaited, with the sums of the batch.
        stop_rule: When a job is cancelled because too few companies are new.
        keep_credits: What the account's balance must not fall below.
    """

    max_active: int
    on_progress: OnProgress | None = None
    stop_rule: StopRule | None = None
    keep_credits: float | None = None


class BatchRun:
    """One run of a batch.

    Args:
        ledger: The inside of the Book.
        jobs: The client.
        batch: The batch.
        handles: Where the handles of its jobs are kept, by key.
        options: What was asked for.
    """

    def __init__(
        self,
        ledger: Ledger,
        jobs: Jobs,
        batch: BatchRecord,
        handles: dict[str, BulkJob],
        options: RunOptions,
    ) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._jobs = jobs
        self._name = batch.name
        self._batch = batch
        self._handles = handles
        self._options = options
        self._followed = FollowedJobs(
            ledger, jobs, batch, handles, options.stop_rule, self._note_change
        )
        self._changed = asyncio.Event()
        self._is_submitting = False
        # Held while a place is looked for.
        self._placing = asyncio.Lock()
        self._failed_since: float | None = None
        self._failures = 0
        self._unknowns = 0
        self._is_stopped = False
        self._error: OpenFunnelError | None = None

    async def run(self) -> BatchReport:
        """Run the batch until nothing is left to submit or to read.

        Raises:
            OpenFunnelError: The first error that left something of it undone.
        """
        try:
            return await self._run()
        finally:
            # Also of a run that was cancelled: its jobs continue, and others read them.
            work = asyncio.create_task(self._give_back())
            await wait_shielded([work], _GIVE_BACK_WITHIN)
            # A database that answers nothing would hold up the end of the run.
            await cancel_and_wait([work])

    async def _give_back(self) -> None:
        try:
            await self._followed.give_back()
        except BookError as exc:
            _logger.warning("leases were not given back, and run out: %s", exc)
        except asyncio.CancelledError:
            _logger.warning("leases were not given back in time, and run out")
            raise

    async def _run(self) -> BatchReport:
        try:
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self._watch)
                watchers.start_soon(self._ledger.watch_leases)
                if self._options.on_progress is not None:
                    watchers.start_soon(self._report_changes, self._options.on_progress)
                await self._work()
                watchers.cancel_scope.cancel()
        except ExceptionGroup as exc:
            raise find_first(exc) from None
        report = await self.report()
        if self._options.on_progress is not None:
            await _call(self._options.on_progress, report)
        error = self._error or self._followed.error
        if error is not None:
            raise error
        return report

    async def report(self) -> BatchReport:
        """Return the sums of the batch."""
        (report,) = await self._store.find_reports(self._name)
        return report

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            self._followed.use(group)
            # A submit of an earlier run whose answer came late.
            submitting = await self._find(EntryState.SUBMITTING)
            await self._ledger.wait_for_submits(entry.key for entry in submitting)
            await self._followed.take_free(self._options.max_active)
            await self._followed.stop_at_enough((await self.report()).new)
            await self._submit_all()

    async def _find(self, state: EntryState) -> list[EntryRecord]:
        return await self._store.find_entries(batch=self._name, states=(state,))

    # Submits

    async def _submit_all(self) -> None:
        """Submit the planned searches in order, while anything can be submitted.

        What does not fit under a cap waits for the bills of the jobs that are followed.
        Once there are none, only a person can give room back, and it stays planned.
        """
        after = -1
        while not self._is_stopped:
            changed = self._changed
            entry = await self._next_planned(after)
            is_busy = bool(self._followed.number) or await self._is_others_work()
            if entry is None and not is_busy:
                return
            if entry is None:
                # More may be planned meanwhile, by extend() or by resolve().
                await changed.wait()
                after = -1
            elif not await self._take_place():
                if not self._followed.number:
                    return
                await changed.wait()
            elif not await self._submit(entry):
                if is_busy:
                    await changed.wait()
                else:
                    after = entry.seq

    async def _take_place(self) -> bool:
        """Keep a place for the next submit; False if there is none.

        A job that is taken over from another process meanwhile does not get it.
        """
        async with self._placing:
            self._is_submitting = self._active < self._options.max_active
            return self._is_submitting

    @property
    def _active(self) -> int:
        return self._followed.number + self._followed.unreadable

    async def _is_others_work(self) -> bool:
        """Whether another process has a submit or a job of this batch under way.

        If that process ends, this one takes over what it had.
        """
        if not self._store.is_shared:
            return False
        states = (EntryState.SUBMITTING, EntryState.SUBMITTED)
        found = await self._store.find_entries(batch=self._name, states=states)
        return any(entry.key not in self._followed.seen for entry in found)

    async def _next_planned(self, after: int) -> EntryRecord | None:
        found = await self._store.find_entries(
            batch=self._name, states=(EntryState.PLANNED,), after=after, most=1
        )
        return found[0] if found else None

    async def _submit(self, entry: EntryRecord) -> bool:
        """Submit a search in its place; False if it does not fit under a cap now."""
        try:
            return await self._submit_if_it_fits(entry)
        finally:
            self._is_submitting = False

    async def _submit_if_it_fits(self, entry: EntryRecord) -> bool:
        days = self._batch.reuse_days
        if days is not None and await self._store.reuse(entry.id, days):
            return True
        if not await self._has_credits(entry):
            return False
        async with self._ledger.one_submit():
            return await self._submit_alone(entry)

    async def _submit_alone(self, entry: EntryRecord) -> bool:
        """Submit a search while this process submits nothing else."""
        intent = await self._ledger.begin_submit(entry, self._jobs.budget)
        is_refused = intent.room in {Room.OVER, Room.FULL}
        if intent.room is Room.OVER and intent.budget is None:
            is_refused = False
            error = "it does not fit under the cap of the batch; nothing was sent"
            await self._store.skip_over_cap(entry.id, error)
        elif intent.room is Room.RESERVED:
            await self._submit_reserved(entry, intent.attempt)
        return not is_refused

    async def _has_credits(self, entry: EntryRecord) -> bool:
        """Whether the account's balance stays high enough if all jobs bill in full."""
        keep = self._options.keep_credits
        if keep is None:
            return True
        balance = await self._jobs.read_balance()
        reserved = (await self.report()).reserved
        return balance.credits_left - reserved - (entry.exposure or 0.0) >= keep

    async def _submit_reserved(self, entry: EntryRecord, attempt: int) -> None:
        """Send a search whose intent is on the disk, and follow its job."""
        job: BulkJob | None = None
        record = self._ledger.carry(entry.key, attempt)
        try:
            job = await self._jobs.submit(entry.search, record, self._store.may_send)
        except BookError:
            raise
        except OpenFunnelError as exc:
            await self._note_failed_submit(exc)
        else:
            self._failed_since, self._failures, self._unknowns = None, 0, 0
        await self._follow_submitted(entry, job)

    async def _follow_submitted(self, entry: EntryRecord, job: BulkJob | None) -> None:
        """Follow the job of a submit, unless somebody does so already.

        Three others may be first: the task that watches, at any ``await``; another
        process, which may have stored pages and stopped again before the lease was
        this one's; and the answer of the submit may have been another one.
        """
        stored = await self._store.find_entry(entry.key)
        if stored is None or stored.state is not EntryState.SUBMITTED:
            return
        if self._is_followed(entry) or not await self._store.take_lease(entry.id):
            return
        if self._store.is_shared:
            stored = await self._store.find_entry(entry.key)
        if stored is None or self._is_followed(entry):
            return
        if job is None or stored.rows:
            job = self._jobs.attach(stored.start)
        self._followed.start(stored, job)

    def _is_followed(self, entry: EntryRecord) -> bool:
        return entry.key in self._followed.seen

    async def _note_failed_submit(self, error: OpenFunnelError) -> None:
        """Decide whether the next search is submitted, and when.

        A refused search is no reason to stop, and one of unknown outcome neither. What
        would meet every search stops the submits: at once if a repetition cannot cure
        it, or was tried already (a 429), else after an outage.
        """
        if is_rejection(error):
            return
        if isinstance(error, SubmitOutcomeUnknownError):
            await self._note_unknown(error)
            return
        now = asyncio.get_running_loop().time()
        if self._failed_since is None:
            self._failed_since = now
        self._failures += 1
        pause = max(backoff(self._failures), retry_after_of(error) or 0.0)
        left = self._failed_since + self._jobs.outage - now
        was_patient = isinstance(error, RateLimitedError)
        if was_patient or not is_curable(error) or pause > left:
            self._is_stopped = True
            self._error = self._error or error
            return
        await asyncio.sleep(pause)

    async def _note_unknown(self, error: SubmitOutcomeUnknownError) -> None:
        """Stop the submits when one after the other has an unknown outcome.

        A gateway that fails would make an unknown entry of every search.
        """
        if error.job_id is not None:
            return
        self._unknowns += 1
        if self._unknowns >= _MOST_UNKNOWN:
            self._is_stopped = True
            self._error = self._error or error
            return
        await asyncio.sleep(backoff(self._unknowns))

    # Progress, and what others do

    def _note_change(self) -> None:
        """Wake the task that submits: a place or credits may be free."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _report_changes(self, on_progress: OnProgress) -> None:
        last: BatchReport | None = None
        while True:
            report = await self.report()
            if report != last:
                await _call(on_progress, report)
                last = report
            await asyncio.sleep(_REPORT_EVERY)

    async def _watch(self) -> None:
        """Notice that somebody extended, resolved or cancelled the batch.

        The submits and bills of this run are changes as well, and it reads all of its
        jobs after one: that takes at most a tenth of the time, also of a large batch.
        """
        loop = asyncio.get_running_loop()
        seen = await self._find_change()
        while True:
            if self._ledger.changes == seen[0]:
                await self._ledger.wait_for_change(_WATCH_EVERY)
            change = await self._find_change()
            if change != seen:
                seen, began = change, loop.time()
                await self._pick_up()
                self._note_change()
                pause = _WATCH_PAUSE * (loop.time() - began)
                await asyncio.sleep(min(pause, _WATCH_EVERY))
            elif self._store.is_shared:
                # A lease that has run out is no change.
                await self._ledger.sweep()
                await self._take_free()

    async def _find_change(self) -> tuple[int, int]:
        """Return numbers that differ once something was changed, here or elsewhere."""
        return self._ledger.changes, await self._store.find_change()

    async def _pick_up(self) -> None:
        """Follow a job that another process made known, and cancel what it asks.

        Most changes are those of this run, whose jobs are followed already.
        """
        submitted = await self._find(EntryState.SUBMITTED)
        if not all(map(self._is_followed, submitted)):
            await self._take_free()
        self._followed.cancel_unwanted(submitted)

    async def _take_free(self) -> None:
        async with self._placing:
            # Of a shared Book they are looked for again soon. Of a file they are those
            # that a person has resolved, and nobody else follows them.
            kept = self._is_submitting and self._store.is_shared
            most = self._options.max_active - self._active - kept
            await self._followed.take_free(most)


async def _call(on_progress: OnProgress, report: BatchReport) -> None:
    outcome = on_progress(report.to_status())
    if inspect.isawaitable(outcome):
        await outcome


def find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of the tasks, which is the one that ended the others."""
    first = group.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return find_first(cast("BaseExceptionGroup[BaseException]", first))
    return first
