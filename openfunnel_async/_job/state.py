"""What is known of one job: the furthest status, the last answer, the pace.

No I/O. Every answer about the job is reported here, and becomes a public snapshot here,
once.
"""

import asyncio
import logging
import math
from collections.abc import Callable

import attrs

from openfunnel_async._job.corrections import corrected_manifest, larger
from openfunnel_async._job.pacing import Clues, distance, eta, jittered, poll_delay
from openfunnel_async._job.poll_limiter import Urgency, urgency
from openfunnel_async._protocol.codec import JobAnswer
from openfunnel_async._protocol.event_emitter import EventEmitter, EventName
from openfunnel_async._text import brief
from openfunnel_async._values.models import JobSnapshot
from openfunnel_async._values.policies import PollPolicy
from openfunnel_async._values.status import JobStatus, effective, furthest

Listener = Callable[[JobSnapshot | None, JobSnapshot | None], None]
_logger = logging.getLogger("openfunnel_async")
_SUBMIT_GRACE = 5.0
_FIRST_SPREAD = 0.5


class JobState:
    """The state of one job as far as the answers so far state it.

    Args:
        job_id: The job.
        limit: Rows asked for, where known.
        polling: How waits are paced.
        emitter: Delivers the events of the job.
        in_batch: Whether other jobs were submitted just before, so that the first
            polls are spread.
        submitted_at: The loop's time of one's own submit; None for an attached job.

    Attributes:
        listener: Called with the snapshot before and after each answer, and after an
            accepted cancel, which changes the pace.
    """

    __slots__ = (
        "_accepted_at",
        "_anomalies",
        "_answered_at",
        "_cancel_requested",
        "_delivering_at",
        "_emitter",
        "_furthest",
        "_in_batch",
        "_polling",
        "_processed",
        "_progress_at",
        "_reported",
        "_snapshot",
        "_started_at",
        "_submitted_at",
        "_unknown_word",
        "_words_warned",
        "job_id",
        "limit",
        "listener",
    )

    def __init__(  # noqa: PLR0913 -- what a handle is made of
        self,
        job_id: str,
        limit: int | None,
        polling: PollPolicy,
        emitter: EventEmitter,
        submitted_at: float | None = None,
        *,
        in_batch: bool = False,
    ) -> None:
        self.job_id: str = job_id
        self.limit: int | None = limit
        self.listener: Listener | None = None
        self._in_batch = in_batch
        self._polling = polling
        self._emitter = emitter
        self._submitted_at = submitted_at
        self._snapshot: JobSnapshot | None = None
        self._cancel_requested = False
        self._accepted_at: float | None = None
        submitted = submitted_at is not None
        self._furthest = JobStatus.PENDING if submitted else JobStatus.UNKNOWN
        self._reported = self._furthest
        self._unknown_word = False
        self._words_warned: frozenset[str] = frozenset()
        self._anomalies: frozenset[tuple[object, ...]] = frozenset()
        self._answered_at = submitted_at
        self._started_at = submitted_at
        self._delivering_at: float | None = None
        self._progress_at: float | None = None
        self._processed = 0

    @property
    def status(self) -> JobStatus:
        """The best knowledge; never goes backwards."""
        if not self._unknown_word:
            return self._furthest
        return effective(self._furthest, JobStatus.UNKNOWN)

    @property
    def is_terminal(self) -> bool:
        """Whether a terminal status was seen."""
        return self._furthest.is_terminal

    @property
    def snapshot(self) -> JobSnapshot | None:
        """The last answer; None before the first."""
        return self._snapshot

    @property
    def cancel_requested(self) -> bool:
        """Whether a cancel was asked for, also one without success."""
        return self._cancel_requested

    @property
    def accepted_at(self) -> float | None:
        """When a cancel was accepted, in the loop's time; None if none was."""
        return self._accepted_at

    @property
    def answered_at(self) -> float | None:
        """When the last answer came; the submit's counts; None before any."""
        return self._answered_at

    @property
    def visible_by(self) -> float:
        """Until when a 404 may only mean "not yet" (docs/reference/contract.md)."""
        if self._submitted_at is None:
            return float("-inf")
        return self._submitted_at + _SUBMIT_GRACE

    def observe(self, answer: JobAnswer) -> JobSnapshot:
        """Take an answer in, and return the snapshot of the job after it.

        Once the status is terminal it is latched: later answers only complete or
        correct what came with it.
        """
        before = self._snapshot
        if before is not None and self.is_terminal:
            return self._correct(before, answer)
        now = asyncio.get_running_loop().time()
        self._note_word(answer)
        self._furthest = furthest(self._furthest, answer.status)
        self._note_progress(answer, now)
        self._answered_at = now
        self._snapshot = after = self._snapshot_of(answer, now)
        if self.listener is not None:
            self.listener(before, after)
        if after.status is not self._reported:
            self._report_change(after.status)
        return after

    def _snapshot_of(self, answer: JobAnswer, now: float) -> JobSnapshot:
        """Build the public snapshot: the answer, and what the handle knows besides."""
        status, limit, expected = self.status, self.limit, None
        if limit is not None and self._processed:
            is_ending = status.is_terminal or status is JobStatus.CANCELLING
            expected = None if is_ending else eta(self._clues(now))
        return JobSnapshot(
            job_id=answer.job_id,
            status=status,
            raw_status=answer.word,
            manifest=answer.manifest,
            error_message=answer.error_message,
            processed=answer.processed,
            progress_message=answer.progress_message,
            limit=limit,
            eta=expected,
        )

    def note_cancel_requested(self) -> None:
        """Note that a cancel is asked for."""
        self._cancel_requested = True

    def accept_cancel(self) -> None:
        """Note that the service accepted a cancel; the pace changes."""
        self._furthest = furthest(self._furthest, JobStatus.CANCELLING)
        is_first = self._accepted_at is None
        if is_first:
            self._accepted_at = asyncio.get_running_loop().time()
        if self._snapshot is not None and self._snapshot.eta is not None:
            # It was the expected finish of a job that would deliver all its rows.
            self._snapshot = attrs.evolve(self._snapshot, eta=None)
        if self.listener is not None:
            self.listener(self._snapshot, self._snapshot)
        if is_first:
            self.emit("CancelAccepted", status=self.status)
        if self.status is not self._reported:
            self._report_change(self.status)

    def emit(self, name: EventName, /, **facts: object) -> None:
        """Emit an event of this job, if anything receives it; never raises."""
        self._emitter.emit(name, self.job_id, **facts)

    def _report_change(self, status: JobStatus) -> None:
        """Emit that the status is another one, and the end of the job."""
        before, self._reported = self._reported, status
        snapshot = self._snapshot
        processed = None if snapshot is None else snapshot.processed
        self.emit("JobChanged", before=before, status=status, processed=processed)
        if not status.is_terminal or snapshot is None:
            return
        manifest = snapshot.manifest
        self.emit(
            "JobSettled",
            status=status,
            delivered=None if manifest is None else manifest.count,
            credits_consumed=None if manifest is None else manifest.credits_consumed,
            error=snapshot.error_message,
        )

    def draw_delay(self) -> float:
        """Return the seconds between an answer now and the next poll."""
        now = asyncio.get_running_loop().time()
        delay = poll_delay(self._polling, self._clues(now))
        jitter = self._polling.jitter
        is_first = self._in_batch and self._snapshot is None
        return jittered(delay, _FIRST_SPREAD if is_first and jitter else jitter)

    def draw_urgency(self) -> Urgency:
        """Return how urgent a poll of the job is, for the client's poll limiter."""
        answered_at = self._answered_at
        if answered_at is None:
            return urgency(-math.inf, 1.0)
        return urgency(answered_at, distance(self._clues(answered_at)))

    def _clues(self, now: float) -> Clues:
        def since(moment: float | None) -> float | None:
            return None if moment is None else now - moment

        return Clues(
            since_start=since(self._started_at) or 0.0,
            since_delivering=since(self._delivering_at),
            since_progress=since(self._progress_at) or 0.0,
            since_cancel=since(self._accepted_at),
            processed=self._processed,
            limit=self.limit,
        )

    def _note_word(self, answer: JobAnswer) -> None:
        self._unknown_word = answer.status is JobStatus.UNKNOWN
        if self._unknown_word and answer.word not in self._words_warned:
            self._words_warned |= {answer.word}
            _logger.warning(
                "job %s reports a status that this version does not know; "
                "it counts as not terminal",
                self.job_id,
            )

    def _note_progress(self, answer: JobAnswer, now: float) -> None:
        if self._started_at is None:
            self._started_at = now
        if answer.processed is None:
            return
        if self._delivering_at is None:
            self._delivering_at = self._progress_at = now
        if answer.processed > self._processed:
            self._processed = answer.processed
            self._progress_at = now

    def _correct(self, latched: JobSnapshot, answer: JobAnswer) -> JobSnapshot:
        """Take over what a later answer adds to a terminal one, or corrects in it.

        An answer with another status is a late one, or wrong, so nothing of it counts.
        """
        if answer.status is not latched.status:
            self._log_once(
                "anomaly: job %s was %s and is now reported as %s; keeping %s",
                latched.status,
                brief(answer.word),
                latched.status,
            )
            return latched
        manifest, changes = corrected_manifest(latched.manifest, answer.manifest)
        for name, known, later in changes:
            self._log_once(
                "anomaly: the manifest of job %s stated %s %s and now states %s; "
                "the later one counts",
                name,
                brief(known),
                brief(later),
            )
        corrected = attrs.evolve(
            latched,
            manifest=manifest,
            error_message=answer.error_message or latched.error_message,
            processed=larger(answer.processed, latched.processed),
        )
        if corrected != latched:
            self._snapshot = latched = corrected
        return latched

    def _log_once(self, message: str, *facts: object) -> None:
        """Log a contradiction between two answers, unless it was logged before.

        Replicas that disagree may contradict each other with every page.
        """
        if facts not in self._anomalies:
            self._anomalies |= {facts}
            _logger.warning(message, self.job_id, *facts)
