"""The inside of a Book: its store, and what runs on it in this process."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Mapping
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
from openfunnel_async.errors import BookError, ConfigurationError

_logger = logging.getLogger("openfunnel_async")


class Ledger:
    """What ``Book`` and ``Batch`` share.

    Attributes:
        store: The transactions.
        owner: The name of this process in the Book.
        under_way: Keys of the submits that this process carries on.
        running: For each batch that runs here, the handles of its jobs by key.
        once: The submits with ``once=`` of this process, by key.
        open_jobs: The entries of their jobs that are not settled, by the id of the job.
    """

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self.owner: str = f"{os.getpid()}@{socket.gethostname()}"
        self._is_checked = False
        self.under_way: set[str] = set()
        self.running: dict[str, dict[str, BulkJob]] = {}
        self.open_jobs: dict[str, int] = {}
        self.once: dict[str, SharedTask[BulkJob]] = {}

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
            for key in await self.store.sweep(self.under_way):
                _logger.warning(
                    "the outcome of the submit of %s is unknown: a job may be running "
                    "and billing; its exposure stays reserved until Book.resolve()",
                    key,
                )
            yield
        finally:
            await self.store.release_run_lock()

    async def begin_submit(self, entry: EntryRecord, budget: str | None) -> Intent:
        """Write the intent of a submit, which the caller then sends at once.

        Cancellation: nothing is sent, and the entry is planned again.
        """
        work = asyncio.create_task(
            self.store.begin_submit(entry.id, self.owner, budget)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            undo = asyncio.create_task(self._undo_intent(entry.key, work))
            await wait_shielded([undo])
            raise

    async def _undo_intent(self, key: str, work: asyncio.Task[Intent]) -> None:
        """Take back an intent whose caller was cancelled before anything was sent."""
        with contextlib.suppress(BookError):
            intent = await work
            if intent.room is Room.RESERVED:
                error = "it was stopped before anything was sent"
                await self.store.record_no_job(
                    key, intent.attempt, EntryState.PLANNED, error
                )

    def carry(self, key: str, attempt: int) -> Record:
        """Return what writes the outcome of a submit that this process carries on."""
        self.under_way.add(key)
        recorder = SubmitRecorder(self.store, key, attempt)

        async def record(outcome: Outcome) -> None:
            try:
                await recorder.record(outcome)
            finally:
                self.under_way.discard(key)

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
