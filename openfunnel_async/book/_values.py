"""The values that the Book returns."""

import enum
from datetime import datetime

import attrs

from openfunnel_async._text import brief_repr
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async._values.status import JobStatus


class EntryState(enum.StrEnum):
    """How far a search in the Book has come.

    ``planned``: not submitted. ``submitting``: a submit is under way. ``submitted``:
    its job is known. ``settled``: its job is terminal, and its rows and its bill are in
    the Book (of a submit with ``once=`` the bill alone). ``rejected``: the service
    refused the search, and there is no job. ``unknown``: a submit was sent and its
    outcome is unknown, so its reservation stays. ``skipped``: it is not submitted; the
    entry's ``error`` says why.
    """

    __module__ = "openfunnel_async.book"

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SETTLED = "settled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@attrs.frozen(kw_only=True)
class BookEntry(Value):
    """One search in the Book.

    Attributes:
        key: Its name in the Book, which ``Book.resolve()`` takes.
        batch: The batch; None for a submit with ``once=``.
        search: The search.
        state: How far it has come.
        job_id: Its job, where one is known.
        status: The terminal status of the job; None before.
        rows: How many of its rows are in the Book.
        new: How many of them were companies that the Book did not know.
        reused_from: The entry whose rows answer this one, for 0 credits; else None.
        billed: The credits that the service stated; None until then.
        exposure: The most credits that it can bill; None without a limit.
        error: Why it was rejected or skipped, is unknown, or could not be read.
        label: The caller's own name for it, if one was given.
        submitted_at: When the submit began, in UTC; None before.
        settled_at: When the bill was written, in UTC; None before.
        was_unknown: Whether the outcome of one of its submits was unknown once, so that
            to submit it again could bill it twice.
    """

    __module__ = "openfunnel_async.book"

    key: str
    batch: str | None
    search: LookalikeSearch
    state: EntryState
    job_id: str | None = None
    status: JobStatus | None = None
    rows: int = 0
    new: int = 0
    reused_from: str | None = None
    billed: float | None = None
    exposure: float | None = None
    error: str | None = None
    label: str | None = None
    submitted_at: datetime | None = None
    settled_at: datetime | None = None
    was_unknown: bool = False

    __repr__ = brief_repr

    @property
    def known(self) -> int:
        """How many of its rows were companies that the Book knew."""
        return self.rows - self.new


@attrs.frozen(kw_only=True)
class BatchStatus(Value):
    """The sums of a batch, as they are in the Book.

    Attributes:
        name: The batch.
        searches: How many searches it has; the next seven numbers add up to it.
        planned: Searches that are not submitted.
        submitting: Submits that are under way.
        submitted: Jobs that are known and not settled.
        settled: Jobs that are terminal and whose rows and bill are in the Book.
        rejected: Searches that the service refused.
        unknown: Submits of unknown outcome.
        skipped: Searches that are not submitted.
        rows: Rows in the Book.
        new: How many of them were companies that the Book did not know.
        spent: Credits that were billed, as far as they are known, and those of searches
            whose outcome stays unknown for ever.
        reserved: The most credits that the other jobs and unknown submits can bill.
        cap: The most credits that the batch may spend; None for no cap.
        distinct: At how many new companies the batch stops; None for no such number.
    """

    __module__ = "openfunnel_async.book"

    name: str
    searches: int
    planned: int = 0
    submitting: int = 0
    submitted: int = 0
    settled: int = 0
    rejected: int = 0
    unknown: int = 0
    skipped: int = 0
    rows: int = 0
    new: int = 0
    spent: float = 0.0
    reserved: float = 0.0
    cap: float | None = None
    distinct: int | None = None

    __repr__ = brief_repr

    @property
    def known(self) -> int:
        """How many of the rows were companies that the Book knew."""
        return self.rows - self.new

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to submit or to read; unknown submits may remain."""
        return not (self.planned or self.submitting or self.submitted)


@attrs.frozen(kw_only=True)
class BatchReport(BatchStatus):
    """What became of a batch when it was run: its sums, and never its rows.

    Attributes:
        completed: Jobs that completed.
        cancelled: Jobs that were cancelled.
        failed: Jobs that failed.
        over_cap: Searches that were skipped because they do not fit under a cap.
        credits_consumed: The bills that the service stated, added up.
        reused: Searches that were answered from the Book for 0 credits.
        stopped_early: Jobs that were cancelled because too few companies were new.
        rows_after_stop: Rows that those jobs delivered after the decision: what it cost
            to notice.
    """

    __module__ = "openfunnel_async.book"

    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    over_cap: int = 0
    credits_consumed: float = 0.0
    reused: int = 0
    stopped_early: int = 0
    rows_after_stop: int = 0

    @property
    def credits_per_new_company(self) -> float | None:
        """The stated bills divided by the new companies; None without any."""
        return self.credits_consumed / self.new if self.new else None

    def to_status(self) -> BatchStatus:
        """Return the sums alone."""
        names = attrs.fields_dict(BatchStatus)
        return BatchStatus(**{name: getattr(self, name) for name in names})


@attrs.frozen(kw_only=True)
class BudgetStatus(Value):
    """A budget in one period.

    Attributes:
        name: The budget.
        period: ``"total"``, a day such as ``"2026-11-26"``, or a month, in UTC.
        limit: The most credits of the period.
        spent: The bills of the submits that were made in it.
        reserved: What its other submits may still bill.
    """

    __module__ = "openfunnel_async.book"

    name: str
    period: str
    limit: float
    spent: float = 0.0
    reserved: float = 0.0

    __repr__ = brief_repr

    @property
    def left(self) -> float:
        """What may be reserved now; never below 0."""
        return max(0.0, self.limit - self.spent - self.reserved)


@attrs.frozen(kw_only=True)
class BatchDiff(Value):
    """Which companies two batches share, by the marks that tell them apart.

    A mark is ``p:`` and the LinkedIn page, or ``d:`` and the domain.

    Attributes:
        both: Companies of both batches.
        first: Companies of the first one alone.
        second: Companies of the second one alone.
    """

    __module__ = "openfunnel_async.book"

    both: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]

    def __repr__(self) -> str:
        both, first, second = map(len, (self.both, self.first, self.second))
        return f"<BatchDiff both={both} first={first} second={second}>"


@attrs.frozen(kw_only=True)
class KnownList(Value):
    """A list of companies that was added to the Book.

    Attributes:
        label: Its name.
        companies: How many companies it was the first to name.
    """

    __module__ = "openfunnel_async.book"

    label: str
    companies: int

    __repr__ = brief_repr


@attrs.frozen(kw_only=True)
class BookCheck(Value):
    """What ``Book.check()`` found.

    Attributes:
        problems: What does not add up, in words; empty if all is well.
        entries: How many entries were checked.
        rows: How many rows were read and counted.
        unknown: Keys of submits whose outcome is unknown.
    """

    __module__ = "openfunnel_async.book"

    problems: tuple[str, ...]
    entries: int
    rows: int
    unknown: tuple[str, ...] = ()

    __repr__ = brief_repr

    @property
    def is_ok(self) -> bool:
        """Whether every sum was right and the file is intact."""
        return not self.problems
