"""Read a job to its end, and write each page and the bill into the Book."""

import asyncio
from collections.abc import Awaitable, Callable

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.streams import read_raw_page
from openfunnel_async._values.status import JobStatus
from openfunnel_async.book._records import BatchRecord, EntryRecord, PageSums
from openfunnel_async.book._store import Store
from openfunnel_async.errors import (
    IncompleteResultsError,
    JobFailedError,
    JobNotFoundError,
    OpenFunnelError,
)

# A manifest that is completed later: docs/explanation/money-and-cancellation.md.
_BILL_PAUSES = (1.0, 2.0, 4.0)

OnPage = Callable[[PageSums, int], Awaitable[None]]


class Follower:
    """Writes the rows and the bill of one entry's job.

    Args:
        store: The Book's store.
        entry: The entry, in the state submitted.
        job: The handle, at the place after the rows that are stored.
        on_page: Awaited with the sums after each page, and the number of its rows.
    """

    def __init__(
        self, store: Store, entry: EntryRecord, job: BulkJob, on_page: OnPage
    ) -> None:
        self._store = store
        self._on_page = on_page
        self._entry = entry
        self._job = job
        self._rows = entry.rows

    async def follow(self) -> None:
        """Read until the job is terminal and all of its rows and its bill are stored.

        Raises:
            OpenFunnelError: The job could not be read; it may be running.
            BookError: The Book could not be written.

        Cancellation: the job continues; what was read is stored, or is read again.
        """
        error: str | None = None
        try:
            await self._store_pages()
        except JobFailedError as exc:
            error = str(exc)
        except IncompleteResultsError as exc:
            if not self._job.is_terminal:
                raise
            error = str(exc)
        status = self._job.status
        billed = await self._read_bill()
        await self._store.record_bill(self._entry.id, status.value, billed, error)

    async def _store_pages(self) -> None:
        async with self._job.pages() as stream:
            while True:
                try:
                    read = await read_raw_page(stream)
                except StopAsyncIteration:
                    return
                rows = read.raw_rows
                sums = await self._store.record_page(
                    self._entry.id, self._rows, rows, str(read.place)
                )
                self._rows += len(rows)
                await self._on_page(sums, self._rows)

    async def _read_bill(self) -> float | None:
        """Return the stated bill; a manifest without one is read a few times more.

        Raises:
            OpenFunnelError: It could not be read; the next run reads it.
        """
        for pause in _BILL_PAUSES:
            billed = self._stated_bill()
            if billed is not None or self._job.status is JobStatus.FAILED:
                return billed
            await asyncio.sleep(pause)
            await self._job.poll()
        return self._stated_bill()

    def _stated_bill(self) -> float | None:
        manifest = self._job.snapshot.manifest if self._job.snapshot else None
        return None if manifest is None else manifest.credits_consumed


async def stop_batch(store: Store, batch: BatchRecord) -> None:
    """Submit nothing more of a batch that has enough, and ask to cancel its jobs."""
    error = f"the batch has {batch.most_new} new companies; nothing was sent"
    await store.skip_planned(batch.name, error)
    await store.request_cancel(batch.name, is_final=False)


def describe_error(error: OpenFunnelError) -> str:
    """Say what keeps a job from being read, and what a person can do."""
    if isinstance(error, JobNotFoundError):
        return f"{error}; Book.resolve(key, skip=True) gives it up"
    return str(error)
