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
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.records import ErrorRecord, Wait

_ROUNDING = 1e-6
_CURABLE = {TransportError, RequestTimeoutError, ServerError, RateLimitedError}
# A schedule with no more retries than these never uses the allowance up.
_SAFE_RETRIES = 15
_SINGLE_READS = ("poll", "fetch", "balance")


def a_wait_ends_in_time(evidence: Evidence) -> Iterator[str]:
    """A call ends at its timeout, and a wait soon after its job is terminal.

    Soon means after one pause and two round trips, if there was no fault.
    """
    for wait in evidence.waits:
        step = wait.step
        if step.ended is None or step.cancelled_at is not None:
            continue
        due = inf if wait.timeout is None else step.began + wait.timeout
        if step.ended > due + _ROUNDING:
            yield f"{step.label}: due {due:.3f}, ended {step.ended:.3f}"
        if wait.is_for_status:
            yield from _ended_late(evidence, wait, step.ended)
    for record in evidence.errors:
        step = record.step
        waits = [w for w in evidence.waits if w.step is step and w.is_for_status]
        for wait in waits if record.error is WaitTimeoutError else ():
            due = step.began + (wait.timeout or 0.0)
            if step.ended is not None and step.ended < due - _ROUNDING:
                yield f"{step.label}: timed out at {step.ended:.3f}"


def _next_allowed(exchange: Exchange) -> float:
    """Return when a request may follow: a Retry-After gets up to a tenth on top."""
    return (exchange.ended_at or 0.0) + 1.1 * (exchange.retry_after or 0.0) + 0.1


def _ended_late(evidence: Evidence, wait: Wait, ended: float) -> Iterator[str]:
    """Check a wait against the moment at which its job became terminal."""
    schedule, step = evidence.schedule, wait.step
    polling, slowest = schedule.polling, 3 * schedule.latency
    terminal_at = max(step.began, evidence.service.jobs[wait.handle.job.id].ends_at)
    allowed = polling.longest * (1 + polling.jitter) + 2 * slowest
    if ended <= terminal_at + allowed + _ROUNDING:
        return
    since = terminal_at - allowed
    is_fair = schedule.max_polls_per_second is None and all(
        exchange.plan.name == "no fault" and exchange.status == 200
        for exchange in evidence.event_log.exchanges
        if exchange.began <= ended
        and (exchange.ended_at is None or _next_allowed(exchange) >= since)
    )
    if is_fair:
        yield f"{step.label}: {ended - terminal_at:.3f} s late"


def an_outage_is_survived(evidence: Evidence) -> Iterator[str]:
    """A wait or a stream fails only after an outage, or by a long Retry-After.

    The steps of one handle are checked; a stream that does not follow is excepted.
    """
    follows = {r.step.number for r in evidence.readings if r.follow}
    follows |= {w.step.number for w in evidence.waits if w.is_for_status}
    by_step = {number: handle for handle in evidence.handles for number in handle.steps}
    for record in evidence.errors:
        step = record.step
        handle = by_step.get(step.number)
        is_judged = record.error in _CURABLE and step.number in follows
        # A take also sends a cancel, which has its own time limit.
        if handle is None or not is_judged or step.description.startswith("take"):
            continue
        if evidence.schedule.closing == "early":
            continue
        if not _had_outage(evidence, record, handle.job.id):
            yield f"{step.label}: gave up, {record.text[:60]}"


def _had_outage(evidence: Evidence, record: ErrorRecord, job_id: str) -> bool:
    """Whether reads failed for long enough, or were asked to wait for too long."""
    policy, step = evidence.schedule.retry, record.step
    # The status may be read beside a page, which has an outage of its own.
    by_task: dict[tuple[str, str | None], list[Exchange]] = {}
    for exchange in evidence.event_log.exchanges:
        is_own = exchange.step in {None, step} and exchange.job_id == job_id
        is_later = step.ended is not None and exchange.began > step.ended
        if is_own and exchange.kind == "read" and not is_later:
            for cursor in {None, dict(exchange.query).get("cursor")}:
                by_task.setdefault((exchange.task, cursor), []).append(exchange)
    for reads in by_task.values():
        if any(read.retry_after for read in reads):
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
    for record in evidence.errors:
        step = record.step
        is_single = (
            step.description.startswith(_SINGLE_READS) and step.cancelled_at is None
        )
        if not is_single or record.error not in _CURABLE:
            continue
        tries = _last_call(evidence, record)
        if len(tries) < attempts and not any(each.retry_after for each in tries):
            yield f"{step.label}: {len(tries)} tries of {attempts}"


def _retries(evidence: Evidence) -> int:
    """Count the requests that repeat another, of whatever kind."""
    exchanges = sorted(evidence.event_log.exchanges, key=lambda each: each.call)
    return sum(a.call == b.call for a, b in pairwise(exchanges))


def _last_call(evidence: Evidence, record: ErrorRecord) -> Sequence[Exchange]:
    own = [e for e in evidence.event_log.exchanges if e.step is record.step]
    return [e for e in own if e.call == own[-1].call]
