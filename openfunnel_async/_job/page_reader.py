"""The position of a stream in the rows of a job: every row in order, once.

The position is a page and the number of its rows that were used. A null cursor on a job
that is not terminal only means "not written yet" (docs/reference/contract.md, "Read"),
so the same page is read again: what was used is compared, and only new rows come out.
"""

import asyncio
from functools import partial
from typing import NoReturn

from openfunnel_async._job.poll_loop import PollLoop, WantedPage
from openfunnel_async._job.read_ahead import ReadAhead
from openfunnel_async._job.requests import JobRequests, Outage, PageRead
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._text import escaped
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import Company
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    IncompleteResultsError,
    InvalidResponseError,
    JobFailedError,
    OpenFunnelError,
)


class Bookmark:
    """Which reader of a handle moved last, and where the handle starts."""

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
    """The position of one stream in the rows of a job.

    Attributes:
        page: The answer that it has reached; None before the first.
        error: What has ended it for good; raised whenever it is read again.
        used: How many rows of the page were handed out.
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
        "_poll_loop",
        "_requests",
        "_rows_before",
        "error",
        "page",
        "used",
    )

    def __init__(
        self,
        requests: JobRequests,
        poll_loop: PollLoop,
        start: JobCheckpoint,
        *,
        follow: bool,
        read_ahead: int,
    ) -> None:
        self._requests = requests
        self._poll_loop = poll_loop
        self._follow = follow
        self._ahead = ReadAhead(requests, read_ahead)
        self._job, self._limit = start.job_id, start.limit
        self._cursor = start.page
        self._rows_before = start.rows_before
        self._cursors_seen: set[str] = set()
        self._late_since: float | None = None
        self._has_read_again = False
        self.page: PageRead | None = None
        self.error: OpenFunnelError | None = None
        self.used: int = start.offset

    @property
    def place(self) -> JobCheckpoint:
        """The place after the last row handed out."""
        label = self.page.answer.label if self.page is not None else None
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
        return () if self.page is None else self.page.answer.rows[self.used :]

    @property
    def is_whole(self) -> bool:
        """Whether the page cannot grow any more."""
        return self.page is not None and self.page.is_whole

    async def advance(self) -> bool:
        """Read the next answer; False at the end of the rows.

        There are four cases. The first page is read at once. A page with a cursor is
        followed by the next page. A page that may still grow is read again when a
        poll is due. A whole page without a cursor is the end. The position changes
        only after an answer, so a cancelled call can be made again.
        """
        if self.error is not None:
            # Without the frames of the last time, which would add up.
            raise self.error.with_traceback(None)
        before = self.page
        if before is None:
            self._accept(await self._read(self._cursor))
        elif before.answer.next_cursor is not None:
            await self._read_next(before, before.answer.next_cursor)
        elif self.is_whole or not self._follow:
            await self.aclose()
            return False
        else:
            self._compare(before, await self._read_later())
        return True

    def check_loop(self) -> None:
        """Refuse any event loop but the client's; see ``LoopGuard``."""
        self._requests.check_loop()

    def drop_read_ahead(self) -> list[asyncio.Task[PageRead]]:
        """Drop what is read ahead, and return the tasks that have yet to end."""
        return self._ahead.close()

    async def aclose(self) -> None:
        """Drop what is read ahead, and wait until its tasks have ended."""
        await wait_shielded(self.drop_read_ahead())

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
        if page is None or not page.answer.status.is_terminal:
            return True
        snapshot = self._requests.state.snapshot or page.snapshot
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
        # An answer that says that the job is running is a late one, and no reason to
        # wait: the terminal status was seen.
        if again.is_whole:
            self._compare(page, again)
        return False

    @property
    def _stated(self) -> int | None:
        """The number of rows by the newest manifest; None where none is stated."""
        snapshot = self._requests.state.snapshot
        manifest = snapshot.manifest if snapshot is not None else None
        return manifest.count if manifest is not None else None

    def _read_so_far(self, page: PageRead) -> int:
        return self._rows_before + len(page.answer.raw_rows)

    def _count_differs(self, page: PageRead) -> bool:
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
        self.drop_read_ahead()
        raise error

    async def _read_next(self, before: PageRead, following: str) -> None:
        """Continue with the next page."""
        label = before.answer.label or self._cursor
        if following in self._cursors_seen or following == label:
            msg = "the answer's $.next_cursor leads back to a page already read"
            self._contradict(msg, "$.next_cursor")
        page = await self._ahead.take(following)
        if page is None:
            page = await self._read(following, takes_turn=False)
        self._rows_before += len(before.answer.raw_rows)
        self._cursors_seen |= {following, label or following}
        self._cursor, self.used, self._late_since = following, 0, None
        self._accept(page)

    def _accept(self, page: PageRead) -> None:
        """Take an answer, which must hold at least the rows that were used."""
        if page.is_whole and len(page.answer.raw_rows) < self.used:
            self._contradict("rows that were already handed out are gone", "$.rows")
        self.page = page
        self._ahead.continue_from(page)

    def _compare(self, before: PageRead, page: PageRead) -> None:
        """Take a newer answer for the same page, if it agrees on the rows used."""
        old, new = before.answer, page.answer
        if None not in (old.label, new.label) and old.label != new.label:
            self._contradict("the answer names another page than before", "$.page")
        there = min(self.used, len(old.raw_rows))
        common = min(there, len(new.raw_rows))
        if new.rows[:common] != old.rows[:common]:
            self._contradict("rows that were already handed out have changed", "$.rows")
        if page.is_whole or len(new.raw_rows) >= there:
            self._accept(page)

    async def _read(self, cursor: str | None, *, takes_turn: bool = True) -> PageRead:
        """Read a page; a first read and one that is repeated count as polls."""
        requests = self._requests
        if self._follow:
            return await requests.persist(
                partial(requests.read_page, cursor),
                Outage(requests.state),
                takes_turn=takes_turn,
            )
        if takes_turn:
            await requests.take_turn()
        return await requests.read_page(cursor)

    async def _read_later(self) -> PageRead:
        """Wait until the page may have grown, and return it as it is then."""
        label = self.page.answer.label if self.page is not None else None
        later = await self._poll_loop.read_again(WantedPage(self._cursor, label))
        if later is None:
            # The job is terminal, so the page can be read at once.
            if self._late_since is not None:
                await asyncio.sleep(self._requests.state.draw_delay())
            later = await self._read(self._cursor)
            self._note_lateness(later)
        return later

    def _note_lateness(self, page: PageRead) -> None:
        """Count how long answers contradict the terminal status that was seen."""
        if page.is_whole:
            self._late_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._late_since is None:
            self._late_since = now
        elif now - self._late_since > self._requests.outage:
            msg = (
                f"the job is {self._requests.state.status}, "
                f"yet its pages still say {page.answer.word}"
            )
            raise InvalidResponseError(msg, "$.status")
