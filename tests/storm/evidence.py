"""What is recorded of a schedule: what the client reported, and what is true."""

import logging
import re
from math import inf

import attrs

from openfunnel_async import JobStatus, OpenFunnelError
from openfunnel_async.sandbox import Service
from tests.storm.book_records import BookRecord
from tests.storm.event_log import CURRENT_STEP, EventLog, Step
from tests.storm.records import (
    Balance,
    Batch,
    CancelOfTerminal,
    ErrorRecord,
    GroupWait,
    Interruption,
    Reading,
    Receipt,
    Submission,
    Wait,
    WatchedHandle,
)
from tests.storm.schedule import Schedule

_SENT_FOR_A_CANCELLED_CALLER = "a submit whose caller was cancelled was sent"
_JOB_ID = re.compile(r"\bjob ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


@attrs.frozen
class AfterRecovery:
    """The state after the faults have ended and time has passed.

    Attributes:
        running: The jobs that were not terminal and had no accepted cancel.
        orphans: The client's orphans.
    """

    running: frozenset[str]
    orphans: tuple[str, ...]


@attrs.define(eq=False)
class Evidence:
    """Everything that the invariants of a schedule are checked with."""

    schedule: Schedule
    service: Service
    event_log: EventLog = attrs.field(factory=EventLog)
    submissions: list[Submission] = attrs.field(factory=list[Submission])
    handles: list[WatchedHandle] = attrs.field(factory=list[WatchedHandle])
    readings: list[Reading] = attrs.field(factory=list[Reading])
    receipts: list[Receipt] = attrs.field(factory=list[Receipt])
    balances: list[Balance] = attrs.field(factory=list[Balance])
    interruptions: list[Interruption] = attrs.field(factory=list[Interruption])
    errors: list[ErrorRecord] = attrs.field(factory=list[ErrorRecord])
    batches: list[Batch] = attrs.field(factory=list[Batch])
    waits: list[Wait] = attrs.field(factory=list[Wait])
    cancels_of_terminal: list[CancelOfTerminal] = attrs.field(
        factory=list[CancelOfTerminal]
    )
    groups: list[GroupWait] = attrs.field(factory=list[GroupWait])
    unexpected: list[str] = attrs.field(factory=list[str])
    key_faults: list[str] = attrs.field(factory=list[str])
    foreign_exceptions: list[str] = attrs.field(factory=list[str])
    warned_steps: set[int] = attrs.field(factory=set[int])
    named_jobs: set[str] = attrs.field(factory=set[str])
    recovered_at: float = inf
    after_recovery: AfterRecovery | None = None
    warnings: int = 0
    late: int = 0
    loop_errors: list[str] = attrs.field(factory=list[str])
    is_closing: bool = False
    stuck: list[str] = attrs.field(factory=list[str])
    leftovers: list[str] = attrs.field(factory=list[str])
    orphans: tuple[str, ...] = ()
    running: frozenset[str] = frozenset()
    ended: float = 0.0
    book: BookRecord | None = None

    def list_running(self) -> frozenset[str]:
        """List the jobs that are pending or running."""
        alive = {"pending", "running"}
        jobs = self.service.jobs.values()
        return frozenset(view.id for view in jobs if view.status in alive)

    def record_statuses(self) -> None:
        """Record the status of every handle, if it has changed."""
        for handle in self.handles:
            if handle.has_changed and handle.job.id in self.service.jobs:
                true = JobStatus(self.service.jobs[handle.job.id].status)
                handle.statuses.append((self.service.now, handle.job.status, true))

    def record_error(
        self, step: Step, error: OpenFunnelError, job_id: str | None, tag: str | None
    ) -> None:
        """Record an error without its traceback, which keeps objects alive."""
        shown = f"{error} {error!r} {error.args}"
        self.check_for_key(shown, "an error")
        step.outcome = f"{type(error).__name__}: {error}"
        self.errors.append(ErrorRecord(step, type(error), job_id, tag, str(error)))

    def check_for_key(self, text: str, where: str) -> None:
        """Record a text that contains the key."""
        if self.service.api_key in text:
            self.key_faults.append(f"the key is in {where}: {text[:80]}")


class LogRecorder(logging.Handler):
    """Records the client's log, with the step of each record."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(logging.WARNING)
        self._evidence = evidence

    def emit(self, record: logging.LogRecord) -> None:
        """Record a warning."""
        said, step = record.getMessage(), CURRENT_STEP.get()
        self._evidence.warnings += 1
        self._evidence.check_for_key(said, "a log record")
        self._evidence.named_jobs.update(_JOB_ID.findall(said))
        if said.startswith(_SENT_FOR_A_CANCELLED_CALLER) and step is not None:
            self._evidence.warned_steps.add(step.number)
