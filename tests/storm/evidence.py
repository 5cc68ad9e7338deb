"""What is known after a schedule: what the client showed beside what was true."""

import logging
from typing import Literal

import attrs

from openfunnel_async import (
    BulkJob,
    CancelReceipt,
    Company,
    CreditBalance,
    JobStatus,
    LookalikeSearch,
    Manifest,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.sandbox import JobView, Service
from tests.storm.diary import CURRENT, Diary, Step
from tests.storm.schedule import Schedule

Outcome = Literal[
    "under way", "handle", "unknown", "not sent", "rejected", "configuration", "gone"
]
ReadingKind = Literal["rows", "pages", "result", "take"]
Shown = tuple[float, JobStatus, JobStatus]
_SENT_FOR_ONE_WHO_HAS_GONE = "a submit was sent for a caller who has gone"


@attrs.define(eq=False)
class Submission:
    """One submit and what its caller was told.

    Attributes:
        tag: The search's query, unlike any other's.
        search: What was submitted.
        step: The step that submitted it.
        outcome: What the caller was told; ``gone`` if it had left.
        job_id: The id told, by the handle or by the error.
        accepted: What the error said.
        max_exposure: What the error said.
        must_end: Whether its block was left in a way that has the job cancelled.
    """

    tag: str
    search: LookalikeSearch
    step: Step
    outcome: Outcome = "under way"
    job_id: str | None = None
    accepted: bool = False
    max_exposure: int | None = None
    must_end: bool = False

    def failed(self, error: OpenFunnelError, outcome: Outcome) -> None:
        """Keep what the error told."""
        self.outcome = outcome
        if isinstance(error, SubmitOutcomeUnknownError):
            self.job_id, self.accepted = error.job_id, error.accepted
            self.max_exposure = error.max_exposure


@attrs.define(eq=False)
class Held:
    """A handle somebody holds, and every status it has shown.

    Attributes:
        job: The handle.
        skipped: Rows of the job before the place where its streams begin.
        trail: Moment, status shown and status true, each time it changed.
    """

    job: BulkJob
    skipped: int = 0
    trail: list[Shown] = attrs.field(factory=list[Shown])

    @property
    def has_news(self) -> bool:
        """Whether it shows another status than when last looked at."""
        return not self.trail or self.trail[-1][1] is not self.job.status


@attrs.define(eq=False)
class Reading:
    """A stream or a result, and the rows it gave.

    Attributes:
        job_id: The job.
        kind: What it was read with.
        step: The step that reads.
        follow: Whether it waits for what is not written yet.
        written: Rows that could be read when it began.
        rows: What it gave.
        end: Whether it came to its end, quietly or with the job's failure.
        manifest: What came with a result.
        skipped: Rows of the job before the place where it began.
        most: Rows after which it had enough, if it took only some.
        hosted: Whether it took only companies with a domain.
    """

    job_id: str
    kind: ReadingKind
    step: Step
    follow: bool
    written: int
    rows: list[Company] = attrs.field(factory=list[Company])
    end: Literal["open", "normal", "failed", "cancelled"] = "open"
    manifest: Manifest | None = None
    skipped: int = 0
    most: int | None = None
    hosted: bool = False


@attrs.frozen
class Receipt:
    """A receipt and what was true when it was written."""

    receipt: CancelReceipt
    limit: int | None
    view: JobView


@attrs.frozen
class Balance:
    """A balance and the credits used before and after it was read."""

    balance: CreditBalance
    before: float
    after: float


@attrs.frozen
class Interruption:
    """A step that was cancelled from outside while it was going on."""

    step: Step
    ended_cancelled: bool


@attrs.frozen
class Complaint:
    """An error that a step ended with: all of it but the traceback."""

    step: Step
    error: type[OpenFunnelError]
    job_id: str | None
    tag: str | None
    text: str


@attrs.define(eq=False)
class Evidence:
    """Everything a schedule leaves behind for the judge."""

    schedule: Schedule
    service: Service
    diary: Diary = attrs.field(factory=Diary)
    submissions: list[Submission] = attrs.field(factory=list[Submission])
    held: list[Held] = attrs.field(factory=list[Held])
    readings: list[Reading] = attrs.field(factory=list[Reading])
    receipts: list[Receipt] = attrs.field(factory=list[Receipt])
    balances: list[Balance] = attrs.field(factory=list[Balance])
    interruptions: list[Interruption] = attrs.field(factory=list[Interruption])
    complaints: list[Complaint] = attrs.field(factory=list[Complaint])
    surprises: list[str] = attrs.field(factory=list[str])
    key_faults: list[str] = attrs.field(factory=list[str])
    warned: set[int] = attrs.field(factory=set[int])
    warnings: int = 0
    late: int = 0
    loop_complaints: list[str] = attrs.field(factory=list[str])
    stuck: list[str] = attrs.field(factory=list[str])
    left_over: list[str] = attrs.field(factory=list[str])
    orphans: tuple[str, ...] = ()
    going: frozenset[str] = frozenset()
    ended: float = 0.0

    def look_around(self) -> None:
        """Note what every handle shows."""
        for held in self.held:
            if held.has_news and held.job.id in self.service.jobs:
                true = JobStatus(self.service.jobs[held.job.id].status)
                held.trail.append((self.service.now, held.job.status, true))

    def complain(
        self, step: Step, error: OpenFunnelError, job_id: str | None, tag: str | None
    ) -> None:
        """Keep an error without what its traceback holds on to."""
        shown = f"{error} {error!r} {error.args}"
        self.look_for_the_key(shown, "an error")
        step.outcome = f"{type(error).__name__}: {error}"
        self.complaints.append(Complaint(step, type(error), job_id, tag, str(error)))

    def look_for_the_key(self, text: str, where: str) -> None:
        """Note a text that shows the key."""
        if self.service.api_key in text:
            self.key_faults.append(f"the key stands in {where}: {text[:80]}")


class Listener(logging.Handler):
    """Hears what the client logs, and in whose step."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(logging.WARNING)
        self._evidence = evidence

    def emit(self, record: logging.LogRecord) -> None:
        """Note a warning."""
        said, step = record.getMessage(), CURRENT.get()
        self._evidence.warnings += 1
        self._evidence.look_for_the_key(said, "a log record")
        if said.startswith(_SENT_FOR_ONE_WHO_HAS_GONE) and step is not None:
            self._evidence.warned.add(step.number)
