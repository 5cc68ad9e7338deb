"""What is known of one job: the furthest state, the last answer, the clues to pace.

No I/O. Everything that reads about a job reports here, and whoever waits for news
of it waits here.
"""

import asyncio
import logging
import math
from collections import deque
from typing import NamedTuple

import attrs

from openfunnel_async._job.notifier import News
from openfunnel_async._job.pacing import Clues, distance, eta, jittered, poll_delay
from openfunnel_async._job.poll_limiter import Urgency, urgency
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._text import brief
from openfunnel_async._values.models import JobSnapshot, Manifest
from openfunnel_async._values.policies import PollPolicy
from openfunnel_async._values.status import JobStatus, effective, furthest
from openfunnel_async.errors import OpenFunnelError

_logger = logging.getLogger("openfunnel_async")
_SUBMIT_GRACE = 5.0
_FIRST_SPREAD = 0.5


class Stall(NamedTuple):
    """A pause that the service asks for (Retry-After): until when, and why."""

    until: float
    cause: OpenFunnelError


class JobRecord:
    """The truth about one job as far as the answers so far tell it.

    Args:
        job_id: The job.
        limit: Rows asked for, where known.
        polling: How waits are paced.
        in_batch: Whether other jobs were submitted just before, so that the first
            looks had better be spread.
        submitted_at: The loop's time of one's own submit; None for an attached job.

    Attributes:
        news: Whatever happens to the job or to what is read of it.
        turns: Of the news, what a caller who only waits for the end must know: work
            that several wait for has ended, or has been told to wait.
    """

    __slots__ = (
        "_anomalies",
        "_answered_at",
        "_delivering_at",
        "_furthest",
        "_processed",
        "_progress_at",
        "_started_at",
        "_unknown_word",
        "_words_warned",
        "accepted_at",
        "cancel_requested",
        "in_batch",
        "job_id",
        "limit",
        "listeners",
        "news",
        "polling",
        "snapshot",
        "stalls",
        "submitted_at",
        "turns",
    )

    def __init__(
        self,
        job_id: str,
        limit: int | None,
        polling: PollPolicy,
        submitted_at: float | None = None,
        *,
        in_batch: bool = False,
    ) -> None:
        self.in_batch: bool = in_batch
        self.job_id: str = job_id
        self.limit: int | None = limit
        self.polling: PollPolicy = polling
        self.submitted_at: float | None = submitted_at
        self.snapshot: JobSnapshot | None = None
        self.cancel_requested: bool = False
        self.accepted_at: float | None = None
        self.stalls: dict[Kind, Stall] = {}
        self.listeners: dict[int, deque[JobSnapshot]] = {}
        submitted = submitted_at is not None
        self._furthest = JobStatus.PENDING if submitted else JobStatus.UNKNOWN
        self._unknown_word = False
        self._words_warned: frozenset[str] = frozenset()
        self._anomalies: frozenset[tuple[object, ...]] = frozenset()
        self._answered_at = submitted_at
        self._started_at = submitted_at
        self._delivering_at: float | None = None
        self._progress_at: float | None = None
        self._processed = 0
        self.news: News = News()
        self.turns: News = News()

    @property
    def status(self) -> JobStatus:
        """The best knowledge; never goes backwards."""
        reported = JobStatus.UNKNOWN if self._unknown_word else self._furthest
        return effective(self._furthest, reported)

    @property
    def is_terminal(self) -> bool:
        """Whether the job is known to be over."""
        return self._furthest.is_terminal

    @property
    def visible_by(self) -> float:
        """Until when a 404 may only mean "not yet" (facts.md, "Read")."""
        if self.submitted_at is None:
            return float("-inf")
        return self.submitted_at + _SUBMIT_GRACE

    def observe(self, answer: JobSnapshot) -> JobSnapshot:
        """Take an answer in and return it with the effective status."""
        self.stalls.pop(Kind.READ, None)
        if self.is_terminal and self.snapshot is not None:
            self._correct(self.snapshot, answer)
            return self.snapshot
        now = asyncio.get_running_loop().time()
        self._note_word(answer)
        self._furthest = furthest(self._furthest, answer.status)
        self._note_progress(answer, now)
        self._answered_at = now
        seen = self._with_what_is_known(answer, now)
        if self.listeners and seen != self.snapshot:
            for listener in self.listeners.values():
                listener.append(seen)
        self.snapshot = seen
        self.news.announce()
        return seen

    def _with_what_is_known(self, answer: JobSnapshot, now: float) -> JobSnapshot:
        """Add the furthest status, the limit and the expected end."""
        status, limit = self.status, self.limit
        if status is answer.status and limit is None:
            return answer
        ahead = None
        is_ending = status.is_terminal or status is JobStatus.CANCELLING
        if limit is not None and self._processed and not is_ending:
            ahead = eta(self._clues(now))
        return JobSnapshot(
            job_id=answer.job_id,
            status=status,
            raw_status=answer.raw_status,
            manifest=answer.manifest,
            error_message=answer.error_message,
            processed=answer.processed,
            progress_message=answer.progress_message,
            limit=limit,
            eta=ahead,
        )

    def accept_cancel(self) -> None:
        """Note that the service took a cancel; whoever waits paces anew."""
        self._furthest = furthest(self._furthest, JobStatus.CANCELLING)
        if self.accepted_at is None:
            self.accepted_at = asyncio.get_running_loop().time()
        if self.snapshot is not None and self.snapshot.eta is not None:
            # It was the expected finish of a job that would deliver all its rows.
            self.snapshot = attrs.evolve(self.snapshot, eta=None)
        self.news.announce()

    def stalled(self, kind: Kind, until: float, cause: OpenFunnelError) -> None:
        """Note that the service asks this kind of request to wait."""
        self.stalls[kind] = Stall(until, cause)
        self.announce_turn()

    def announce_turn(self) -> None:
        """Tell everybody that work for the job has ended or was told to wait."""
        self.turns.announce()
        self.news.announce()

    def draw_delay(self) -> float:
        """Return the seconds to leave between an answer now and the next look."""
        delay = poll_delay(self.polling, self._clues(asyncio.get_running_loop().time()))
        if self.in_batch and self.snapshot is None and self.polling.jitter:
            return jittered(delay, _FIRST_SPREAD)
        return jittered(delay, self.polling.jitter)

    def draw_urgency(self) -> Urgency:
        """Return how urgent a look at the job is, for the client's budget."""
        looked = self._answered_at
        if looked is None:
            return urgency(-math.inf, 1.0)
        return urgency(looked, distance(self._clues(looked)))

    @property
    def answered_at(self) -> float | None:
        """When the last answer came; the submit's counts; None before any."""
        return self._answered_at

    def _clues(self, now: float) -> Clues:
        def since(moment: float | None) -> float | None:
            return None if moment is None else now - moment

        return Clues(
            since_start=since(self._started_at) or 0.0,
            since_delivering=since(self._delivering_at),
            since_progress=since(self._progress_at) or 0.0,
            since_cancel=since(self.accepted_at),
            processed=self._processed,
            limit=self.limit,
        )

    def _note_word(self, answer: JobSnapshot) -> None:
        self._unknown_word = answer.status is JobStatus.UNKNOWN
        if self._unknown_word and answer.raw_status not in self._words_warned:
            self._words_warned |= {answer.raw_status}
            _logger.warning(
                "job %s reports a status this version does not know; "
                "it is taken as still going",
                self.job_id,
            )

    def _note_progress(self, answer: JobSnapshot, now: float) -> None:
        if self._started_at is None:
            self._started_at = now
        if answer.processed is None:
            return
        if self._delivering_at is None:
            self._delivering_at = self._progress_at = now
        if answer.processed > self._processed:
            self._processed = answer.processed
            self._progress_at = now

    def _correct(self, latched: JobSnapshot, answer: JobSnapshot) -> None:
        """Take over what a later answer adds to a terminal one or corrects in it.

        Only the status is latched. An answer with another status is a late one, or
        wrong, so nothing else of it is believed either.
        """
        if answer.status is not latched.status:
            self._log_once(
                "anomaly: job %s was %s and is now reported as %s; keeping %s",
                latched.status,
                brief(answer.raw_status),
                latched.status,
            )
            return
        manifest = self._corrected(latched.manifest, answer.manifest)
        corrected = attrs.evolve(
            latched,
            manifest=manifest,
            error_message=answer.error_message or latched.error_message,
            processed=_larger(answer.processed, latched.processed),
        )
        if corrected != latched:
            self.snapshot = corrected
            self.news.announce()

    def _corrected(
        self, known: Manifest | None, later: Manifest | None
    ) -> Manifest | None:
        """Return the manifest with the fields that a later one states; log changes."""
        if later is None or later == known:
            return known
        if known is None:
            return later
        stated = {
            name: value
            for name, value in attrs.asdict(later, recurse=False).items()
            if value is not None
        }
        changed = {name: getattr(known, name) for name in stated}
        for name, before in changed.items():
            if before is not None and before != stated[name]:
                self._log_once(
                    "anomaly: the manifest of job %s stated %s %s and now states %s; "
                    "the later one counts",
                    name,
                    brief(before),
                    brief(stated[name]),
                )
        return known if changed == stated else attrs.evolve(known, **stated)

    def _log_once(self, message: str, *facts: object) -> None:
        """Log a contradiction between two answers, unless it was logged before.

        Replicas that disagree may contradict each other with every page.
        """
        if facts not in self._anomalies:
            self._anomalies |= {facts}
            _logger.warning(message, self.job_id, *facts)


def _larger(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
