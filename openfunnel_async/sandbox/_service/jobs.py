"""One job; its state at a time is computed from the time alone."""

import math
from bisect import bisect_left
from typing import Literal

import attrs

from openfunnel_async.sandbox._service.companies import FoundCompanies, Row
from openfunnel_async.sandbox._service.job_lifetimes import PAGE_SIZE, Ending, Timeline
from openfunnel_async.sandbox._service.search import Search

Status = Literal["pending", "running", "cancelling", "cancelled", "completed", "failed"]

TERMINAL = frozenset({"cancelled", "completed", "failed"})
_FLUSH = 1.0


@attrs.frozen(kw_only=True)
class JobState:
    """The state of a job at one time.

    Attributes:
        status: One of the six statuses of the contract.
        written: Rows that can be read.
        processed: Companies delivered so far; None before the start.
        progress_message: A label of the phase; None when the job is terminal.
    """

    __module__ = "openfunnel_async.sandbox"

    status: Status
    written: int
    processed: int | None
    progress_message: str | None

    @property
    def is_terminal(self) -> bool:
        """Return whether the job has ended."""
        return self.status in TERMINAL

    @property
    def pages(self) -> int:
        """Return the number of pages that can be read."""
        return math.ceil(self.written / PAGE_SIZE)


@attrs.define(eq=False, kw_only=True)
class Job:
    """A job: its search, its timeline, and a cancel if there was one.

    Attributes:
        id: The id in the answer of the submit.
        search: The search.
        deck: The companies found for it.
        timeline: What happens without a cancel.
        reserved: Credits reserved for it while it is active.
        cancelled_at: When a cancel was accepted; infinity without one.
        settles_at: When that cancel stops the job; infinity without one.
        was_read: Whether a read has returned it.
    """

    __module__ = "openfunnel_async.sandbox"

    id: str
    search: Search
    deck: FoundCompanies
    timeline: Timeline
    reserved: int
    cancelled_at: float = math.inf
    settles_at: float = math.inf
    was_read: bool = False

    @property
    def ends(self) -> Ending | Literal["cancelled"]:
        """Return the terminal status; a cancel has no effect on an earlier end."""
        cancelled = self.settles_at < self.timeline.ends_at
        return "cancelled" if cancelled else self.timeline.ends

    @property
    def ends_at(self) -> float:
        """Return when the job becomes terminal."""
        return min(self.settles_at, self.timeline.ends_at)

    @property
    def delivered(self) -> int:
        """Return the number of companies delivered when the job ends."""
        return self.timeline.written(self.ends_at)

    def cancel(self, moment: float, *, settle: float | Literal["next_page"]) -> None:
        """Accept a cancel; the job stops at its next checkpoint."""
        self.cancelled_at = moment
        if settle == "next_page":
            self.settles_at = self._end_of_page(moment) + _FLUSH
        else:
            self.settles_at = moment + settle

    def _end_of_page(self, moment: float) -> float:
        """Return when the current page is complete; infinity if it is the last one."""
        if moment < self.timeline.counting_at:
            return moment
        pages = self.timeline.page_times
        index = bisect_left(pages, moment)
        return pages[index] if index < len(pages) - 1 else math.inf

    def finish(self, moment: float) -> None:
        """Complete the job at once, with all its rows."""
        self.timeline = self.timeline.complete_at(moment)

    def at(self, moment: float) -> JobState:
        """Return the state of the job at ``moment``."""
        status = self._status(moment)
        written = self.timeline.written(min(moment, self.ends_at))
        started = min(moment, self.ends_at) >= self.timeline.counting_at
        return JobState(
            status=status,
            written=written,
            processed=written if started else None,
            progress_message=self._progress(status, moment),
        )

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return rows in their order, also those that are not written yet."""
        return self.deck.rows(start, stop)

    def previous_state(self, moment: float) -> JobState | None:
        """Return the state just before the status at ``moment`` began."""
        changes = (self.timeline.running_at, self.cancelled_at, self.ends_at)
        now = self._status(moment)
        for change in sorted((at for at in changes if at <= moment), reverse=True):
            before = self.at(math.nextafter(change, -math.inf))
            if before.status != now:
                return before
        return None

    def _status(self, moment: float) -> Status:
        if moment >= self.ends_at:
            return self.ends
        if moment >= self.cancelled_at:
            return "cancelling"
        return "running" if moment >= self.timeline.running_at else "pending"

    def _progress(self, status: Status, moment: float) -> str | None:
        if status in TERMINAL:
            return None
        if status == "cancelling":
            return "stopping"
        if status == "pending":
            return "queued"
        if moment < self.timeline.counting_at:
            return "reading_search"
        pages = self.timeline.page_times
        written = bool(pages) and moment >= pages[-1]
        return "closing_job" if written else "retrieving_companies"
