"""The records of single calls: a submit, a stream, a receipt, a batch."""

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
    """One submit and what its caller got.

    Attributes:
        tag: The query of the search, which is unique.
        search: What was submitted.
        step: The step that submitted it.
        outcome: What the caller got; ``caller cancelled`` if it was cancelled.
        job_id: The id, from the handle or from the error.
        accepted: What the error states.
        max_exposure: What the error states.
        handle_limit: The limit that the handle states.
        must_be_cancelled: Whether the end of its block has the job cancelled.
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
        """Record what the error states."""
        self.outcome = outcome
        if isinstance(error, SubmitOutcomeUnknownError):
            self.job_id, self.accepted = error.job_id, error.accepted
            self.max_exposure = error.max_exposure


@attrs.define(eq=False)
class WatchedHandle:
    """A handle and every status that it has reported.

    Attributes:
        job: The handle.
        skipped: The rows of the job before the start of its streams.
        statuses: The moment, the reported and the true status, at each change.
        steps: The numbers of the steps that read with this handle and no other.
    """

    job: BulkJob
    skipped: int = 0
    statuses: list[Shown] = attrs.field(factory=list[Shown])
    steps: set[int] = attrs.field(factory=set[int])

    @property
    def has_changed(self) -> bool:
        """Whether its status differs from the last one recorded."""
        return not self.statuses or self.statuses[-1][1] is not self.job.status


@attrs.define(eq=False)
class Reading:
    """A stream or a result, and its rows.

    Attributes:
        job_id: The job.
        kind: The call that reads.
        step: The step that reads.
        follow: Whether it waits for rows that are not written yet.
        rows_written: The rows that could be read at the start.
        rows: The rows that it returned.
        end: Whether it ended, and how.
        manifest: The manifest of a result.
        skipped: The rows of the job before the start of the stream.
        most: The number of rows to take, if there is one.
        with_domain: Whether only companies with a domain were taken.
        page_sizes: The number of rows of each page.
        stated: The number of delivered rows that a row stream states.
        partial_ok: Whether a result is allowed for a job that was not completed.
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
        step: The step that made this call and no other.
        handle: The handle.
        timeout: Seconds; None for ever.
        is_for_status: Whether it returns as soon as the job is terminal.
    """

    step: Step
    handle: WatchedHandle
    timeout: float | None
    is_for_status: bool = False


@attrs.frozen
class CancelOfTerminal:
    """A cancel with a handle that knew that its job is terminal."""

    step: Step
    job_id: str
    began: float
    ended: float


@attrs.frozen
class Receipt:
    """A receipt and the true state of its job at that moment."""

    receipt: CancelReceipt
    limit: int | None
    view: JobView
    true: JobStatus


@attrs.frozen
class Balance:
    """A balance, and the credits used before and after it was read."""

    balance: CreditBalance
    before: float
    after: float


@attrs.frozen
class Interruption:
    """A step that was cancelled from outside."""

    step: Step
    ended_cancelled: bool


@attrs.frozen
class ErrorRecord:
    """An error that ended a step, without its traceback."""

    step: Step
    error: type[OpenFunnelError]
    job_id: str | None
    tag: str | None
    text: str


@attrs.define(eq=False, kw_only=True)
class Batch:
    """One call of ``run_many`` and what its caller got.

    Attributes:
        step: The step that made the call.
        submissions: The searches, in order.
        max_active: The number of jobs that may run at once.
        max_credits: The cap, if there is one.
        cancels_rest: Whether one failure cancels the other jobs.
        checks_balance: Whether it reads the balance first.
        end: How the call ended; ``refused`` if nothing was started.
        outcomes: What it returned.
        job_timeout: Seconds for each job, if they are limited.
        running: All jobs of the account that ran when it had ended.
        orphans: The client's orphans at that moment.
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
        """Whether one of its searches failed; the cap is no failure."""
        errors = [outcome.error for outcome in self.outcomes]
        return any(
            error is not None and not isinstance(error, CreditCapError)
            for error in errors
        )


@attrs.define(eq=False, kw_only=True)
class GroupWait:
    """Handles that a step waits for together, and those that it got.

    Attributes:
        step: The step that waits.
        kind: The call that waits.
        jobs: The handles in order; one may be there twice.
        timeout: Seconds for all of them; None for ever.
        reported: What was returned, in order: ids of ``wait_all``, else handles.
        end: Whether it got all; ``left`` by a break or a cancellation.
    """

    step: Step
    kind: Literal["wait_all", "as_completed"]
    jobs: tuple[BulkJob, ...]
    timeout: float | None
    reported: list[BulkJob | str] = attrs.field(factory=list[BulkJob | str])
    end: Literal["left", "all"] = "left"

    @property
    def expected(self) -> list[BulkJob | str]:
        """List what has to be returned, each once."""
        by_id = self.kind == "wait_all"
        return list(dict.fromkeys(job.id if by_id else job for job in self.jobs))
