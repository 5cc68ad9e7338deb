"""Counts of events: a run in which too little happens proves nothing."""

from collections import Counter
from collections.abc import Iterable

import attrs

from openfunnel_async import CreditCapError
from openfunnel_async.book import EntryState
from openfunnel_async.sandbox import EmptyAnswer, LoginPage, OtherJob
from tests.storm.book_records import query_of
from tests.storm.call_invariants import retries
from tests.storm.event_log import EventLog, Exchange
from tests.storm.evidence import Evidence
from tests.storm.invariants import Violation
from tests.storm.job_invariants import jobs_by_tag
from tests.storm.plan_generator import FAULTS_BY_KIND
from tests.storm.row_invariants import had_gap
from tests.storm.schedule import OUTAGES

Counts = Counter[str]
_TOO_MANY = 429

# The fewest events in 1,000 schedules: about a third of their usual number.
MINIMUM: dict[str, int] = {
    "arrived after their client stopped waiting": 130,
    "bills stated after a gap": 20,
    "as_completed: all": 40,
    "as_completed: returned": 70,
    "as_completed: left": 40,
    "batches that cancelled the rest": 60,
    "batches under a cap": 190,
    "batches: left": 100,
    "batches: returned": 170,
    "blocks that cancelled their job": 90,
    "book: batches under a cap": 20,
    "book: crashes": 45,
    "book: entries settled": 110,
    "book: rows checked": 7000,
    "book: submits again, as a person said": 2,
    "book: unknown submits with a job": 11,
    "cancels answered 409": 90,
    "cancels without effect answered 2xx": 45,
    "cancels after the recovery": 20,
    "error: InsufficientCreditsError": 30,
    "error: RateLimitedError": 20,
    "foreign exceptions to submits": 40,
    "ids read from a broken answer": 12,
    "jobs of cancelled callers with a warning only": 6,
    "orphans": 12,
    "refused by the rate limit: read": 60,
    "refused by the rate limit: submit": 60,
    "schedules with a recovery": 200,
    "receipts of jobs already terminal": 250,
    "receipts: cancelled": 150,
    "receipts: cancelling": 120,
    "receipts: failed": 40,
    "jobs of cancelled callers that were cancelled": 120,
    "retries after 429: cancel": 6,
    "retries after 429: submit": 20,
    "retries after a Retry-After": 60,
    "retries: cancel": 50,
    "retries: submit": 50,
    "rows checked": 20_000,
    "steps cancelled": 500,
    "searches over the cap": 70,
    "streams: failed": 70,
    "streams: normal": 400,
    "submits: not sent": 8,
    "unknown outcomes with a job": 100,
    "wait_all: returned": 90,
    "wait_all: left": 25,
    **{f"exchanges: {name}": 10 for name in OUTAGES},
    **{
        f"exchanges: {name}": 10
        for faults in FAULTS_BY_KIND.values()
        for name in faults
    },
}


@attrs.frozen
class ScheduleResult:
    """The result of one schedule."""

    seed: int
    violations: tuple[Violation, ...]
    counts: Counts
    event_log: EventLog

    @property
    def lines(self) -> list[str]:
        """Return the schedule, one line an event."""
        return self.event_log.lines()


@attrs.define
class Totals:
    """The results of many schedules."""

    counts: Counts = attrs.field(factory=Counts)
    violations: list[tuple[int, Violation]] = attrs.field(
        factory=list[tuple[int, Violation]]
    )

    def add(self, other: "Totals") -> None:
        """Add the results of other schedules."""
        self.counts.update(other.counts)
        self.violations += other.violations


def add_up(results: Iterable[ScheduleResult]) -> Totals:
    """Add up the results of schedules."""
    seen = Totals()
    for result in results:
        seen.counts.update(result.counts)
        seen.violations += [(result.seed, v) for v in result.violations]
    return seen


def missing_events(counts: Counts) -> list[str]:
    """List the events that happened too rarely to prove anything."""
    if counts["schedules"] < 1000:
        return []
    times = counts["schedules"] // 1000
    return [
        f"{counts[name]} {name}, expected at least {least * times}"
        for name, least in MINIMUM.items()
        if counts[name] < least * times
    ]


def count_events(evidence: Evidence) -> Counts:
    """Count the events of one schedule."""
    counts = Counts(schedules=1)
    counts["virtual seconds"] = round(evidence.ended)
    counts["jobs"] = len(evidence.service.jobs)
    counts["orphans"] = len(evidence.orphans)
    counts["warnings"] = evidence.warnings
    counts["arrived after their client stopped waiting"] = evidence.late
    counts["schedules with a recovery"] += evidence.after_recovery is not None
    _count_exchanges(evidence, counts)
    _count_submits(evidence, counts)
    _count_steps(evidence, counts)
    _count_many(evidence, counts)
    return counts


def count_book_events(evidence: Evidence) -> Counts:
    """Count the events of a schedule with a Book."""
    counts = Counts({"book: schedules": 1})
    book = evidence.book
    if book is None or not book.views:
        return counts
    counts["book: crashes"] = book.crashes
    counts["book: lives"] = book.lives.total()
    counts["book: batches under a cap"] = book.cap is not None
    counts["book: jobs"] = len(evidence.service.jobs)
    counts["book: submits"] = sum(e.tag is not None for e in _sent(evidence))
    counts["book: submits again, as a person said"] = book.resolved.total()
    counts["book: rows checked"] = sum(map(len, book.last.rows.values()))
    for entry in book.last.entries:
        counts[f"book: entries {entry.state}"] += 1
    counts["book: unknown submits with a job"] = sum(
        entry.state is EntryState.UNKNOWN and bool(book.last.made.get(query_of(entry)))
        for entry in book.last.entries
    )
    return counts


def _sent(evidence: Evidence) -> list[Exchange]:
    return [e for e in evidence.event_log.exchanges if e.sent_at is not None]


def _count_exchanges(evidence: Evidence, counts: Counts) -> None:
    for exchange in evidence.event_log.exchanges:
        counts["requests"] += 1
        counts[f"exchanges: {exchange.plan.name}"] += 1
        counts[f"requests: {exchange.kind}"] += 1
        if (
            exchange.kind == "cancel"
            and exchange.is_received
            and exchange.status == 409
        ):
            counts["cancels answered 409"] += 1
        if (
            exchange.kind == "cancel"
            and exchange.is_received
            and _is_false_success(exchange)
        ):
            counts["cancels without effect answered 2xx"] += 1
        if exchange.kind == "cancel" and evidence.recovered_at <= exchange.began:
            counts["cancels after the recovery"] += 1
        if exchange.kind == "submit" and exchange.plan.make_exception is not None:
            counts["foreign exceptions to submits"] += 1
        if exchange.status == _TOO_MANY and exchange.plan.name == "no fault":
            counts[f"refused by the rate limit: {exchange.kind}"] += 1
    for earlier, later in retries(evidence):
        counts[f"retries: {later.kind}"] += 1
        if earlier.is_refusal_to_serve:
            counts[f"retries after 429: {later.kind}"] += 1
        if earlier.retry_after:
            counts["retries after a Retry-After"] += 1


def _is_false_success(exchange: Exchange) -> bool:
    """Whether a 2xx to a cancel had no effect."""
    fault = exchange.plan.fault
    if isinstance(fault, EmptyAnswer | OtherJob):
        return not fault.processed
    return isinstance(fault, LoginPage)


def _count_submits(evidence: Evidence, counts: Counts) -> None:
    made = jobs_by_tag(evidence)
    for submission in evidence.submissions:
        counts["submits"] += 1
        counts[f"submits: {submission.outcome}"] += 1
        jobs = made[submission.tag]
        if submission.outcome == "unknown" and jobs:
            counts["unknown outcomes with a job"] += 1
            counts["ids read from a broken answer"] += submission.job_id is not None
        if submission.outcome == "caller cancelled" and jobs:
            rescued = jobs[0] not in evidence.running
            counts["jobs of cancelled callers that were cancelled"] += rescued
            counts["jobs of cancelled callers with a warning only"] += (
                not rescued and submission.step.number in evidence.warned_steps
            )
        counts["blocks that cancelled their job"] += submission.must_be_cancelled


def _count_steps(evidence: Evidence, counts: Counts) -> None:
    counts["steps"] = len(evidence.event_log.steps)
    counts["steps cancelled"] = len(evidence.interruptions)
    counts["handles"] = len(evidence.handles)
    counts["statuses checked"] = sum(
        len(handle.statuses) for handle in evidence.handles
    )
    counts["receipts"] = len(evidence.receipts)
    for kept in evidence.receipts:
        counts[f"receipts: {kept.receipt.status}"] += 1
        counts["receipts of jobs already terminal"] += kept.receipt.already_terminal
        counts["bills stated after a gap"] += had_gap(evidence, kept.receipt.job_id)
    for reading in evidence.readings:
        counts["rows checked"] += len(reading.rows)
        counts["streams"] += 1
        counts[f"streams: {reading.end}"] += 1
    for record in evidence.errors:
        counts[f"error: {record.error.__name__}"] += 1


def _count_many(evidence: Evidence, counts: Counts) -> None:
    for batch in evidence.batches:
        counts["batches"] += 1
        counts[f"batches: {batch.end}"] += 1
        counts["batches under a cap"] += batch.max_credits is not None
        ended_rest = batch.cancels_rest and batch.has_failed
        counts["batches that cancelled the rest"] += ended_rest
        counts["searches over the cap"] += sum(
            isinstance(outcome.error, CreditCapError) for outcome in batch.outcomes
        )
    for group in evidence.groups:
        counts[f"{group.kind}: {group.end}"] += 1
        counts[f"{group.kind}: returned"] += len(group.reported)
