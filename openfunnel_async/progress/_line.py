"""The figures of one job, and their line of text."""

import math
import time
import unicodedata
from collections.abc import Callable

import attrs

from openfunnel_async import (
    CREDITS_PER_COMPANY,
    JobNotFoundError,
    JobSnapshot,
    JobStatus,
    OpenFunnelError,
)

_MAX_CHARACTERS = 200
_WHOLE_NUMBERS_FROM = 10
# A rate over less time than this would be meaningless.
_MIN_SECONDS = 1.0
# Unicode categories: control and format characters, line and paragraph separators.
_UNSAFE = ("C", "Zl", "Zp")


@attrs.define(eq=False, kw_only=True)
class JobLine:
    """The figures of one job.

    Attributes:
        job_id: The id of the job.
        now: Returns the seconds of a monotonic clock.
        status: The status of the job.
        snapshot: The last snapshot, if there is one.
        error: What ended the last wait early, if anything did.
        outage_since: When the service stopped to answer; None if it answers.
        longest_outage: Seconds for which an outage is borne.
    """

    job_id: str
    now: Callable[[], float] = time.monotonic
    status: JobStatus = JobStatus.UNKNOWN
    snapshot: JobSnapshot | None = None
    error: OpenFunnelError | None = None
    outage_since: float | None = None
    longest_outage: float = math.inf
    _updated_at: float = 0.0
    _first: tuple[float, int] | None = None
    _last: tuple[float, int] | None = None
    _shown: tuple[object, ...] | None = None

    def update(
        self,
        snapshot: JobSnapshot | None,
        status: JobStatus,
        error: OpenFunnelError | None = None,
    ) -> bool:
        """Store the state of the job; return whether its line has changed."""
        if snapshot is not self.snapshot:
            self._updated_at = self.now()
        self.snapshot, self.status, self.error = snapshot, status, error
        if self.delivered is not None and (
            self._last is None or self.delivered != self._last[1]
        ):
            self._last = (self.now(), self.delivered)
            self._first = self._first or self._last
        is_out = self.outage_since is not None
        shown = (self.description, is_out, self.delivered, self.credits)
        is_new, self._shown = shown != self._shown, shown
        return is_new

    @property
    def description(self) -> str:
        """The status, and the message of the service."""
        if self.error is not None and not self.status.is_terminal:
            return self._error_text
        if self.snapshot is None:
            is_read = self.status is not JobStatus.UNKNOWN
            return self.status.value if is_read else "no answer yet"
        word, more = self.status.value, self.snapshot.progress_message
        if self.status is JobStatus.UNKNOWN:
            word = remove_controls(self.snapshot.raw_status)
        if self.status.is_terminal:
            more = self.snapshot.error_message
        return f"{word}: {remove_controls(more)}" if more else word

    @property
    def _error_text(self) -> str:
        if isinstance(self.error, JobNotFoundError):
            return "not found"
        return f"not read: {remove_controls(str(self.error))}"

    @property
    def silence(self) -> str:
        """For how long the service has not answered; empty if it answers."""
        if self.outage_since is None or self.status.is_terminal:
            return ""
        return f"no answer for {self.now() - self.outage_since:.0f} s"

    @property
    def patience(self) -> str:
        """For how long the wait continues without an answer; empty if it is unknown."""
        if self.outage_since is None or math.isinf(self.longest_outage):
            return ""
        left = self.longest_outage - (self.now() - self.outage_since)
        return f"trying for another {max(0.0, left):.0f} s"

    @property
    def delivered(self) -> int | None:
        """The number of companies so far."""
        return None if self.snapshot is None else self.snapshot.delivered

    @property
    def amount(self) -> str:
        """The number of companies so far, and the limit."""
        if self.snapshot is None or self.delivered is None:
            return ""
        limit = self.snapshot.limit
        return f"{self.delivered:,}" + (f" of {limit:,}" if limit else "")

    @property
    def rate(self) -> str:
        """Companies per second, from the first number to the last."""
        if self._first is None or self._last is None:
            return ""
        seconds = self._last[0] - self._first[0]
        companies = self._last[1] - self._first[1]
        if seconds < _MIN_SECONDS or not companies:
            return ""
        rate = companies / seconds
        return f"{rate:.1f}/s" if rate < _WHOLE_NUMBERS_FROM else f"{rate:,.0f}/s"

    @property
    def eta(self) -> str:
        """Minutes and seconds until the end, by the last estimate of the service."""
        if (
            self.snapshot is None
            or self.snapshot.eta is None
            or self.status.is_terminal
            # The estimate is of the whole job, and a cancel ends it earlier.
            or self.status is JobStatus.CANCELLING
        ):
            return ""
        left = max(0.0, self.snapshot.eta - (self.now() - self._updated_at))
        return format_time(left)

    @property
    def credits(self) -> str:
        """The bill, or until then the price of the companies so far."""
        manifest = self.snapshot.manifest if self.snapshot is not None else None
        if manifest is not None and manifest.credits_consumed is not None:
            return f"{manifest.credits_consumed:,.10g} billed"
        if self.delivered is None or self.status.is_terminal:
            return ""
        return f"{self.delivered * CREDITS_PER_COMPANY:,} so far"

    def format_text(self) -> str:
        """Return the job and its figures as one line."""
        eta = f"eta {self.eta}" if self.eta else ""
        credits_ = f"credits {self.credits}" if self.credits else ""
        silence = ", ".join(filter(None, (self.silence, self.patience)))
        figures = (silence, self.amount, self.rate, eta, credits_)
        return "  ".join([self.job_id, self.description, *filter(None, figures)])


def format_time(seconds: float) -> str:
    """Format a number of seconds as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def remove_controls(text: str) -> str:
    """Remove the characters that control a terminal or end a line."""
    return "".join(
        character
        for character in text[:_MAX_CHARACTERS]
        if not unicodedata.category(character).startswith(_UNSAFE)
    )
