"""The two steps of a search, for an engine that dispatches them.

The Book decides what is done, and the engine only says when: a step that comes twice,
late, or at the same time elsewhere does nothing that is not due. A step never waits for
another one; it returns what comes next, and when.
"""

import asyncio
import enum
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import anyio

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._protocol.retry_rules import backoff, is_curable, retry_after_of
from openfunnel_async.book._batch_run import find_first
from openfunnel_async.book._following import Follower, describe_error, stop_batch
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._recording import is_rejection
from openfunnel_async.book._records import (
    BatchRecord,
    EntryRecord,
    NotFollowedError,
    PageSums,
    Room,
)
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import (
    BookError,
    ConfigurationError,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)

_logger = logging.getLogger("openfunnel_async")
_WATCH_EVERY = 2.0
_SWEEP_EVERY = 15.0
_MOST_DUE = 1_000
_MOST_UNKNOWN = 3
_LONG_PAUSE = 60.0
_LONGEST_PAUSE = 600.0
_CANCEL_WITHIN = 60.0


class StepAction(enum.StrEnum):
    """What is to be done with a search next."""

    __module__ = "openfunnel_async.book"

    SUBMIT = "submit"
    FOLLOW = "follow"
    DONE = "done"


class Step(NamedTuple):
    """The next step of a search.

    Attributes:
        key: The key of the entry.
        action: What is to be done.
        after: In how many seconds.
    """

    key: str
    action: StepAction
    after: float = 0.0


class BookSteps:
    """The steps of one process; made by ``OpenFunnel.book_steps()``.

    Use it in ``async with steps.serving():``, which renews the leases of this process.
    """

    __module__ = "openfunnel_async.book"

    def __init__(self, ledger: Ledger, jobs: Jobs) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._jobs = jobs
        self._following: set[str] = set()
        self._handles: dict[str, BulkJob] = {}
        self._cancels: set[asyncio.Task[None]] = set()
        self._cancelling: set[str] = set()
        self._blocked_until = 0.0
        self._failures = 0
        self._unknowns = 0

    @property
    def conninfo(self) -> str:
        """The address of the database, with its password, for an engine beside it.

        Raises:
            ConfigurationError: The Book is a file, which one process runs.
        """
        if self._store.conninfo is None:
            raise ConfigurationError(
                "workers need a Book on PostgreSQL: Book.connect('postgresql://...')"
            )
        return self._store.conninfo

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Serve the Book for a block: renew leases, sweep, and notice cancels.

        Raises:
            OtherAccountError: The Book belongs to another API key.
            BookInUseError: Another process runs a Book that is a file.
            BookError: The database was away for longer than it is waited for. The block
                is cancelled.

        Cancellation: the leases are given back, and jobs continue.
        """
        await self._store.bind_account(self._jobs.fingerprint)
        async with self._ledger.run_lock():
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._watch)
                    group.start_soon(self._ledger.watch_leases)
                    try:
                        yield
                    finally:
                        group.cancel_scope.cancel()
            except BaseExceptionGroup as exc:
                raise find_first(exc) from None

    async def _watch(self) -> None:
        seen = await self._store.find_change()
        swept = self._now()
        while True:
            await self._ledger.wait_for_change(_WATCH_EVERY)
            if self._now() - swept >= _SWEEP_EVERY:
                swept = self._now()
                await self._ledger.sweep()
            change = await self._store.find_change()
            if change != seen and self._handles:
                await self._cancel_unwanted()
            seen = change

    async def _cancel_unwanted(self) -> None:
        for key in await self._store.find_cancels():
            if key in self._handles and key not in self._cancelling:
                self._start_cancel(key)

    def _start_cancel(self, key: str) -> None:
        """Cancel a job for which somebody asked for it; its follower reads the end."""
        self._cancelling.add(key)
        work = asyncio.create_task(self._cancel(self._handles[key]))
        self._cancels.add(work)
        work.add_done_callback(self._cancels.discard)

    async def _cancel(self, job: BulkJob) -> None:
        try:
            await job.cancel(timeout=max(self._jobs.outage, _CANCEL_WITHIN))
        except OpenFunnelError as exc:
            _logger.warning("job %s could not be cancelled: %s", job.id, exc)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sweep(self) -> list[Step]:
        """Return what is due and nobody works on; lost submits become unknown.

        A planned search that does not fit under a cap is not due.

        Raises:
            BookError: The Book cannot be read or written.

        Cancellation: leaves nothing behind.
        """
        await self._ledger.sweep()
        found = await self._store.find_due(_MOST_DUE, self._jobs.budget)
        return [Step(key, StepAction(action)) for key, action in found]

    # Submit

    async def submit_one(self, key: str) -> Step:
        """Submit a planned search of a batch, unless it was submitted already.

        Returns:
            The step that comes next, to follow its job; to submit it later, after a
            refusal that meets every search or an outage; or nothing. A search that does
            not fit under a cap now is due again when a bill gives room back.

        Raises:
            BookError: The Book cannot be read or written.

        Cancellation: what was sent is read and written down within 5 s or in the
        background, and its job continues.
        """
        entry = await self._store.find_entry(key)
        if entry is None or entry.batch is None:
            return Step(key, StepAction.DONE)
        batch = await self._store.find_batch(entry.batch)
        if entry.state is not EntryState.PLANNED or batch is None:
            return _next_of(entry)
        days = batch.reuse_days
        if days is not None and await self._store.reuse(entry.id, days):
            return Step(key, StepAction.DONE)
        async with self._ledger.one_submit():
            wait = self._blocked_until - self._now()
            if wait > 0:
                return Step(key, StepAction.SUBMIT, wait)
            return await self._submit_alone(entry)

    async def _submit_alone(self, entry: EntryRecord) -> Step:
        """Submit a search while this process submits nothing else."""
        intent = await self._ledger.begin_submit(entry, self._jobs.budget)
        if intent.room is Room.OVER and intent.budget is None:
            error = "it does not fit under the cap of the batch; nothing was sent"
            await self._store.skip_over_cap(entry.id, error)
        if intent.room is not Room.RESERVED:
            return Step(entry.key, StepAction.DONE)
        record = self._ledger.carry(entry.key, intent.attempt)
        try:
            await self._jobs.submit(entry.search, record, self._store.may_send)
        except BookError:
            raise
        except OpenFunnelError as exc:
            self._note_failure(exc)
        else:
            self._failures = self._unknowns = 0
        after = max(0.0, self._blocked_until - self._now())
        return _next_of(await self._store.find_entry(entry.key), after)

    def _note_failure(self, error: OpenFunnelError) -> None:
        """Decide how long this process submits nothing.

        A refused search is no reason to wait. What would meet every search makes all of
        them wait: longer if a repetition cannot cure it, as a key that is refused.
        """
        if is_rejection(error):
            return
        if isinstance(error, SubmitOutcomeUnknownError):
            if error.job_id is None:
                self._unknowns += 1
            if self._unknowns < _MOST_UNKNOWN:
                return
        self._failures += 1
        pause = max(backoff(self._failures), retry_after_of(error) or 0.0)
        if not is_curable(error) or self._unknowns >= _MOST_UNKNOWN:
            pause = max(pause, _LONG_PAUSE)
            _logger.error("nothing is submitted for %.0f s: %s", pause, error)
        self._blocked_until = self._now() + min(pause, _LONGEST_PAUSE)

    # Follow

    async def follow_slice(self, key: str, *, seconds: float = 300.0) -> Step:
        """Follow the job of a search for some time, unless another process does.

        Pages and the bill are written as they come.

        Args:
            key: The key of the entry.
            seconds: For how long at most.

        Returns:
            The step that comes next, to follow it again, or nothing, as it is settled
            or followed by another process.

        Raises:
            BookError: The Book cannot be read or written.

        Cancellation: the job continues; what was read is stored, or is read again, and
        the lease is given back.
        """
        if key in self._following:
            return Step(key, StepAction.DONE)
        self._following.add(key)
        try:
            return await self._follow_alone(key, seconds)
        finally:
            self._following.discard(key)

    async def _follow_alone(self, key: str, seconds: float) -> Step:
        """Follow a job that no other step of this process follows."""
        entry = await self._store.find_entry(key)
        if entry is None or entry.batch is None:
            return Step(key, StepAction.DONE)
        batch = await self._store.find_batch(entry.batch)
        if entry.state is not EntryState.SUBMITTED or batch is None:
            return _next_of(entry)
        taking = asyncio.create_task(self._store.take_lease(entry.id))
        try:
            if not await asyncio.shield(taking):
                return Step(key, StepAction.DONE)
            # Its place may have moved before the lease was this process's.
            entry = await self._store.find_entry(key) or entry
            return await self._follow(entry, batch, seconds)
        except (BookError, asyncio.CancelledError):
            # A living process that does not follow a job must not have its lease.
            giving = asyncio.create_task(self._give_back(entry.id, taking))
            await wait_shielded([giving])
            raise

    async def _follow(
        self, entry: EntryRecord, batch: BatchRecord, seconds: float
    ) -> Step:
        job = self._handles[entry.key] = self._jobs.attach(entry.start)
        if entry.wants_cancel:
            self._start_cancel(entry.key)
        on_page = partial(self._note_page, batch)
        again = Step(entry.key, StepAction.FOLLOW)
        try:
            async with asyncio.timeout(seconds):
                await Follower(self._store, entry, job, on_page).follow()
        except NotFollowedError:
            return Step(entry.key, StepAction.DONE)
        except TimeoutError:
            await self._store.release_lease(entry.id)
            return again
        except BookError:
            raise
        except OpenFunnelError as exc:
            await self._store.note_error(entry.id, describe_error(exc))
            await self._store.release_lease(entry.id, _LONG_PAUSE)
            return again._replace(after=_LONG_PAUSE)
        finally:
            del self._handles[entry.key]
            self._cancelling.discard(entry.key)
        return Step(entry.key, StepAction.DONE)

    async def _give_back(self, entry_id: int, taking: asyncio.Task[bool]) -> None:
        """Give a lease back, also one that is being taken."""
        try:
            if await taking:
                await self._store.release_lease(entry_id)
        except BookError as exc:
            _logger.debug("a lease was not given back, and runs out: %s", exc)

    async def _note_page(self, batch: BatchRecord, sums: PageSums, _rows: int) -> None:
        """Stop the batch when it has enough new companies."""
        most = batch.most_new
        if most is not None and sums.batch_new >= most:
            await stop_batch(self._store, batch)
            await self._cancel_unwanted()


def _next_of(entry: EntryRecord | None, after: float = 0.0) -> Step:
    """Return what comes next for an entry."""
    if entry is None:
        return Step("", StepAction.DONE)
    if entry.state is EntryState.SUBMITTED:
        return Step(entry.key, StepAction.FOLLOW)
    if entry.state is EntryState.PLANNED:
        return Step(entry.key, StepAction.SUBMIT, after)
    return Step(entry.key, StepAction.DONE)
