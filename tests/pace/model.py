"""A job as time makes it: queue, pages in bursts and stalls, an end, a late cancel.

Deterministic: the same seed, limit and number draw the same job, in the order the
draws are in here. A page is a hundred rows; all moments are seconds of the job's
own clock, which starts when its submit is answered.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal

import attrs

PAGE = 100
SEED = "openfunnel-poll-1"
CLASSES = {
    "small": (100, 250),
    "medium": (500, 1000),
    "large": (2500, 5000, 10000),
}
# Parts in a hundred of a day's jobs.
MIX = {100: 40, 250: 20, 500: 15, 1000: 15, 2500: 5, 5000: 3, 10000: 2}

_TINY = 1e-12
_NORMAL = NormalDist()
Status = Literal["pending", "running", "cancelling", "cancelled", "completed", "failed"]


@attrs.frozen(kw_only=True)
class PacedJob:
    """One job's course, and when it would be cancelled.

    Attributes:
        limit: Rows asked for.
        rows: Rows it delivers.
        queue: Pending until then.
        start: ``processed`` is a number from then on.
        pages: When each page is there.
        end: When the terminal status comes.
        ends: That status.
        cancel_at: When its user cancels it.
        flush: Seconds from the checkpoint at which a cancel stops it to its end.
    """

    limit: int
    rows: int
    queue: float
    start: float
    pages: tuple[float, ...]
    end: float
    ends: Literal["completed", "failed"]
    cancel_at: float
    flush: float

    def processed(self, moment: float) -> int | None:
        """Count the rows delivered by a moment; None before the start."""
        if moment < self.start:
            return None
        return min(self.rows, PAGE * bisect_right(self.pages, moment))

    def settles(self, moment: float) -> float:
        """Return when a cancel that arrives at a moment has ended the job."""
        if moment < self.start:
            return moment + self.flush
        following = bisect_left(self.pages, moment)
        if following < len(self.pages) - 1:
            return self.pages[following] + self.flush
        return self.end


def draw(seed: str, limit: int, number: int) -> PacedJob:
    """Draw job `number` of a limit."""
    rng = random.Random(f"{seed}/{limit}/{number}")

    def uniform() -> float:
        return min(max(rng.random(), _TINY), 1 - _TINY)

    def log_normal(median: float, sigma: float) -> float:
        return median * math.exp(sigma * _NORMAL.inv_cdf(uniform()))

    kind = uniform()
    if kind < 0.70:
        queue = log_normal(2, 0.8)
    elif kind < 0.95:
        queue = log_normal(10, 0.7)
    else:
        queue = log_normal(60, 0.8)
    start = queue + log_normal(5, 0.4)
    seconds_per_page = log_normal(16, 0.45)
    kind, part = uniform(), uniform()
    rows = max(1, int(limit * part)) if kind < 0.27 else limit
    pages = _pages(uniform, log_normal, start, rows, seconds_per_page)
    end = pages[-1] + log_normal(3, 0.7)
    return PacedJob(
        limit=limit,
        rows=rows,
        queue=queue,
        start=start,
        pages=pages,
        end=end,
        ends="failed" if 0.25 <= kind < 0.27 else "completed",
        cancel_at=uniform() * end,
        flush=log_normal(1, 0.5),
    )


def _pages(
    uniform: Callable[[], float],
    log_normal: Callable[[float, float], float],
    start: float,
    rows: int,
    seconds_per_page: float,
) -> tuple[float, ...]:
    """Draw when the pages come: now and then in a burst, now and then after a stall."""
    burst, at = 0, start
    pages: list[float] = []
    for _ in range(math.ceil(rows / PAGE)):
        took = log_normal(seconds_per_page, 0.35)
        bursts, stalls, length = uniform(), uniform(), uniform()
        if burst > 0:
            took *= 0.25
            burst -= 1
        elif bursts < 0.05:
            burst = 2 + int(4 * length)
        if stalls < 0.03:
            took -= 45 * math.log(1 - length)
        at += took
        pages.append(at)
    return tuple(pages)


def jobs_of(limits: tuple[int, ...], each: int, seed: str = SEED) -> list[PacedJob]:
    """Draw the first jobs of each limit."""
    return [draw(seed, limit, number) for limit in limits for number in range(each)]


def mixed(count: int, seed: str = SEED) -> list[PacedJob]:
    """Draw a day's mix of jobs, shuffled; `count` is best a multiple of 100."""
    limits = [
        limit for limit, parts in MIX.items() for _ in range(parts * count // 100)
    ]
    jobs = [draw(seed, limit, number) for number, limit in enumerate(limits)]
    random.Random(f"{seed}/order").shuffle(jobs)
    return jobs
