"""One job as figures, and as a line of text."""

import time
import unicodedata
from collections.abc import Callable

import attrs

from openfunnel_async import CREDITS_PER_COMPANY, JobSnapshot, JobStatus

_LONGEST = 200
# Two answers at nearly the same time give no rate.
_WHOLE_FROM = 10
_SHORTEST = 1.0
_SEPARATORS = frozenset({"Zl", "Zp"})


@attrs.define(eq=False, kw_only=True)
class Line:
    """One job, by its last snapshot.

    Attributes:
        job_id: The job.
        now: Seconds of a monotonic clock.
        status: How far the job is.
        snapshot: The last answer, if there was one.
    """

    job_id: str
    now: Callable[[], float] = time.monotonic
    status: JobStatus = JobStatus.UNKNOWN
    snapshot: JobSnapshot | None = None
    _noted_at: float = 0.0
    _first: tuple[float, int] | None = None
    _last: tuple[float, int] | None = None
    _shown: tuple[object, ...] | None = None

    def note(self, snapshot: JobSnapshot | None, status: JobStatus) -> bool:
        """Note the state of the job; True if there is something new to show."""
        if snapshot is not self.snapshot:
            self._noted_at = self.now()
        self.snapshot, self.status = snapshot, status
        if self.delivered is not None and (
            self._last is None or self.delivered != self._last[1]
        ):
            self._last = (self.now(), self.delivered)
            self._first = self._first or self._last
        shown = (self.stage, self.delivered, self.credits)
        is_new, self._shown = shown != self._shown, shown
        return is_new

    @property
    def stage(self) -> str:
        """The status, and the text of the service with it."""
        if self.snapshot is None:
            return self.status.value
        word, more = self.status.value, self.snapshot.progress_message
        if self.status is JobStatus.UNKNOWN:
            word = clean(self.snapshot.raw_status)
        if self.status.is_terminal:
            more = self.snapshot.error_message
        return f"{word}: {clean(more)}" if more else word

    @property
    def delivered(self) -> int | None:
        """Companies so far."""
        return None if self.snapshot is None else self.snapshot.delivered

    @property
    def amount(self) -> str:
        """Companies so far, and the limit."""
        if self.snapshot is None or self.delivered is None:
            return ""
        limit = self.snapshot.limit
        return f"{self.delivered:,}" + (f" of {limit:,}" if limit else "")

    @property
    def rate(self) -> str:
        """Companies a second, between the first and the last that were seen."""
        if self._first is None or self._last is None:
            return ""
        seconds = self._last[0] - self._first[0]
        companies = self._last[1] - self._first[1]
        if seconds < _SHORTEST or not companies:
            return ""
        rate = companies / seconds
        return f"{rate:.1f}/s" if rate < _WHOLE_FROM else f"{rate:,.0f}/s"

    @property
    def eta(self) -> str:
        """Minutes and seconds until the end, as guessed with the last answer."""
        if (
            self.snapshot is None
            or self.snapshot.eta is None
            or self.status.is_terminal
        ):
            return ""
        left = max(0.0, self.snapshot.eta - (self.now() - self._noted_at))
        minutes, seconds = divmod(round(left), 60)
        return f"{minutes}:{seconds:02}"

    @property
    def credits(self) -> str:
        """The bill, or the price of the companies so far."""
        manifest = self.snapshot.manifest if self.snapshot is not None else None
        if manifest is not None and manifest.credits_consumed is not None:
            return f"{manifest.credits_consumed:,.10g} billed"
        if self.delivered is None or self.status.is_terminal:
            return ""
        return f"{self.delivered * CREDITS_PER_COMPANY:,} so far"

    def text(self) -> str:
        """Return all of it as one line."""
        eta = f"eta {self.eta}" if self.eta else ""
        credits_ = f"credits {self.credits}" if self.credits else ""
        figures = (self.amount, self.rate, eta, credits_)
        return "  ".join([self.job_id, self.stage, *filter(None, figures)])


def clean(text: str) -> str:
    """Remove what could control a terminal, or break the line."""
    kinds = ((mark, unicodedata.category(mark)) for mark in text[:_LONGEST])
    return "".join(
        mark for mark, kind in kinds if kind[0] != "C" and kind not in _SEPARATORS
    )
