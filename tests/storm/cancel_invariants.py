"""Invariants about cancels, and about jobs whose callers were cancelled."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from openfunnel_async import (
    JobStatus,
    RequestTimeoutError,
    TransportError,
    WaitTimeoutError,
)
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.job_invariants import jobs_by_tag

_CURABLE = {TransportError, RequestTimeoutError}
_LONGEST_RETRY_AFTER = 100.0
_ALIVE = {JobStatus.PENDING, JobStatus.RUNNING}


def an_accepted_cancel_is_true(evidence: Evidence) -> Iterator[str]:
    """A cancel that is reported as accepted was accepted by the service.

    A 2xx proves nothing: it may come from a login page, be empty, or be about another
    job.
    """
    for handle in evidence.handles:
        for now, shown, true in handle.statuses:
            if shown is JobStatus.CANCELLING and true in _ALIVE:
                yield f"{handle.job.id} at {now:.3f}: 'cancelling', it is {true}"
    for kept in evidence.receipts:
        if kept.receipt.accepted and kept.true in _ALIVE:
            yield f"{kept.receipt}: accepted, the job is {kept.true}"


def one_handle_sends_one_cancel(evidence: Evidence) -> Iterator[str]:
    """Concurrent cancels of a handle are one request; for a terminal job there is none.

    Only jobs with one handle are checked, as handles share no cancel.
    """
    handle_counts = Counter(handle.job.id for handle in evidence.handles)
    cancels: dict[str, list[Exchange]] = {job_id: [] for job_id in handle_counts}
    for exchange in evidence.event_log.exchanges:
        if exchange.kind == "cancel" and handle_counts[exchange.job_id or ""] == 1:
            cancels[exchange.job_id or ""].append(exchange)
    for job_id, sent in cancels.items():
        for earlier, later in pairwise(sent):
            if earlier.ended_at is None or later.began < earlier.ended_at:
                yield f"{job_id}: cancels at {earlier.began:.3f} and {later.began:.3f}"
    for call in evidence.cancels_of_terminal:
        for exchange in cancels[call.job_id]:
            is_during = call.began <= exchange.began <= call.ended
            if is_during and not _was_read_after(evidence, exchange):
                yield f"{call.job_id} was terminal, a cancel at {exchange.began:.3f}"


def _was_read_after(evidence: Evidence, cancel: Exchange) -> bool:
    """Whether the job was read after the cancel, in the same moment.

    A cancel of a terminal job needs no read. One that was sent before the status was
    known does; a second caller may have come in the same moment.
    """
    exchanges = evidence.event_log.exchanges
    return any(
        later.kind == "read"
        and later.job_id == cancel.job_id
        and later.began == cancel.began
        for later in exchanges[exchanges.index(cancel) + 1 :]
    )


def a_cancel_is_not_given_up(evidence: Evidence) -> Iterator[str]:
    """Once the faults have ended and time has passed, every cancel is done.

    It is repeated while the client is open: for a block or a batch that was left, for a
    cancelled submit, and for a caller whose time has passed.
    """
    yield from _failed_early(evidence)
    after = evidence.after_recovery
    if after is None:
        return
    held_back = _delayed_jobs(evidence)
    for job_id in {*after.orphans} - held_back:
        yield f"{job_id} is an orphan after the recovery"
    for job_id in (_to_be_cancelled(evidence) & after.running) - held_back:
        yield f"{job_id} was to be cancelled and runs after the recovery"


def _delayed_jobs(evidence: Evidence) -> set[str]:
    """List the jobs that the service asked to wait for longer than the recovery.

    For the cancel, or for the read that finds its outcome.
    """
    return {
        exchange.job_id or ""
        for exchange in evidence.event_log.exchanges
        if (exchange.retry_after or 0.0) > _LONGEST_RETRY_AFTER
    }


def _failed_early(evidence: Evidence) -> Iterator[str]:
    """List cancels that failed by an error that a repetition can cure.

    A cancel that waits for the end of its job may fail by an outage of the reads.
    """
    for record in evidence.errors:
        description = record.step.description
        is_cancel = description.startswith("cancel") and "wait False" in description
        if is_cancel and record.error in _CURABLE and not evidence.is_closing:
            yield f"{description} #{record.step.number}: {record.text}"


def _to_be_cancelled(evidence: Evidence) -> set[str]:
    """List the jobs that the client has to cancel."""
    made = jobs_by_tag(evidence)
    blocks = {
        job_id
        for submission in evidence.submissions
        if submission.must_be_cancelled
        for job_id in made[submission.tag]
    }
    out_of_time = {
        record.job_id
        for record in evidence.errors
        if record.error is WaitTimeoutError
        and record.step.description.startswith("cancel")
        and record.job_id is not None
    }
    return blocks | out_of_time


def every_job_left_running_is_named(evidence: Evidence) -> Iterator[str]:
    """A job that runs when the client is closed was named to the user.

    By a handle, an error or the log; an orphan always by the log.
    """
    for job_id in evidence.orphans:
        if job_id in evidence.running and job_id not in evidence.named_jobs:
            yield f"{job_id} is an orphan, and no log record names it"
    made = jobs_by_tag(evidence)
    for submission in evidence.submissions:
        if submission.outcome in {"handle", "unknown"}:
            continue
        for job_id in evidence.running.intersection(made[submission.tag]):
            is_logged = job_id in evidence.named_jobs
            if not (is_logged or submission.step.number in evidence.warned_steps):
                yield f"{submission.tag}: {job_id} still runs, nothing names it"
