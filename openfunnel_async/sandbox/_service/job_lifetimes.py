"""What a job does over time if nobody cancels it."""

import math
from bisect import bisect_right
from itertools import accumulate, chain, islice, repeat
from random import Random
from typing import Literal, Self

import attrs
from attrs import validators

PAGE_SIZE = 100
"""Rows of a page; docs/reference/contract.md, "Read"."""

Ending = Literal["completed", "failed"]


@attrs.frozen(kw_only=True)
class JobLife:
    """The plan of a job, in seconds of sandbox time.

    Attributes:
        queue: Seconds pending after the submit.
        processed_after: Seconds from running until ``processed`` is a number.
        first_page_after: Seconds from running until the first page is written.
        seconds_per_page: Seconds from each page to the next, or a number for each of
            these gaps, of which the last one repeats.
        closing: Seconds from the last page to the terminal status.
        rows: Companies that the job delivers, at most its limit and at most what the
            search finds; None for the most possible.
        ends: The terminal status without a cancel.
        error_message: The ``error_message`` of a failed job.
    """

    __module__ = "openfunnel_async.sandbox"

    queue: float = attrs.field(default=2.0, validator=validators.ge(0))
    processed_after: float = attrs.field(default=1.0, validator=validators.ge(0))
    first_page_after: float = attrs.field(default=18.0, validator=validators.ge(0))
    seconds_per_page: float | tuple[float, ...] = 18.0
    closing: float = attrs.field(default=2.0, validator=validators.ge(0))
    rows: int | None = attrs.field(
        default=None, validator=validators.optional(validators.ge(0))
    )
    ends: Ending = attrs.field(
        default="completed", validator=validators.in_(("completed", "failed"))
    )
    error_message: str = "The search backend gave up on this job."

    def gaps(self) -> tuple[float, ...]:
        """Return the seconds between pages as a tuple."""
        if isinstance(self.seconds_per_page, tuple):
            return self.seconds_per_page or (0.0,)
        return (float(self.seconds_per_page),)


@attrs.frozen(kw_only=True)
class Timeline:
    """A `JobLife` as sandbox times instead of durations.

    Attributes:
        created_at: When the submit was accepted.
        running_at: When the job leaves the queue.
        counting_at: When ``processed`` stops being null.
        page_times: When each page is complete.
        ends_at: When the job becomes terminal.
        rows: Companies delivered by then.
        ends: That terminal status.
        error_message: The message of a failed job.
        grows: Whether the quarters of a page can be read while it is written.
    """

    created_at: float
    running_at: float
    counting_at: float
    page_times: tuple[float, ...]
    ends_at: float
    rows: int
    ends: Ending
    error_message: str | None
    grows: bool

    def written(self, moment: float) -> int:
        """Return the number of rows that can be read at ``moment``."""
        whole = bisect_right(self.page_times, moment)
        rows = min(self.rows, whole * PAGE_SIZE)
        if not self.grows or whole == len(self.page_times):
            return rows
        began = self.page_times[whole - 1] if whole else self.counting_at
        return rows + self._growth(whole, began, moment)

    def _growth(self, page: int, began: float, moment: float) -> int:
        """Return the number of readable rows of a page that is being written."""
        if moment <= began:
            return 0
        quarters = int(4 * (moment - began) / (self.page_times[page] - began))
        return min(PAGE_SIZE, self.rows - page * PAGE_SIZE) * quarters // 4

    def complete_at(self, moment: float) -> Self:
        """Return a timeline that completes at ``moment`` with all its rows."""
        return attrs.evolve(
            self,
            running_at=min(self.running_at, moment),
            counting_at=min(self.counting_at, moment),
            page_times=tuple(min(at, moment) for at in self.page_times),
            ends_at=min(self.ends_at, moment),
            ends="completed",
            error_message=None,
        )


def make_timeline(life: JobLife, *, at: float, most: int, grows: bool) -> Timeline:
    """Make the timeline of a plan.

    Args:
        life: The plan.
        at: The time of the submit.
        most: The most companies to deliver, the limit already applied.
        grows: Whether the newest page can be read while it is written.
    """
    rows = most if life.rows is None else min(life.rows, most)
    running_at = at + life.queue
    first = running_at + life.first_page_after
    gaps = life.gaps()
    moments = accumulate(chain(gaps, repeat(gaps[-1])), initial=first)
    page_times = tuple(islice(moments, math.ceil(rows / PAGE_SIZE)))
    return Timeline(
        created_at=at,
        running_at=running_at,
        counting_at=min(running_at + life.processed_after, first),
        page_times=page_times,
        ends_at=(page_times[-1] if page_times else first) + life.closing,
        rows=rows,
        ends=life.ends,
        error_message=life.error_message if life.ends == "failed" else None,
        grows=grows,
    )


def realistic_life(seed: str, number: int, limit: int) -> JobLife:
    """Draw the plan of a job that has none.

    Pages are 15.3 to 27.3 s apart, most often about 18.1 s, as measured in
    docs/reference/contract.md; so 250 rows take about a minute and a half, and 10,000
    rows between 30 and 36 minutes. Every such job completes with all its rows.

    Args:
        seed: The sandbox's seed.
        number: How many jobs were submitted before this one.
        limit: The limit of the search.
    """
    rng = Random(f"{seed}/life/{number}")
    pages = math.ceil(limit / PAGE_SIZE)
    gaps = tuple(rng.triangular(15.3, 27.3, 18.1) for _ in range(pages))
    return JobLife(
        queue=rng.uniform(0.5, 4.0),
        processed_after=rng.uniform(1.0, 3.0),
        first_page_after=rng.triangular(15.3, 27.3, 18.1),
        seconds_per_page=gaps,
        closing=rng.uniform(0.5, 3.0),
    )


realistic_life.__module__ = "openfunnel_async.sandbox"
