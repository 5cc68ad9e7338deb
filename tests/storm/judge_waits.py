"""Invariants about the time that calls take, and the failures that they survive."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from math import inf

from openfunnel_async import (
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WaitTimeoutError,
)
from tests.storm.diary import Exchange
from tests.storm.evidence import Evidence
from tests.storm.notes import Complaint, Wait

_ROUNDING = 1e-6
_CURABLE = {TransportError, RequestTimeoutError, ServerError, RateLimitedError}
# Quick retries of a whole schedule that never use the allowance up.
_SAFE_RETRIES = 15
_SINGLE_READS = ("poll", "fetch", "balance")


def a_wait_ends_in_time(evidence: Evidence) -> Iterator[str]:
    """A call ends when its time is over, and a wait soon after its job is terminal.

    Soon is one pause and two round trips, if nothing went wrong on the way.
    """
    for wait in evidence.waits:
        step = wait.step
        if step.ended is None or step.left_at is not None:
            continue
        due = inf if wait.timeout is None else step.began + wait.timeout
        if step.ended > due + _ROUNDING:
            yield f"{step.words} #{step.number}: due {due:.3f}, ended {step.ended:.3f}"
        if wait.is_for_status:
            yield from _ended_late(evidence, wait, step.ended)
    for complaint in evidence.complaints:
        step = complaint.step
        waits = [w for w in evidence.waits if w.step is step and w.is_for_status]
        for wait in waits if complaint.error is WaitTimeoutError else ():
            due = step.began + (wait.timeout or 0.0)
            if step.ended is not None and step.ended < due - _ROUNDING:
                yield f"{step.words} #{step.number}: timed out at {step.ended:.3f}"


def _ended_late(evidence: Evidence, wait: Wait, ended: float) -> Iterator[str]:
    """Check a wait against the moment at which its job became terminal."""
    schedule, step = evidence.schedule, wait.step
    polling, slowest = schedule.polling, 3 * schedule.slowness
    terminal_at = max(step.began, evidence.service.jobs[wait.held.job.id].ends_at)
    allowed = polling.longest * (1 + polling.jitter) + 2 * slowest
    if ended <= terminal_at + allowed + _ROUNDING:
        return
    since = terminal_at - allowed
    is_fair = schedule.max_polls_per_second is None and all(
        exchange.fate.name == "fair" and exchange.status == 200
        for exchange in evidence.diary.exchanges
        if exchange.began <= ended
        and (exchange.ended_at is None or exchange.ended_at >= since)
    )
    if is_fair:
        yield f"{step.words} #{step.number}: {ended - terminal_at:.3f} s late"


def an_outage_is_survived(evidence: Evidence) -> Iterator[str]:
    """A wait or a stream fails only after an outage, or by a long Retry-After.

    The steps of a handle are judged; a stream that does not follow survives nothing.
    """
    follows = {r.step.number for r in evidence.readings if r.follow}
    follows |= {w.step.number for w in evidence.waits if w.is_for_status}
    by_step = {number: held for held in evidence.held for number in held.steps}
    for complaint in evidence.complaints:
        step = complaint.step
        held = by_step.get(step.number)
        is_judged = complaint.error in _CURABLE and step.number in follows
        # A take sends a cancel as well, which has a time of its own.
        if held is None or not is_judged or step.words.startswith("take"):
            continue
        if evidence.schedule.closing == "early":
            continue
        if not _had_outage(evidence, complaint, held.job.id):
            yield f"{step.words} #{step.number}: gave up, {complaint.text[:60]}"


def _had_outage(evidence: Evidence, complaint: Complaint, job_id: str) -> bool:
    """Whether reads failed for long enough, or were asked to wait for too long."""
    policy, step = evidence.schedule.retry, complaint.step
    by_task: dict[str, list[Exchange]] = {}
    for exchange in evidence.diary.exchanges:
        is_own = exchange.step in {None, step} and exchange.job_id == job_id
        is_later = step.ended is not None and exchange.began > step.ended
        if is_own and exchange.kind == "read" and not is_later:
            by_task.setdefault(exchange.task, []).append(exchange)
    for reads in by_task.values():
        if any(read.asked for read in reads):
            return True
        failed = list(takewhile(lambda e: not e.is_sound, reversed(reads)))
        if failed:
            lasted = (failed[0].ended_at or 0.0) - (failed[-1].ended_at or 0.0)
            if lasted >= policy.outage - _ROUNDING:
                return True
    return False


def a_read_is_tried_as_often_as_its_policy_says(evidence: Evidence) -> Iterator[str]:
    """A single read fails only after all its attempts, while retries are left."""
    if evidence.schedule.closing == "early" or _retries(evidence) > _SAFE_RETRIES:
        return
    attempts = evidence.schedule.retry.attempts
    for complaint in evidence.complaints:
        step = complaint.step
        is_single = step.words.startswith(_SINGLE_READS) and step.left_at is None
        if not is_single or complaint.error not in _CURABLE:
            continue
        tries = _last_call(evidence, complaint)
        if len(tries) < attempts and not any(each.asked for each in tries):
            yield f"{step.words} #{step.number}: {len(tries)} tries of {attempts}"


def _retries(evidence: Evidence) -> int:
    """Count the requests that repeat another, of whatever kind."""
    exchanges = sorted(evidence.diary.exchanges, key=lambda each: each.call)
    return sum(a.call == b.call for a, b in pairwise(exchanges))


def _last_call(evidence: Evidence, complaint: Complaint) -> Sequence[Exchange]:
    own = [e for e in evidence.diary.exchanges if e.step is complaint.step]
    return [e for e in own if e.call == own[-1].call]
