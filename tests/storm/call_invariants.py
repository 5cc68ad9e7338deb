"""Invariants about calls: their number, their time, their end."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import inf

from openfunnel_async import (
    ConfigurationError,
    CreditCapError,
    IncompleteResultsError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobNotFoundError,
    OpenFunnelError,
    RateLimitedError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
)
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.faulty_transport import MAX_EXCHANGES
from tests.storm.records import ErrorRecord
from tests.storm.row_invariants import had_gap
from tests.storm.schedule import LONGEST_SCHEDULE, MANY_CREDITS

# A take raises a JobError if its cancel was interrupted.
_CUT_OFF = {TransportError, SubmitOutcomeUnknownError, JobError}
_ROUNDING = 1e-6
_BUDGET, _EARNED = 20, 0.2


def nothing_hangs(evidence: Evidence) -> Iterator[str]:
    """A schedule ends within a limit of virtual time and of requests."""
    yield from evidence.stuck
    if len(evidence.event_log.exchanges) > MAX_EXCHANGES:
        yield f"more than {MAX_EXCHANGES} exchanges"


def a_cancelled_step_ends_cancelled(evidence: Evidence) -> Iterator[str]:
    """A cancellation is never swallowed, and none happens without a request."""
    for interruption in evidence.interruptions:
        if not interruption.ended_cancelled:
            step = interruption.step
            yield f"{step.label} ended in {step.outcome}"
    yield from (seen for seen in evidence.unexpected if "cancel" in seen)


def closing_leaves_nothing(evidence: Evidence) -> Iterator[str]:
    """After `aclose` there is no task, no exchange and no unretrieved exception."""
    yield from evidence.leftovers
    yield from evidence.loop_errors


def retries_are_bounded(evidence: Evidence) -> Iterator[str]:
    """A call is sent as often as the policy allows, with the shared retry allowance.

    No try is earlier than an answer asked for. A cancel is repeated until the time of
    its caller has passed, a submit of a batch for as long as an outage is survived. The
    429s of a submit count from the last moment at which another one was accepted.
    """
    most = evidence.schedule.retry.attempts
    for tries in _calls(evidence):
        if _most_counted(evidence, tries) >= most and not _is_patient(tries):
            seen = f"{tries[0].kind} {tries[0].job_id} at {tries[0].began:.3f}"
            yield f"{seen} was sent {len(tries)} times, {most} are allowed"
    yield from _beyond_the_budget(evidence)
    yield from _sent_too_early(evidence)


def _most_counted(evidence: Evidence, tries: list[Exchange]) -> int:
    """Return the most failures that counted when a try was repeated."""
    accepted = [
        exchange.ended_at
        for exchange in evidence.event_log.exchanges
        if exchange.kind == "submit"
        and exchange.is_received
        and (exchange.status or 0) // 100 == 2
        and exchange.ended_at is not None
    ]
    failures = refusals = most = 0
    since = -1.0
    for tried in tries[:-1]:
        ended = tried.ended_at or 0.0
        if tried.kind == "submit" and tried.is_refusal_to_serve:
            is_new = any(since <= moment <= ended for moment in accepted)
            refusals = 1 if is_new else refusals + 1
            since = ended
        else:
            failures += 1
        most = max(most, failures + refusals)
    return most


def _is_patient(tries: list[Exchange]) -> bool:
    """Whether the call may send more often than the policy says."""
    first = tries[0]
    in_batch = first.step is not None and first.step.description.startswith("run_many")
    earlier = tries[:-1]
    return first.kind == "cancel" or (
        first.kind == "submit"
        and in_batch
        and any(exchange.is_refusal_to_serve for exchange in earlier)
    )


def retries(evidence: Evidence) -> Iterator[tuple[Exchange, Exchange]]:
    """Yield each exchange that repeats another, after that other one."""
    for tries in _calls(evidence):
        yield from pairwise(tries)


def _calls(evidence: Evidence) -> Iterable[list[Exchange]]:
    """Group the exchanges by their call."""
    calls: dict[int, list[Exchange]] = defaultdict(list)
    for exchange in evidence.event_log.exchanges:
        calls[exchange.call].append(exchange)
    return calls.values()


def _beyond_the_budget(evidence: Evidence) -> Iterator[str]:
    """Count the retries that are charged: no cancel, and none after a Retry-After."""
    repeated = sum(
        earlier.kind != "cancel"
        and earlier.retry_after is None
        and not (earlier.kind == "submit" and earlier.is_refusal_to_serve)
        for earlier, _ in retries(evidence)
    )
    earned = sum(
        exchange.is_sound or (exchange.is_received and exchange.kind == "cancel")
        for exchange in evidence.event_log.exchanges
    )
    if repeated > _BUDGET + _EARNED * earned:
        yield f"{repeated} retries after {earned} answers"


def _sent_too_early(evidence: Evidence) -> Iterator[str]:
    """Find requests of one loop that are earlier than an answer asked for."""
    not_before: dict[tuple[object, ...], float] = {}
    longest = evidence.schedule.retry.max_retry_after
    steps: dict[tuple[object, ...], object] = {}
    for exchange in evidence.event_log.exchanges:
        # The job as well, as the tasks of a batch have one name. A Retry-After of a
        # read does not delay a cancel.
        who = (exchange.task, exchange.job_id, exchange.kind == "cancel")
        if exchange.step is not None and steps.get(who) is not exchange.step:
            # The next step of the task; a shared request has no step.
            steps[who] = exchange.step
            not_before.pop(who, None)
        if exchange.began < not_before.get(who, 0.0) - _ROUNDING:
            seen = f"{exchange.kind} at {exchange.began:.3f}"
            yield f"{seen}, asked to wait to {not_before[who]:.3f}"
        if exchange.retry_after is not None and exchange.ended_at is not None:
            if exchange.step is None and exchange.retry_after > longest:
                # It ended the shared request; the next one is independent.
                continue
            not_before[who] = exchange.ended_at + exchange.retry_after


def a_429_delays_all_submits(evidence: Evidence) -> Iterator[str]:
    """After a 429 no submit of the client is earlier than the answer asked for."""
    submits = [e for e in evidence.event_log.exchanges if e.kind == "submit"]
    refused = [e for e in submits if e.is_refusal_to_serve and e.retry_after]
    for refusal in refused:
        ended = refusal.ended_at or 0.0
        until = ended + (refusal.retry_after or 0.0)
        for submit in submits:
            if ended + _ROUNDING < submit.began < until - _ROUNDING:
                seen = f"{submit.tag} sent at {submit.began:.3f}"
                yield f"{seen}, {refusal.tag} was asked to wait to {until:.3f}"


def only_own_errors_are_raised(evidence: Evidence) -> Iterator[str]:
    """A public call raises OpenFunnelError or is cancelled, and nothing else."""
    yield from evidence.foreign_exceptions


def the_key_stays_in_its_header(evidence: Evidence) -> Iterator[str]:
    """The key goes to the origin, in its header, and appears nowhere else."""
    yield from evidence.key_faults


def errors_are_declared_and_have_a_cause(evidence: Evidence) -> Iterator[str]:
    """Only declared errors are raised, and only after a fault."""
    yield from (seen for seen in evidence.unexpected if "cancel" not in seen)
    for submission in evidence.submissions:
        if submission.outcome == "under way" and not evidence.stuck:
            yield f"{submission.tag}: a submit ended in {submission.step.outcome}"
    for record in evidence.errors:
        step = record.step
        if not _has_cause(evidence, record):
            yield f"{step.label}: {record.error.__name__} without a cause"
        elif not _was_tried(evidence, record):
            yield f"{step.label}: failed, and no cancel was ever sent"


def _has_cause(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether the error was due, or a fault happened that may have caused it.

    Rows that contradict the manifest and invalid arguments are never drawn.
    """
    jobs, schedule = evidence.service.jobs, evidence.schedule
    view = jobs.get(record.job_id or "")
    ends = None if view is None else view.ends
    # A closed client sends nothing and cancels its requests.
    cut_off = schedule.closing == "early"
    description = record.step.description
    known = {
        IncompleteResultsError: had_gap(evidence, record.job_id or ""),
        ConfigurationError: cut_off,
        CreditCapError: description.startswith("run_many"),
        InvalidResponseError: _was_misled(evidence, record),
        OpenFunnelError: _follows_another(evidence, record)
        or (cut_off and "the client was closed" in record.text),
        WaitTimeoutError: True,
        JobFailedError: ends == "failed",
        JobCancelledError: ends == "cancelled",
    }
    if record.error in known:
        return known[record.error]
    short_of_credits = schedule.credits < MANY_CREDITS
    return (
        (record.error is InsufficientCreditsError and short_of_credits)
        or (record.error is RateLimitedError and schedule.rate_limit is not None)
        or (record.error in _CUT_OFF and cut_off)
        or (record.error is JobNotFoundError and schedule.is_slow_to_show)
        or any(
            exchange.plan.name != "no fault"
            for exchange in evidence.event_log.exchanges
        )
    )


def _was_misled(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether the step got a misleading answer; informative fields do not count."""
    step, exchanges = record.step, evidence.event_log.exchanges
    ended = inf if step.ended is None else step.ended
    return any(
        exchange.plan.is_misleading
        # A shared request has no step.
        and (exchange.step is step or exchange.step is None)
        and step.began <= (exchange.ended_at or inf)
        and exchange.began <= ended
        for exchange in exchanges
    )


def _follows_another(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether another error was recorded for the same step."""
    return any(
        other.step is record.step and other.error is not record.error
        for other in evidence.errors
    )


def _was_tried(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether a failed cancel was sent, by this step or by one that it joined."""
    step, exchanges = record.step, evidence.event_log.exchanges
    # A closed client, which raises a ConfigurationError, sends none.
    has_own_cause = record.error in {WaitTimeoutError, ConfigurationError}
    if not step.description.startswith("cancel") or has_own_cause:
        return True
    cancelling = {
        exchange.task
        for exchange in exchanges
        if exchange.kind == "cancel" and (exchange.job_id or "")[:8] in step.description
    }
    # A cancel that was joined may already be reading the status after a 409, or be
    # waiting as an answer asked for.
    return any(
        exchange.task in cancelling
        and (exchange.ended_at or LONGEST_SCHEDULE) + (exchange.retry_after or 0.0)
        >= step.began
        for exchange in exchanges
    )
