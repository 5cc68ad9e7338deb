"""The rows of a job, in order and each once, while it runs.

The position is a page and how many of its rows are used. A null cursor on a job
that is still going only means "not written yet" (facts.md, "Read"), so the same page
is read again, what was handed out is compared, and only what is new is handed on.
"""

from typing import Self

import anyio

from openfunnel_async._models import Company, JobPage
from openfunnel_async._reads import JobReads
from openfunnel_async._status import JobStatus
from openfunnel_async._watch import Watch
from openfunnel_async.errors import (
    IncompleteResultsError,
    InvalidResponseError,
    JobFailedError,
)


def _status_of(page: JobPage) -> JobStatus:
    """Return what this very answer says, not the furthest state known."""
    return JobStatus.parse(page.snapshot.raw_status)


class PageReader:
    """Where a stream stands, and how it gets on.

    Attributes:
        page: The answer the stream stands on; None before the first.
        used: How many of its rows were handed out.
        rows_before: Rows of the pages before it.
    """

    __slots__ = (
        "_cursor",
        "_cursors_seen",
        "_follow",
        "_late_since",
        "_reads",
        "_watch",
        "page",
        "rows_before",
        "used",
    )

    def __init__(self, reads: JobReads, watch: Watch, *, follow: bool) -> None:
        self._reads = reads
        self._watch = watch
        self._follow = follow
        self._cursor: str | None = None
        self._cursors_seen: set[str] = set()
        self._late_since: float | None = None
        self.page: JobPage | None = None
        self.used = 0
        self.rows_before = 0

    @property
    def is_whole(self) -> bool:
        """Whether the page can grow no more."""
        page = self.page
        return page is not None and (
            page.next_cursor is not None or _status_of(page).is_terminal
        )

    async def advance(self) -> bool:
        """Read on; False at the end of the rows.

        The state changes only after an answer, so that a cancelled call can be
        made again.
        """
        if self.page is None:
            self.page = await self._read(None)
            return True
        following = self.page.next_cursor
        if following is not None:
            self._check_new(following)
            page = await self._read(following)
            self.rows_before += len(self.page.rows)
            self._cursors_seen.add(following)
            self._cursor, self.used = following, 0
            self._late_since = None
            self.page = page
            return True
        if self.is_whole or not self._follow:
            return False
        await self._wait(self.page)
        self._reread(self.page, await self._read(self._cursor))
        return True

    def settle(self) -> None:
        """At the end, hold what was read against the manifest and the status.

        Raises:
            JobFailedError: The job failed.
            IncompleteResultsError: The rows do not add up to the manifest.
        """
        page = self.page
        if page is None or not _status_of(page).is_terminal:
            return
        snapshot = page.snapshot
        if snapshot.status is JobStatus.FAILED:
            why = f": {snapshot.error_message}" if snapshot.error_message else ""
            msg = f"job {snapshot.job_id} failed{why}"
            raise JobFailedError(msg, snapshot.job_id, snapshot)
        read = self.rows_before + len(page.rows)
        stated = snapshot.manifest.count if snapshot.manifest is not None else None
        if stated is not None and stated != read:
            msg = (
                f"job {snapshot.job_id}: {read} rows were read, "
                f"the manifest counts {stated}; reading again is free"
            )
            raise IncompleteResultsError(msg, snapshot.job_id, snapshot)

    async def _read(self, cursor: str | None) -> JobPage:
        if not self._follow:
            return await self._reads.page(cursor)
        return await self._reads.persist(lambda: self._reads.page(cursor))

    def _check_new(self, cursor: str) -> None:
        first = self.page.label if self.page and self._cursor is None else None
        if cursor in self._cursors_seen or cursor == first:
            msg = "the answer's $.next_cursor leads back to a page already read"
            raise InvalidResponseError(msg, "$.next_cursor")
        if first is not None:
            self._cursors_seen.add(first)

    def _reread(self, before: JobPage, page: JobPage) -> None:
        """Take a newer answer for the same page, if it agrees on the rows used."""
        if None not in (before.label, page.label) and before.label != page.label:
            msg = "the answer's $.page names another page than before"
            raise InvalidResponseError(msg, "$.page")
        common = min(self.used, len(page.rows))
        if page.rows[:common] != before.rows[:common]:
            msg = "rows that were already handed out have changed"
            raise InvalidResponseError(msg, "$.rows")
        if len(page.rows) >= self.used:
            self.page = page
        elif _status_of(page).is_terminal or page.next_cursor is not None:
            msg = "rows that were already handed out are gone"
            raise InvalidResponseError(msg, "$.rows")

    async def _wait(self, page: JobPage) -> None:
        """Wait until the page may have grown."""
        record = self._reads.record
        if not record.is_terminal:
            await self._watch.pause()
            return
        now = anyio.current_time()
        if self._late_since is None:
            self._late_since = now
        elif now - self._late_since > self._reads.outage:
            msg = (
                f"the job is {record.status}, "
                f"yet its pages still say {page.snapshot.raw_status}"
            )
            raise InvalidResponseError(msg, "$.status")
        else:
            await anyio.sleep(record.draw_delay())


class RowStream:
    """The companies of a job, in order, each once, as they are delivered.

    An async iterator and an async context manager. It holds one page and starts no
    task, so a ``break`` leaves nothing behind; leaving it does not cancel the job.

    Attributes:
        delivered: Rows handed out so far.

    Raises:
        JobFailedError: After the last row of a failed job.
        IncompleteResultsError: The rows do not add up to the manifest's count.
        InvalidResponseError: Rows already handed out changed, or pages loop.

    Cancellation: iterating can go on afterwards with the very next row.
    """

    def __init__(self, reader: PageReader) -> None:
        self._reader = reader
        self._guard = anyio.ResourceGuard("iterating over")
        self._closed = False
        self.delivered = 0

    def __aiter__(self) -> "RowStream":
        return self

    async def __anext__(self) -> Company:
        with self._guard:
            while not self._closed:
                reader = self._reader
                if reader.page is not None and reader.used < len(reader.page.rows):
                    row = reader.page.rows[reader.used]
                    reader.used += 1
                    self.delivered += 1
                    return row
                if not await reader.advance():
                    self._closed = True
                    reader.settle()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream; the job goes on. Calling again does nothing."""
        self._closed = True


class PageStream:
    """The pages of a job, in order, each whole, as they are delivered.

    The newest page of a running job is held back until it can grow no more. Errors,
    cancellation and clean-up are those of ``RowStream``.
    """

    def __init__(self, reader: PageReader) -> None:
        self._reader = reader
        self._guard = anyio.ResourceGuard("iterating over")
        self._closed = False
        self._given: JobPage | None = None

    def __aiter__(self) -> "PageStream":
        return self

    async def __anext__(self) -> JobPage:
        with self._guard:
            while not self._closed:
                page, whole = self._reader.page, self._reader.is_whole
                if page is not None and page is not self._given and whole:
                    self._given = page
                    self._reader.used = len(page.rows)
                    return page
                if not await self._reader.advance():
                    self._closed = True
                    self._reader.settle()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream; the job goes on. Calling again does nothing."""
        self._closed = True
