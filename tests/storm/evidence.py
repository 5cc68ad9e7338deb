"""What is known after a schedule: what the client showed beside what was true."""

import logging
import re
from math import inf

import attrs

from openfunnel_async import JobStatus, OpenFunnelError
from openfunnel_async.sandbox import Service
from tests.storm.diary import CURRENT, Diary, Step
from tests.storm.notes import (
    Balance,
    Batch,
    CancelOfTerminal,
    Complaint,
    Fleet,
    Held,
    Interruption,
    Reading,
    Receipt,
    Submission,
    Wait,
)
from tests.storm.schedule import Schedule

_SENT_FOR_ONE_WHO_HAS_GONE = "a submit whose caller was cancelled was sent"
_NAMED = re.compile(r"\bjob ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


@attrs.frozen
class After:
    """What was seen when the faults had ended and time had passed.

    Attributes:
        going: The jobs that ran on, and that no cancel had stopped.
        orphans: What was among the client's orphans.
    """

    going: frozenset[str]
    orphans: tuple[str, ...]


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
    batches: list[Batch] = attrs.field(factory=list[Batch])
    waits: list[Wait] = attrs.field(factory=list[Wait])
    cancels_of_terminal: list[CancelOfTerminal] = attrs.field(
        factory=list[CancelOfTerminal]
    )
    fleets: list[Fleet] = attrs.field(factory=list[Fleet])
    surprises: list[str] = attrs.field(factory=list[str])
    key_faults: list[str] = attrs.field(factory=list[str])
    foreign: list[str] = attrs.field(factory=list[str])
    warned: set[int] = attrs.field(factory=set[int])
    named: set[str] = attrs.field(factory=set[str])
    calm_at: float = inf
    after_calm: After | None = None
    warnings: int = 0
    late: int = 0
    loop_complaints: list[str] = attrs.field(factory=list[str])
    is_closing: bool = False
    stuck: list[str] = attrs.field(factory=list[str])
    left_over: list[str] = attrs.field(factory=list[str])
    orphans: tuple[str, ...] = ()
    going: frozenset[str] = frozenset()
    ended: float = 0.0

    def going_now(self) -> frozenset[str]:
        """List the jobs that nobody has stopped and that have not ended."""
        alive = {"pending", "running"}
        jobs = self.service.jobs.values()
        return frozenset(view.id for view in jobs if view.status in alive)

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
        self._evidence.named.update(_NAMED.findall(said))
        if said.startswith(_SENT_FOR_ONE_WHO_HAS_GONE) and step is not None:
            self._evidence.warned.add(step.number)
