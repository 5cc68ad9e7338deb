"""Where a reader of rows stands, and how it gets on: in order, each once.

The position is a page and how many of its rows are used. A null cursor on a job
that is still going only means "not written yet" (facts.md, "Read"), so the same page
is read again, what was handed out is compared, and only what is new is handed on.
"""

import asyncio
from typing import NoReturn

import anyio

from openfunnel_async._job.poll_loop import Watch
from openfunnel_async._job.read_ahead import ReadAhead
from openfunnel_async._job.requests import Expected, JobReads
from openfunnel_async._job.shared_task import outside_context
from openfunnel_async._text import escaped
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import Company, JobPage
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    IncompleteResultsError,
    InvalidResponseError,
    JobFailedError,
    OpenFunnelError,
)


def _status_of(page: JobPage) -> JobStatus:
    """Return what this very answer says, not the furthest state known."""
    return JobStatus.parse(page.snapshot.raw_status)


def _is_whole(page: JobPage) -> bool:
    """Whether the page can grow no more."""
    return page.next_cursor is not None or _status_of(page).is_terminal


class Bookmark:
    """Which reader of a handle moved last, and where the handle started."""

    __slots__ = ("_start", "reader")

    def __init__(self, start: JobCheckpoint) -> None:
        self._start = start
        self.reader: PageReader | None = None

    @property
    def start(self) -> JobCheckpoint:
        """Where each stream of the handle starts."""
        return self._start

    @property
    def place(self) -> JobCheckpoint:
        """The place of the reader that moved last, else the start."""
        return self._start if self.reader is None else self.reader.place


class PageReader:
    """One stream's place in the rows of a job.

    Attributes:
        page: The answer it has reached; None before the first.
        error: What has ended it for good; raised whenever it is read again.
        used: How many of its rows were handed out.
    """

    __slots__ = (
        "_ahead",
        "_cursor",
        "_cursors_seen",
        "_follow",
        "_has_read_again",
        "_job",
        "_late_since",
        "_limit",
        "_reads",
        "_rows_before",
        "_watch",
        "error",
        "page",
        "used",
    )

    def __init__(
        self,
        reads: JobReads,
        watch: Watch,
        start: JobCheckpoint,
        *,
        follow: bool,
        read_ahead: int,
    ) -> None:
        self._reads = reads
        self._watch = watch
        self._follow = follow
        self._ahead = ReadAhead(reads, read_ahead)
        self._job, self._limit = start.job_id, start.limit
        self._cursor = start.page
        self._rows_before = start.rows_before
        self._cursors_seen: set[str] = set()
        self._late_since: float | None = None
        self._has_read_again = False
        self.page: JobPage | None = None
        self.error: OpenFunnelError | None = None
        self.used: int = start.offset

    @property
    def place(self) -> JobCheckpoint:
        """The place after the last row handed out."""
        label = self.page.label if self.page is not None else None
        return JobCheckpoint(
            job_id=self._job,
            page=label or self._cursor,
            offset=self.used,
            rows_before=self._rows_before,
            limit=self._limit,
        )

    @property
    def fresh(self) -> tuple[Company, ...]:
        """The rows of the page that were not handed out."""
        return () if self.page is None else self.page.rows[self.used :]

    @property
    def is_whole(self) -> bool:
        """Whether the page can grow no more."""
        return self.page is not None and _is_whole(self.page)

    async def advance(self) -> bool:
        """Read on; False at the end of the rows.

        The state changes only after an answer, so that a cancelled call can be
        made again.
        """
        if self.error is not None:
            # Without the frames of the last time, which would add up.
            raise self.error.with_traceback(None)
        before = self.page
        if before is None:
            self._stand_on(await self._read(self._cursor))
        elif before.next_cursor is not None:
            await self._turn_over(before, before.next_cursor)
        elif self.is_whole or not self._follow:
            await self.aclose()
            return False
        else:
            self._reread(before, await self._later())
        return True

    def check_loop(self) -> None:
        """Refuse any event loop but the client's; see ``LoopGuard``."""
        self._reads.check_loop()

    def give_up(self) -> list[asyncio.Task[JobPage]]:
        """Give up what is read ahead, and return what has yet to stop."""
        return self._ahead.close()

    async def aclose(self) -> None:
        """Give up what is read ahead and see it gone."""
        given_up = self.give_up()
        if given_up:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(given_up)

    @property
    def cursor(self) -> str | None:
        """The cursor that the page was read with."""
        return self._cursor

    async def is_complete(self) -> bool:
        """At the end, check what was read against the manifest and the status.

        The manifest counts as the newest answer states it: the first one of a
        terminal job may be incomplete or too low. So a difference has the last page
        read once more, which is free: the status comes with it, and the page may have
        grown as well.

        Returns:
            False if the page was read once more, so that reading continues.

        Raises:
            JobFailedError: The job failed.
            IncompleteResultsError: The rows do not add up to the manifest.
            OpenFunnelError: The page could not be read; calling again is safe.
        """
        page = self.page
        if page is None or not _status_of(page).is_terminal:
            return True
        snapshot = self._reads.record.snapshot or page.snapshot
        if snapshot.status is JobStatus.FAILED:
            reason = snapshot.error_message
            why = f": {escaped(reason)}" if reason else ""
            msg = f"job {self._job} failed{why}"
            self._end(JobFailedError(msg, self._job, snapshot))
        if not self._count_differs(page):
            return True
        if self._has_read_again:
            msg = (
                f"job {self._job}: {self._read_so_far(page)} rows were read, the "
                f"manifest counts {self._stated}; reading again is free"
            )
            self._end(IncompleteResultsError(msg, self._job, snapshot))
        again = await self._read(self._cursor, takes_turn=False)
        self._has_read_again = True
        # One that says that the job is running is a late one, and no reason to wait:
        # the end was seen.
        if _is_whole(again):
            self._reread(page, again)
        return False

    @property
    def _stated(self) -> int | None:
        """The number of rows by the newest manifest; None where none is stated."""
        snapshot = self._reads.record.snapshot
        manifest = snapshot.manifest if snapshot is not None else None
        return manifest.count if manifest is not None else None

    def _read_so_far(self, page: JobPage) -> int:
        return self._rows_before + len(page.rows)

    def _count_differs(self, page: JobPage) -> bool:
        return self._stated not in (None, self._read_so_far(page))

    def _contradict(self, msg: str, path: str) -> NoReturn:
        """End the stream: what was handed out cannot be continued.

        Raises:
            InvalidResponseError: Now, and whenever the stream is read again.
        """
        self._end(InvalidResponseError(msg, path))

    def _end(self, error: OpenFunnelError) -> NoReturn:
        """End the reader for good by the error."""
        self.error = error
        self.give_up()
        raise error

    async def _turn_over(self, before: JobPage, following: str) -> None:
        """Go on to the next page."""
        label = before.label or self._cursor
        if following in self._cursors_seen or following == label:
            msg = "the answer's $.next_cursor leads back to a page already read"
            self._contradict(msg, "$.next_cursor")
        page = await self._ahead.take(following)
        if page is None:
            page = await self._read(following, takes_turn=False)
        self._rows_before += len(before.rows)
        self._cursors_seen |= {following, label or following}
        self._cursor, self.used, self._late_since = following, 0, None
        self._stand_on(page)

    def _stand_on(self, page: JobPage) -> None:
        """Take an answer, which must hold at least the rows that were used."""
        if _is_whole(page) and len(page.rows) < self.used:
            self._contradict("rows that were already handed out are gone", "$.rows")
        self.page = page
        self._ahead.go_on_from(page)

    def _reread(self, before: JobPage, page: JobPage) -> None:
        """Take a newer answer for the same page, if it agrees on the rows used."""
        if None not in (before.label, page.label) and before.label != page.label:
            self._contradict("the answer names another page than before", "$.page")
        common = min(self.used, len(before.rows), len(page.rows))
        if page.rows[:common] != before.rows[:common]:
            self._contradict("rows that were already handed out have changed", "$.rows")
        is_late = len(page.rows) < min(self.used, len(before.rows))
        if _is_whole(page) or not is_late:
            self._stand_on(page)

    async def _read(self, cursor: str | None, *, takes_turn: bool = True) -> JobPage:
        """Read a page; a first read and one that is repeated are polls."""
        if not self._follow:
            if takes_turn:
                await self._reads.take_turn()
            return await self._reads.page(cursor)
        return await self._reads.persist(
            lambda note: self._reads.page(cursor, on_failure=note),
            takes_turn=takes_turn,
        )

    async def _later(self) -> JobPage:
        """Wait until the page may have grown, and return what it is by then."""
        record = self._reads.record
        if not record.is_terminal:
            with self._reads.expecting(self._cursor) as expected:
                return await self._when_due(expected)
        if self._late_since is not None:
            await anyio.sleep(record.draw_delay())
        later = await self._read(self._cursor)
        self._note_lateness(later)
        return later

    async def _when_due(self, expected: Expected) -> JobPage:
        """Read the page when a look is due, or take what another stream read."""
        while True:
            await self._watch.pause(lambda: expected.page is not None)
            if expected.page is not None:
                return expected.page
            if not self._reads.is_asked_for(expected.cursor):
                expected.is_asked_for = True
                # Others take the answer too, so it is nobody's own request.
                return await outside_context(self._read(expected.cursor))
            await self._reads.record.news.wait()

    def _note_lateness(self, page: JobPage) -> None:
        """Count how long answers go on contradicting the end that was seen."""
        if _is_whole(page):
            self._late_since = None
            return
        now = anyio.current_time()
        if self._late_since is None:
            self._late_since = now
        elif now - self._late_since > self._reads.outage:
            msg = (
                f"the job is {self._reads.record.status}, "
                f"yet its pages still say {page.snapshot.raw_status}"
            )
            raise InvalidResponseError(msg, "$.status")
