"""Invariants about calls: how often, how long, how they end."""

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

# A take says by a JobError that its cancel was cut off.
_CUT_OFF = {TransportError, SubmitOutcomeUnknownError, JobError}
_ROUNDING = 1e-6
_BUDGET, _EARNED = 20, 0.2


def nothing_hangs(evidence: Evidence) -> Iterator[str]:
    """The schedule is over within its bound of virtual time and of requests."""
    yield from evidence.stuck
    if len(evidence.event_log.exchanges) > MAX_EXCHANGES:
        yield f"more than {MAX_EXCHANGES} exchanges"


def a_cancelled_step_ends_cancelled(evidence: Evidence) -> Iterator[str]:
    """A cancellation is never swallowed, and none comes out of nowhere."""
    for interruption in evidence.interruptions:
        if not interruption.ended_cancelled:
            step = interruption.step
            yield f"{step.description} #{step.number} ended in {step.outcome}"
    yield from (seen for seen in evidence.unexpected if "cancel" in seen)


def closing_leaves_nothing(evidence: Evidence) -> Iterator[str]:
    """After `aclose` no task, no exchange, and no error that nobody looked at."""
    yield from evidence.leftovers
    yield from evidence.loop_errors


def retries_are_bounded(evidence: Evidence) -> Iterator[str]:
    """A call sends as often as its policy says, a client as its budget allows.

    And no earlier than an answer asked for. A cancel is repeated until its caller's
    time has passed, and the submit of a batch for as long as an outage is survived.
    """
    most = evidence.schedule.retry.attempts
    for tries in _calls(evidence):
        if len(tries) > most and not _is_patient(tries):
            seen = f"{tries[0].kind} {tries[0].job_id} at {tries[0].began:.3f}"
            yield f"{seen} was sent {len(tries)} times of {most}"
    yield from _beyond_the_budget(evidence)
    yield from _sent_too_early(evidence)


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
    """Give each exchange that repeats another, after that other."""
    for tries in _calls(evidence):
        yield from pairwise(tries)


def _calls(evidence: Evidence) -> Iterable[list[Exchange]]:
    """Sort exchanges by the call that they are tries of."""
    calls: dict[int, list[Exchange]] = defaultdict(list)
    for exchange in evidence.event_log.exchanges:
        calls[exchange.call].append(exchange)
    return calls.values()


def _beyond_the_budget(evidence: Evidence) -> Iterator[str]:
    """Count what is charged: no cancel, and nothing that an answer asked for."""
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
    """Look for requests of one loop that come before the time asked for."""
    not_before: dict[tuple[object, ...], float] = {}
    longest = evidence.schedule.retry.max_retry_after
    steps: dict[tuple[object, ...], object] = {}
    for exchange in evidence.event_log.exchanges:
        # The job as well: the tasks of a batch have one name. And a cancel is not held
        # up by what a read was answered.
        who = (exchange.task, exchange.job_id, exchange.kind == "cancel")
        if exchange.step is not None and steps.get(who) is not exchange.step:
            # A task's next step; a reading that others share is of no step.
            steps[who] = exchange.step
            not_before.pop(who, None)
        if exchange.began < not_before.get(who, 0.0) - _ROUNDING:
            seen = f"{exchange.kind} at {exchange.began:.3f}"
            yield f"{seen}, asked to wait to {not_before[who]:.3f}"
        if exchange.retry_after is not None and exchange.ended_at is not None:
            if exchange.step is None and exchange.retry_after > longest:
                # It ended what was shared; the next reading is asked for anew.
                continue
            not_before[who] = exchange.ended_at + exchange.retry_after


def a_429_delays_all_submits(evidence: Evidence) -> Iterator[str]:
    """After a 429 no submit of the client comes before the time it asked for."""
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
    """The key goes to the origin, in its header, and shows nowhere else."""
    yield from evidence.key_faults


def errors_are_declared_and_have_a_cause(evidence: Evidence) -> Iterator[str]:
    """Only errors of the tree come out, and none without something gone wrong."""
    yield from (seen for seen in evidence.unexpected if "cancel" not in seen)
    for submission in evidence.submissions:
        if submission.outcome == "under way" and not evidence.stuck:
            yield f"{submission.tag}: a submit ended in {submission.step.outcome}"
    for record in evidence.errors:
        step = record.step
        if not _has_cause(evidence, record):
            yield f"{step.description} #{step.number}: {record.error.__name__} for nothing"
        elif not _was_tried(evidence, record):
            yield f"{step.description} #{step.number}: failed, and no cancel was ever sent"


def _has_cause(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether the error had to come, or something went wrong that may have led to it.

    Rows that do not add up and arguments that cannot be right were never dealt.
    """
    jobs, schedule = evidence.service.jobs, evidence.schedule
    view = jobs.get(record.job_id or "")
    ends = None if view is None else view.ends
    # A closed client sends nothing, and breaks off what is under way.
    cut_off = schedule.closing == "early"
    description = record.step.description
    known = {
        IncompleteResultsError: had_gap(evidence, record.job_id or ""),
        ConfigurationError: cut_off,
        CreditCapError: description.startswith("run_many"),
        InvalidResponseError: _was_spoiled(evidence, record),
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


def _was_spoiled(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether the step got an answer that cannot be trusted; odd fields can be."""
    step, exchanges = record.step, evidence.event_log.exchanges
    ended = inf if step.ended is None else step.ended
    return any(
        exchange.plan.is_misleading
        # A reading that others share is of no step.
        and (exchange.step is step or exchange.step is None)
        and step.began <= (exchange.ended_at or inf)
        and exchange.began <= ended
        for exchange in exchanges
    )


def _follows_another(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether something else went wrong with the same step."""
    return any(
        other.step is record.step and other.error is not record.error
        for other in evidence.errors
    )


def _was_tried(evidence: Evidence, record: ErrorRecord) -> bool:
    """Whether a cancel that failed was sent at all, by this step or one it joined."""
    step, exchanges = record.step, evidence.event_log.exchanges
    if not step.description.startswith("cancel") or record.error is WaitTimeoutError:
        return True
    cancelling = {
        exchange.task
        for exchange in exchanges
        if exchange.kind == "cancel" and (exchange.job_id or "")[:8] in step.description
    }
    # One that was joined may by now only be looking at what its 409 meant, or be
    # sitting out the time that it was asked to wait.
    return any(
        exchange.task in cancelling
        and (exchange.ended_at or LONGEST_SCHEDULE) + (exchange.retry_after or 0.0)
        >= step.began
        for exchange in exchanges
    )
