"""The inside of a Book: its store, and what runs on it in this process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shared_task import SharedTask
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async.book._jobs import Outcome, Record
from openfunnel_async.book._recording import SubmitRecorder
from openfunnel_async.book._records import EntryRecord, Intent, Room
from openfunnel_async.book._store import Store
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import (
    BookError,
    ConfigurationError,
    OpenFunnelError,
)

_logger = logging.getLogger("openfunnel_async")
_RELEASE_WITHIN = 1.0
_CHECK_EVERY = 2.0


class Ledger:
    """What ``Book`` and ``Batch`` share.

    Attributes:
        store: The transactions.
        under_way: The submits that this process carries on, by key: a future that is
            done once the outcome is written.
        changes: How often this process has changed what is planned or decided.
        running: For each batch that runs here, the handles of its jobs by key.
        once: The submits with ``once=`` that are under way, and their requests, by key.
        open_jobs: The entries of their jobs that are not settled, by the id of the job.
    """

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self._is_checked = False
        self.under_way: dict[str, asyncio.Future[None]] = {}
        self._releasing: set[asyncio.Task[None]] = set()
        self._submit_lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self.changes: int = 0
        self.running: dict[str, dict[str, BulkJob]] = {}
        self.open_jobs: dict[str, int] = {}
        self.once: dict[str, tuple[str, SharedTask[BulkJob]]] = {}

    async def record_settled(self, job_id: str, facts: Mapping[str, Any]) -> None:
        """Write the bill of a job that a handle has read to be terminal.

        The rows of such a job went to the caller. A bill that the answer did not state
        is not written: another handle may read it later.
        """
        if facts["credits_consumed"] is None:
            return
        entry = self.open_jobs.pop(job_id, None)
        if entry is None:
            return
        try:
            await self.store.record_bill(
                entry, str(facts["status"]), facts["credits_consumed"], facts["error"]
            )
        except BookError as exc:
            _logger.warning("the bill of job %s could not be written: %s", job_id, exc)

    def note_change(self) -> None:
        """Wake the runs of this process: somebody has changed what they run."""
        self.changes += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def wait_for_change(self, seconds: float) -> None:
        """Wait for the next change by this process, or for a number of seconds."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            self._waiting.discard(waiting)

    async def wait_for_submits(self, keys: Iterable[str]) -> None:
        """Wait until what became of the submits under way is written."""
        pending = [self.under_way[key] for key in keys if key in self.under_way]
        if pending:
            await asyncio.wait(pending)

    @asynccontextmanager
    async def run_lock(self) -> AsyncGenerator[None]:
        """Be the one process that submits and follows jobs, for a block.

        What an earlier process has left is put in order first: ids that it could not
        write are written, and its submits become unknown ones.

        Raises:
            BookInUseError: Another process runs the Book.
        """
        await self.store.acquire_run_lock()
        try:
            if not self._is_checked:
                await self.store.check_file()
                self._is_checked = True
            await self.store.restore_held_ids()
            await self.sweep()
            yield
        finally:
            if self.under_way:
                # Until their outcome is written, nobody may take them for lost ones.
                task = asyncio.create_task(self._release_later())
                self._releasing.add(task)
                task.add_done_callback(self._releasing.discard)
            else:
                await self.store.release_run_lock()

    async def sweep(self) -> None:
        """Make each submit that no process carries on an unknown one."""
        for key in await self.store.sweep(self.under_way):
            _logger.warning(
                "the outcome of the submit of %s is unknown: a job may be running "
                "and billing; its exposure stays reserved until Book.resolve()",
                key,
            )

    async def watch_leases(self) -> None:
        """Notice a database that takes everything and answers nothing.

        Raises:
            BookError: It was not reached for as long as a lease holds.
        """
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            await self.store.check_leases()

    async def _release_later(self) -> None:
        """Release the lock once no submit of this process is under way."""
        try:
            await self.wait_for_submits(list(self.under_way))
        finally:
            await self.store.release_run_lock()

    async def aclose(self) -> None:
        """Close the store, after the submits that are under way."""
        if self._releasing:
            await asyncio.wait(list(self._releasing), timeout=_RELEASE_WITHIN)
        await self.store.aclose()

    @asynccontextmanager
    async def one_submit(self) -> AsyncGenerator[None]:
        """Let one submit of this process be in flight at a time, for a block.

        So a process that is killed leaves at most one of unknown outcome.
        """
        loop = asyncio.get_running_loop()
        if self._submit_lock is None or self._submit_lock[0] is not loop:
            self._submit_lock = loop, asyncio.Lock()
        async with self._submit_lock[1]:
            yield

    async def begin_submit(self, entry: EntryRecord, budget: str | None) -> Intent:
        """Write the intent of a submit, which the caller then sends at once.

        From before the intent until its outcome is written, the submit is under way, so
        that no other run of this process takes it for a lost one.

        Cancellation: nothing is sent, and the entry is planned again.
        """
        if entry.key in self.under_way:
            return Intent(Room.NOT_PLANNED)
        self.under_way[entry.key] = asyncio.get_running_loop().create_future()
        work = asyncio.create_task(
            self.store.begin_submit(entry.id, self.store.owner, budget)
        )
        try:
            intent = await asyncio.shield(work)
        except asyncio.CancelledError:
            undo = asyncio.create_task(self._undo_intent(entry.key, work))
            await wait_shielded([undo])
            raise
        except BaseException:
            self._end_submit(entry.key)
            raise
        if intent.room is not Room.RESERVED:
            # Nothing has changed, so nobody is woken.
            self.under_way.pop(entry.key).set_result(None)
        return intent

    async def _undo_intent(self, key: str, work: asyncio.Task[Intent]) -> None:
        """Take back an intent whose caller was cancelled before anything was sent."""
        try:
            intent = await work
            if intent.room is Room.RESERVED:
                error = "it was stopped before anything was sent"
                await self.store.record_no_job(
                    key, intent.attempt, EntryState.PLANNED, error
                )
        except OpenFunnelError as exc:
            _logger.warning("the intent of %s could not be taken back: %s", key, exc)
        finally:
            self._end_submit(key)

    def _end_submit(self, key: str) -> None:
        """Note that what became of a submit is written, or that it was not begun."""
        self.under_way.pop(key).set_result(None)
        self.note_change()

    def carry(self, key: str, attempt: int) -> Record:
        """Return what writes the outcome of a submit whose intent is written."""
        recorder = SubmitRecorder(self.store, key, attempt)

        async def record(outcome: Outcome) -> None:
            try:
                await recorder.record(outcome)
            finally:
                self._end_submit(key)

        return record

    @asynccontextmanager
    async def running_batch(self, name: str) -> AsyncGenerator[dict[str, BulkJob]]:
        """Note that a batch runs in this process, for a block.

        Raises:
            ConfigurationError: It runs already.
        """
        if name in self.running:
            msg = f"batch {name} is being run by another task of this process"
            raise ConfigurationError(msg)
        handles = self.running[name] = {}
        try:
            yield handles
        finally:
            del self.running[name]
