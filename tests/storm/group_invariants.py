"""Invariants about several jobs: batches, and waits for several handles."""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import inf

from openfunnel_async import JobFailedError, RateLimitedError
from openfunnel_async.sandbox import JobView
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.job_invariants import jobs_by_tag, tries_by_tag
from tests.storm.records import Batch, GroupWait, Submission
from tests.support.stakes import most_at_once, most_committed

# 5 s to read a submit that was sent and 10 s to cancel the job it made.
_ENDS_WITHIN = 15.0
_ROUNDING = 1e-6


def a_batch_stays_under_its_cap(evidence: Evidence) -> Iterator[str]:
    """What the jobs have billed and may bill is never more than the cap."""
    for batch in evidence.batches:
        at_risk = most_committed(_jobs_of(evidence, batch.submissions))
        if batch.max_credits is not None and at_risk > batch.max_credits:
            yield f"{_name(batch)}: {at_risk:g} credits were at risk"


def a_batch_keeps_to_its_slots(evidence: Evidence) -> Iterator[str]:
    """Of the jobs that were read to their end, at most ``max_active`` lived at once.

    A job whose reading ended early, or whose id is not known, may continue.
    """
    for batch in evidence.batches:
        reported = zip(batch.submissions, batch.outcomes, strict=False)
        read = [
            submission
            for submission, outcome in reported
            if outcome.result is not None or isinstance(outcome.error, JobFailedError)
        ]
        active = most_at_once(_jobs_of(evidence, read))
        if active > batch.max_active:
            yield f"{_name(batch)}: {active} were active"


def a_slot_is_kept_while_its_job_runs(evidence: Evidence) -> Iterator[str]:
    """At most ``max_active`` jobs of a batch run at once.

    A job that was given up counts until its cancel is accepted. Only a submit of
    unknown outcome has no slot.
    """
    for batch in evidence.batches:
        tries = _tries_of(evidence, batch)
        known = [
            submission
            for submission in batch.submissions
            if any(_has_id(exchange) for exchange in tries[submission.tag])
        ]
        running = _most_running(evidence, known)
        if running > batch.max_active:
            yield f"{_name(batch)}: {running} ran at once"


def _most_running(evidence: Evidence, submissions: list[Submission]) -> int:
    """Count the jobs that were pending or running at the same moment, at most."""
    spans = [
        (job.created_at, min(job.ends_at, _accepted_at(job)))
        for job in _jobs_of(evidence, submissions)
    ]
    return max((sum(a <= at < b for a, b in spans) for at, _ in spans), default=0)


def _accepted_at(job: JobView) -> float:
    """Return when the service accepted a cancel of the job."""
    return job._job.cancelled_at


def no_search_is_lost_to_a_rate_limit(evidence: Evidence) -> Iterator[str]:
    """A batch fails a search by a 429 only after an outage.

    That is after 429s without a break for that long, or one that asked for longer.
    """
    outage = evidence.schedule.retry.outage
    for batch in evidence.batches:
        tries = _tries_of(evidence, batch)
        for submission, outcome in zip(batch.submissions, batch.outcomes, strict=False):
            if not isinstance(outcome.error, RateLimitedError) or outcome.job:
                continue
            if not _was_an_outage(evidence, batch, tries[submission.tag], outage):
                yield f"{_name(batch)}: {submission.tag} was lost to a 429"


def _was_an_outage(
    evidence: Evidence, batch: Batch, tries: list[Exchange], outage: float
) -> bool:
    """Whether the 429s lasted, or asked to wait, for longer than an outage."""
    began = min((t.ended_at or t.began for t in tries), default=batch.step.began)
    ended = evidence.ended if batch.step.ended is None else batch.step.ended
    limits = [
        exchange
        for exchange in evidence.event_log.exchanges
        if exchange.kind == "submit" and exchange.is_refusal_to_serve
    ]
    delayed = [(e.ended_at or 0.0) + (e.retry_after or 0.0) for e in limits]
    # A pause without a Retry-After is at most half a minute long.
    return any(until - began >= outage - 30 for until in delayed) and (
        ended - began >= outage - _ROUNDING
        or any(until - began >= outage - _ROUNDING for until in delayed)
    )


def every_outcome_is_returned(evidence: Evidence) -> Iterator[str]:
    """Each search has its outcome, in order; each handle is returned once."""
    for batch in evidence.batches:
        if batch.end == "raised":
            yield f"{_name(batch)} raised {batch.step.outcome}"
        if batch.end != "returned":
            continue
        searches = [submission.search for submission in batch.submissions]
        reported = [outcome.search for outcome in batch.outcomes]
        if [*map(id, reported)] != [*map(id, searches)]:
            yield f"{_name(batch)}: {len(reported)} outcomes, or not in their order"
        for place, outcome in enumerate(batch.outcomes):
            if (outcome.result is None) == (outcome.error is None):
                yield f"{_name(batch)}: outcome {place} has both or neither"
    for group in evidence.groups:
        yield from _missing_of(group)


def _missing_of(group: GroupWait) -> Iterator[str]:
    expected, reported = Counter(group.expected), Counter(group.reported)
    if group.end == "left":
        lost = not reported <= expected
    elif group.kind == "as_completed":
        lost = reported != expected
    else:
        lost = group.reported != group.expected
    if lost:
        seen = f"{len(group.reported)} of {len(expected)} returned"
        yield f"{group.step.label}: {seen}"


def a_failure_cancels_the_rest(evidence: Evidence) -> Iterator[str]:
    """If one failure is to cancel the rest, it does, at once and before the end."""
    for batch in evidence.batches:
        if not (batch.cancels_rest and batch.has_failed):
            continue
        known = {submission.job_id for submission in batch.submissions}
        for job_id in (batch.running & known) - batch.orphans:
            yield f"{_name(batch)} returned and {job_id} runs"
        failed_at = _failed_at(evidence, batch)
        for job_id in _not_cancelled_by(evidence, batch, failed_at):
            yield f"{_name(batch)}: failed at {failed_at:.3f}, {job_id} still ran"
        for tag, tries in _tries_of(evidence, batch).items():
            if tries and tries[0].began > failed_at + _ROUNDING:
                yield f"{_name(batch)}: failed at {failed_at:.3f}, submitted {tag}"


def group_waits_end_in_time(evidence: Evidence) -> Iterator[str]:
    """A group wait ends when it is cancelled, and at its timeout."""
    for group in evidence.groups:
        step = group.step
        due = inf if step.cancelled_at is None else step.cancelled_at
        if group.kind == "wait_all" and group.timeout is not None:
            due = min(due, step.began + group.timeout)
        if step.ended is not None and step.ended > due + _ROUNDING:
            seen = f"due at {due:.3f}, ended at {step.ended:.3f}"
            yield f"{step.label}: {seen}"


def a_cancelled_batch_cancels_its_jobs(evidence: Evidence) -> Iterator[str]:
    """A cancelled batch cancels its jobs at once, and ends in time."""
    for batch in evidence.batches:
        left, ended = batch.step.cancelled_at, batch.step.ended
        if batch.end != "left" or left is None or ended is None:
            continue
        if ended > left + _ENDS_WITHIN + _ROUNDING:
            yield f"{_name(batch)}: cancelled at {left:.3f}, ended at {ended:.3f}"
        for job_id in _not_cancelled_by(evidence, batch, left):
            yield f"{_name(batch)}: cancelled at {left:.3f}, {job_id} not cancelled"


def _failed_at(evidence: Evidence, batch: Batch) -> float:
    """Return the latest moment at which the batch knew of a failure.

    A failed job is known once its rows are read, and an unreadable one when its
    cancel is sent. A failed submit cannot be seen from outside.
    """
    ids = {submission.job_id for submission in batch.submissions} - {None}
    moments: list[float] = [
        exchange.began
        for exchange in evidence.event_log.exchanges
        if exchange.kind == "cancel"
        and exchange.job_id in ids
        and exchange.began < (batch.step.ended or inf)
    ]
    for submission, outcome in zip(batch.submissions, batch.outcomes, strict=False):
        if isinstance(outcome.error, JobFailedError):
            reads = [
                exchange.ended_at
                for exchange in evidence.event_log.exchanges
                if exchange.job_id == submission.job_id
                and exchange.kind == "read"
                # A shared request has no step; no other step knows the job yet.
                and (exchange.ended_at or inf) <= (batch.step.ended or inf)
            ]
            moments.append(max(at for at in reads if at is not None))
    return min(moments, default=inf)


def _not_cancelled_by(evidence: Evidence, batch: Batch, moment: float) -> Iterator[str]:
    """List the jobs without a cancel at that moment, or once they were known."""
    jobs, made = evidence.service.jobs, jobs_by_tag(evidence)
    for tag, tries in _tries_of(evidence, batch).items():
        is_received = [t for t in tries if _has_id(t)]
        for job_id in made[tag] if is_received else ():
            known = max(moment, *(t.ended_at or inf for t in is_received))
            cancels = [
                exchange.began
                for exchange in evidence.event_log.exchanges
                if exchange.kind == "cancel" and exchange.job_id == job_id
            ]
            too_late = min(cancels, default=inf) > known + _ROUNDING
            if too_late and jobs[job_id].ends_at > known:
                yield job_id


def _tries_of(evidence: Evidence, batch: Batch) -> dict[str, list[Exchange]]:
    """List the exchanges of each submit of a batch, oldest first."""
    tries = tries_by_tag(evidence)
    return {s.tag: tries[s.tag] for s in batch.submissions}


def _has_id(exchange: Exchange) -> bool:
    return exchange.is_sound and (exchange.status or 0) // 100 == 2


def _jobs_of(evidence: Evidence, submissions: Iterable[Submission]) -> list[JobView]:
    jobs, made = evidence.service.jobs, jobs_by_tag(evidence)
    return [jobs[job_id] for s in submissions for job_id in made[s.tag]]


def _name(batch: Batch) -> str:
    return f"{batch.step.label}"
