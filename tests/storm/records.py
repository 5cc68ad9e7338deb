"""What is noted of one doing each: of a submit, a stream, a receipt, a batch."""

from typing import Literal

import attrs

from openfunnel_async import (
    BulkJob,
    CancelReceipt,
    Company,
    CreditBalance,
    CreditCapError,
    JobOutcome,
    JobStatus,
    LookalikeSearch,
    Manifest,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.sandbox import JobView
from tests.storm.event_log import Step

Outcome = Literal[
    "under way",
    "handle",
    "unknown",
    "not sent",
    "rejected",
    "configuration",
    "caller cancelled",
]
ReadingKind = Literal["rows", "pages", "result", "take", "fetch"]
Shown = tuple[float, JobStatus, JobStatus]


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
        handle_limit: What the handle says of its limit.
        must_end: Whether its block was left in a way that has the job cancelled.
    """

    tag: str
    search: LookalikeSearch
    step: Step
    outcome: Outcome = "under way"
    job_id: str | None = None
    accepted: bool = False
    max_exposure: int | None = None
    handle_limit: int | None = None
    must_be_cancelled: bool = False

    def failed(self, error: OpenFunnelError, outcome: Outcome) -> None:
        """Keep what the error told."""
        self.outcome = outcome
        if isinstance(error, SubmitOutcomeUnknownError):
            self.job_id, self.accepted = error.job_id, error.accepted
            self.max_exposure = error.max_exposure


@attrs.define(eq=False)
class WatchedHandle:
    """A handle somebody holds, and every status it has shown.

    Attributes:
        job: The handle.
        skipped: Rows of the job before the place where its streams begin.
        trail: Moment, status shown and status true, each time it changed.
        steps: Numbers of the steps that read with this handle and with no other.
    """

    job: BulkJob
    skipped: int = 0
    statuses: list[Shown] = attrs.field(factory=list[Shown])
    steps: set[int] = attrs.field(factory=set[int])

    @property
    def has_changed(self) -> bool:
        """Whether it shows another status than when last looked at."""
        return not self.statuses or self.statuses[-1][1] is not self.job.status


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
        page_sizes: The number of rows of each page.
        stated: The number of rows that a row stream says it has delivered.
        partial_ok: Whether a result may come of a job that did not complete.
        status: The status of a result.
    """

    job_id: str
    kind: ReadingKind
    step: Step
    follow: bool
    rows_written: int
    rows: list[Company] = attrs.field(factory=list[Company])
    end: Literal["open", "normal", "failed", "cancelled"] = "open"
    manifest: Manifest | None = None
    skipped: int = 0
    most: int | None = None
    with_domain: bool = False
    page_sizes: list[int] = attrs.field(factory=list[int])
    stated: int | None = None
    partial_ok: bool = True
    status: JobStatus | None = None


@attrs.define(eq=False)
class Wait:
    """A call with a timeout of its own.

    Attributes:
        step: The step that made the call, and no other.
        held: The handle.
        timeout: Seconds; None for ever.
        is_for_status: Whether it returns as soon as the job is terminal.
    """

    step: Step
    handle: WatchedHandle
    timeout: float | None
    is_for_status: bool = False


@attrs.frozen
class CancelOfTerminal:
    """A cancel of a job of which the handle knew that it is terminal."""

    step: Step
    job_id: str
    began: float
    ended: float


@attrs.frozen
class Receipt:
    """A receipt and what was true when it was written."""

    receipt: CancelReceipt
    limit: int | None
    view: JobView
    true: JobStatus


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
class ErrorRecord:
    """An error that a step ended with: all of it but the traceback."""

    step: Step
    error: type[OpenFunnelError]
    job_id: str | None
    tag: str | None
    text: str


@attrs.define(eq=False, kw_only=True)
class Batch:
    """One call of ``run_many``, and what its caller saw of it.

    Attributes:
        step: The step that made the call.
        submissions: Its searches, in order, each with what became of it.
        max_active: Jobs it may have in flight.
        max_credits: Its cap, if it has one.
        cancels_rest: Whether one failure is to end the others.
        checks_balance: Whether it reads the balance first.
        end: How the call ended; ``refused`` where nothing was begun.
        outcomes: What it returned.
        job_timeout: Seconds for each job, if they are limited.
        going: The jobs, also of others, that went on when it was over.
        orphans: What stood among the client's orphans then.
    """

    step: Step
    submissions: tuple[Submission, ...]
    max_active: int
    max_credits: float | None
    cancels_rest: bool
    checks_balance: bool
    job_timeout: float | None
    end: Literal["open", "returned", "left", "refused", "raised"] = "open"
    outcomes: tuple[JobOutcome, ...] = ()
    running: frozenset[str] = frozenset()
    orphans: frozenset[str] = frozenset()

    @property
    def has_failed(self) -> bool:
        """Whether something went wrong with one of its searches; a cap is no fault."""
        errors = [outcome.error for outcome in self.outcomes]
        return any(
            error is not None and not isinstance(error, CreditCapError)
            for error in errors
        )


@attrs.define(eq=False, kw_only=True)
class GroupWait:
    """Handles that somebody waits for together, and those that came out.

    Attributes:
        step: The step that waits.
        kind: What it waits with.
        jobs: The handles, as they were given; one may be there twice.
        timeout: Seconds for all of them; None for ever.
        told: What came out, in order: ids of a ``wait_all``, else handles.
        end: Whether it came to its end; ``left`` by a break or a cancellation.
    """

    step: Step
    kind: Literal["wait_all", "as_completed"]
    jobs: tuple[BulkJob, ...]
    timeout: float | None
    reported: list[BulkJob | str] = attrs.field(factory=list[BulkJob | str])
    end: Literal["left", "all"] = "left"

    @property
    def expected(self) -> list[BulkJob | str]:
        """List what is to come out, each once."""
        by_id = self.kind == "wait_all"
        return list(dict.fromkeys(job.id if by_id else job for job in self.jobs))
