"""The store on PostgreSQL."""

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Collection, Generator, Sequence
from os import PathLike
from pathlib import Path

from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async.book._postgres import leases
from openfunnel_async.book._postgres.address import format_address
from openfunnel_async.book._postgres.connection import Connections
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._postgres.due import defer_tasks
from openfunnel_async.book._records import (
    BatchOptions,
    EntryRecord,
    Intent,
    NotFollowedError,
    PageSums,
)
from openfunnel_async.book._requests import PlannedSearch
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._spill import HeldId, SpillFile
from openfunnel_async.book._sql import caps, following, planning, submitting
from openfunnel_async.book._sql.store import SqlStore
from openfunnel_async.errors import BookError

_logger = logging.getLogger("openfunnel_async")
LEASE = 60.0
PATIENCE = 20.0
_LEAVE_WITHIN = 3.0
_RENEW_WITHIN = 10.0
_LOCK_WITHIN = 10.0


class PostgresStore(SqlStore):
    """The transactions of the Book in a PostgreSQL database; see ``Store``.

    Args:
        url: The address.
        lease: Seconds after which another process may take over what this one has.
        patience: Seconds for which a database that is away is waited for.
    """

    is_shared = True

    def __init__(
        self, url: str, *, lease: float = LEASE, patience: float = PATIENCE
    ) -> None:
        self._connections = Connections(url, patience, defer_tasks)
        super().__init__(self._connections)
        self.place: str = self._connections.place
        self.conninfo: str | None = self._connections.conninfo
        self.lease: float = lease
        self._epochs: dict[int, int] = {}
        self._lost: set[int] = set()
        self._holders = 0
        self._beat: asyncio.Task[None] | None = None
        self._renewed_at = self._held_since = self._intent_at = -lease
        self._spill = SpillFile(_find_state_folder() / _make_name(url))

    async def aclose(self) -> None:
        """Give the leases back, and close the connections.

        Cancellation: they are closed all the same.
        """
        work = asyncio.create_task(self._close())
        await wait_shielded([work])
        work.result()

    async def _close(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
            with contextlib.suppress(BookError, TimeoutError):
                async with asyncio.timeout(_LEAVE_WITHIN):
                    await self._connections.write(leases.leave, self.owner)
        await self._connections.aclose()

    # The run lock: any number of processes have it, and each renews its leases.

    async def acquire_run_lock(self) -> None:
        """Begin to renew the leases of this process."""
        self._holders += 1
        try:
            if self._beat is None or self._beat.done():
                await self._renew()
                self._beat = asyncio.create_task(self._renew_for_ever())
        except BaseException:
            self._holders -= 1
            raise

    async def release_run_lock(self) -> None:
        """Let the leases be given back, unless the lock is acquired again soon."""
        self._holders -= 1

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.lease / 4)
            try:
                if not self._holders:
                    await self._connections.write(leases.leave, self.owner)
                # Somebody may have come while they were given back.
                if not self._holders:
                    return
                await self._renew()
            except BookError as exc:
                _logger.warning("the leases could not be renewed: %s", exc)

    async def _renew(self) -> None:
        moment = _read_clock()
        await self._connections.write(leases.renew, self.owner, self.lease)
        self._note_renewed(moment)

    def _note_renewed(self, moment: float) -> None:
        """Note when the leases were renewed, and whether they had run out before."""
        now = _read_clock()
        # By its end: the lease may have run out while the transaction waited.
        if now - self._renewed_at > self.lease:
            self._held_since = now
        self._renewed_at = max(moment, self._renewed_at)

    def may_send(self) -> bool:
        """Whether a submit may be sent: its lease never ran out, and is not near it.

        A process that was stopped in the meantime must not send what the others take
        for lost by now, also if it has renewed its leases again.
        """
        is_fresh = _read_clock() - self._renewed_at < self.lease / 2
        return is_fresh and self._held_since <= self._intent_at

    async def check_leases(self) -> None:
        """Check that others do not take over what this process has.

        A process that was paused renews its leases first.

        Raises:
            BookError: The leases ran out: the database was not reached for too long.
        """
        if _read_clock() - self._renewed_at <= self.lease:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RENEW_WITHIN):
                await self._renew()
                return
        msg = f"the Book at {self.place} was not reached for {self.lease:.0f} s"
        raise BookError(msg)

    # Leases

    async def take_lease(self, entry_id: int) -> bool:
        """Become the one process that follows a job; False if another one is it."""
        epoch = await self._connections.write(leases.take, entry_id, self.owner)
        if epoch is not None:
            self._note_epoch(entry_id, epoch)
        return epoch is not None

    def _note_epoch(self, entry_id: int, epoch: int) -> None:
        """Note under which epoch this process writes.

        Two tasks may take a lease one after the other, and learn it in another order.
        """
        self._epochs[entry_id] = max(epoch, self._epochs.get(entry_id, epoch))
        self._lost.discard(entry_id)

    @contextlib.contextmanager
    def _writing(self, entry_id: int) -> Generator[int | None]:
        """Yield the epoch for a write; forget it if the lease is another process's."""
        epoch = self._epochs.get(entry_id)
        if epoch is None and entry_id in self._lost:
            raise NotFollowedError("another process follows this job")
        try:
            yield epoch
        except NotFollowedError:
            if self._epochs.get(entry_id) == epoch:
                self._epochs.pop(entry_id, None)
                self._lost.add(entry_id)
            raise

    async def take_free_leases(self, name: str, most: int) -> list[EntryRecord]:
        """Take jobs of a batch that nobody follows, at most a number of them."""
        taken = await self._connections.write(
            leases.take_free, name, self.owner, max(0, most), list(self._epochs)
        )
        for entry, epoch in taken:
            self._note_epoch(entry.id, epoch)
        return [entry for entry, _ in taken]

    async def release_lease(self, entry_id: int, after: float = 0.0) -> None:
        """Let another process follow a job, from a number of seconds on."""
        self._epochs.pop(entry_id, None)
        await self._connections.write(leases.release, entry_id, self.owner, after)

    async def sweep(self, under_way: Collection[str]) -> list[str]:
        """Make each submit that nobody carries on an unknown one; return their keys."""
        return await self._connections.write(leases.sweep, under_way, self.owner)

    async def find_due(self, most: int, budget: str | None) -> list[tuple[str, str]]:
        """Return the keys of entries of batches that wait for somebody."""
        return await self._connections.write(leases.find_due, most, budget)

    async def find_cancels(self) -> list[str]:
        """Return the keys of followed entries whose jobs are to be cancelled."""
        return await self._connections.read(leases.find_cancels, self.owner)

    async def count_leases(self) -> dict[str, int]:
        """Return how many jobs each living process follows."""
        return await self._connections.read(leases.count_leases)

    # Transactions that have something more to do here

    async def begin_submit(
        self, entry_id: int, owner: str, budget: str | None = None
    ) -> Intent:
        """Write that a submit begins, and reserve its exposure under every cap."""
        moment = _read_clock()

        def begin(db: PostgresDatabase) -> Intent:
            leases.renew(db, self.owner, self.lease)
            return submitting.begin_submit(db, entry_id, owner, budget)

        intent = await self._connections.write(begin)
        self._note_renewed(moment)
        self._intent_at = _read_clock()
        return intent

    async def record_page(
        self, entry_id: int, first: int, rows: Sequence[object], place: str
    ) -> PageSums:
        """Write the rows of a page, which companies are new, and the place after it."""
        with self._writing(entry_id) as epoch:
            return await self._connections.write(
                following.record_page, entry_id, first, rows, place, epoch
            )

    async def record_bill(
        self, entry_id: int, status: str, billed: float | None, error: str | None
    ) -> None:
        """Write the terminal status and the bill, which replaces the reservation."""
        with self._writing(entry_id) as epoch:
            await self._connections.write(
                following.record_bill, entry_id, status, billed, error, epoch
            )
        self._epochs.pop(entry_id, None)

    async def plan(
        self,
        name: str,
        searches: Sequence[PlannedSearch],
        options: BatchOptions,
        *,
        extends: bool = False,
    ) -> None:
        """Write a batch and its searches, or check that they are there."""

        def write(db: PostgresDatabase) -> None:
            planning.plan(db, name, searches, options, extends)
            # Another cap changes no entry, and may give room to those that wait.
            _count_change(db)

        await self._connections.write(write)

    async def set_budget(
        self, name: str, limits: tuple[float | None, float | None, float | None]
    ) -> None:
        """Write the limits of a budget: per day, per month, in total."""

        def write(db: PostgresDatabase) -> None:
            caps.set_budget(db, name, limits)
            _count_change(db)

        await self._connections.write(write)

    async def find_change(self) -> int:
        """Return a number that differs once another process has changed the Book."""
        return await self._connections.read(_find_change)

    async def check_file(self) -> None:
        """Do nothing: the server checks its own files."""

    async def backup(self, path: str | PathLike[str]) -> None:
        """Refuse: a database server has its own tools for that.

        Raises:
            BookError: Always.
        """
        del path
        msg = (
            "a Book on PostgreSQL is copied with pg_dump --table='of_*', or with the "
            "backups of the server"
        )
        raise BookError(msg)

    # Ids that could not be written

    async def hold_id(
        self, key: str, attempt: int, job_id: str, limit: int | None
    ) -> None:
        """Keep an id in a file of this machine until ``record_submitted`` succeeds."""
        held = HeldId(key, attempt, job_id, limit)
        try:
            # Without a thread: there may be none left, and this is the last chance.
            self._spill.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._spill.append(held)
        except OSError as exc:
            why = exc.strerror or exc
            path = self._spill.path
            _logger.error("the id could not be kept in %s either: %s", path, why)  # noqa: TRY400 -- the id is what matters

    async def restore_held_ids(self) -> None:
        """Write the ids that processes of this machine could not write."""
        if not self._spill.has_any:
            return
        lock = RunLock(self._spill.path)
        # Another process of this machine may be reading the file.
        await asyncio.to_thread(lock.acquire, _LOCK_WITHIN)
        try:
            await self._spill.restore(lambda held: self.record_submitted(*held))
        finally:
            lock.release()


def _count_change(db: PostgresDatabase) -> None:
    db.execute(
        "UPDATE of_meta SET value = (value::bigint + 1)::text WHERE name = 'changes'"
    )


def _find_change(db: PostgresDatabase) -> int:
    row = db.execute(
        "SELECT (SELECT coalesce(max(id), 0) FROM of_event)"
        " + (SELECT value::bigint FROM of_meta WHERE name = 'changes')"
    ).fetchone()
    return int(row[0]) if row else 0


def _read_clock() -> float:
    """Return seconds that pass also while the machine sleeps, where it counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def _find_state_folder() -> Path:
    """Return where programs keep what must survive them (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "openfunnel-async"


def _make_name(url: str) -> str:
    """Return a name for the Book at an address: of its schema, too."""
    digest = hashlib.sha256(format_address(url).encode()).hexdigest()[:12]
    return f"postgresql-{digest}"
