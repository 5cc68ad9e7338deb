"""What happened, in numbers: a storm in which nothing happens proves nothing."""

from collections import Counter
from collections.abc import Iterable

import attrs

from openfunnel_async import CreditCapError
from openfunnel_async.sandbox import EmptyAnswer, LoginPage, OtherJob
from tests.storm.dealer import HARMS_BY_KIND
from tests.storm.diary import Diary, Exchange
from tests.storm.evidence import Evidence
from tests.storm.judge import Violation
from tests.storm.judge_calls import retries
from tests.storm.judge_jobs import jobs_by_tag
from tests.storm.judge_rows import had_gap
from tests.storm.schedule import OUTAGES

Tally = Counter[str]
_TOO_MANY = 429

# What 1,000 schedules must at least have seen: about a third of what they do see.
AT_LEAST: dict[str, int] = {
    "arrived after their client gave up": 130,
    "bills stated after a gap": 20,
    "as_completed: all": 40,
    "as_completed: came out": 70,
    "as_completed: left": 40,
    "batches that ended their rest": 60,
    "batches under a cap": 190,
    "batches: left": 100,
    "batches: returned": 170,
    "blocks that ended their job": 90,
    "cancels answered 409": 90,
    "cancels that said yes in vain": 60,
    "cancels in the calm": 20,
    "error: CancelConflictError": 1,
    "error: InsufficientCreditsError": 30,
    "error: RateLimitedError": 20,
    "foreign exceptions to submits": 40,
    "ids read out of a broken answer": 12,
    "not rescued, warned about": 6,
    "orphans": 12,
    "refused by the rate limit: read": 60,
    "refused by the rate limit: submit": 60,
    "schedules with a calm": 200,
    "receipts of jobs already over": 250,
    "receipts: cancelled": 150,
    "receipts: cancelling": 120,
    "receipts: failed": 40,
    "rescued from a caller who had gone": 120,
    "retries after 429: cancel": 6,
    "retries after 429: submit": 20,
    "retries after a Retry-After": 60,
    "retries: cancel": 50,
    "retries: submit": 50,
    "rows judged": 20_000,
    "steps cancelled": 500,
    "searches over the cap": 70,
    "streams: failed": 70,
    "streams: normal": 400,
    "submits: not sent": 8,
    "unknown outcomes with a job": 100,
    "wait_all: came out": 90,
    "wait_all: left": 25,
    **{f"fate: {name}": 10 for name in OUTAGES},
    **{f"fate: {name}": 10 for harms in HARMS_BY_KIND.values() for name in harms},
}


@attrs.frozen
class Verdict:
    """What became of one schedule."""

    seed: int
    violations: tuple[Violation, ...]
    tally: Tally
    diary: Diary

    @property
    def story(self) -> list[str]:
        """Tell the schedule, one line an event."""
        return self.diary.lines()


@attrs.define
class Seen:
    """What many schedules saw."""

    tally: Tally = attrs.field(factory=Tally)
    violations: list[tuple[int, Violation]] = attrs.field(
        factory=list[tuple[int, Violation]]
    )

    def add(self, other: "Seen") -> None:
        """Take in what others saw."""
        self.tally.update(other.tally)
        self.violations += other.violations


def see(verdicts: Iterable[Verdict]) -> Seen:
    """Add up what these schedules saw."""
    seen = Seen()
    for verdict in verdicts:
        seen.tally.update(verdict.tally)
        seen.violations += [(verdict.seed, v) for v in verdict.violations]
    return seen


def hollow(tally: Tally) -> list[str]:
    """Tell what happened too rarely for the storm to prove anything about it."""
    if tally["schedules"] < 1000:
        return []
    times = tally["schedules"] // 1000
    return [
        f"{tally[name]} {name}, expected at least {least * times}"
        for name, least in AT_LEAST.items()
        if tally[name] < least * times
    ]


def count(evidence: Evidence) -> Tally:
    """Count what one schedule saw."""
    tally = Tally(schedules=1)
    tally["virtual seconds"] = round(evidence.ended)
    tally["jobs"] = len(evidence.service.jobs)
    tally["orphans"] = len(evidence.orphans)
    tally["warnings"] = evidence.warnings
    tally["arrived after their client gave up"] = evidence.late
    tally["schedules with a calm"] += evidence.after_calm is not None
    _count_exchanges(evidence, tally)
    _count_submits(evidence, tally)
    _count_steps(evidence, tally)
    _count_many(evidence, tally)
    return tally


def _count_exchanges(evidence: Evidence, tally: Tally) -> None:
    for exchange in evidence.diary.exchanges:
        tally["requests"] += 1
        tally[f"fate: {exchange.fate.name}"] += 1
        tally[f"requests: {exchange.kind}"] += 1
        if exchange.kind == "cancel" and exchange.heard and exchange.status == 409:
            tally["cancels answered 409"] += 1
        if exchange.kind == "cancel" and exchange.heard and _lied(exchange):
            tally["cancels that said yes in vain"] += 1
        if exchange.kind == "cancel" and evidence.calm_at <= exchange.began:
            tally["cancels in the calm"] += 1
        if exchange.kind == "submit" and exchange.fate.foreign is not None:
            tally["foreign exceptions to submits"] += 1
        if exchange.status == _TOO_MANY and exchange.fate.name == "fair":
            tally[f"refused by the rate limit: {exchange.kind}"] += 1
    for earlier, later in retries(evidence):
        tally[f"retries: {later.kind}"] += 1
        if earlier.is_refusal_to_serve:
            tally[f"retries after 429: {later.kind}"] += 1
        if earlier.asked:
            tally["retries after a Retry-After"] += 1


def _lied(exchange: Exchange) -> bool:
    """Whether a 2xx to a cancel took no effect."""
    fault = exchange.fate.fault
    if isinstance(fault, EmptyAnswer | OtherJob):
        return not fault.processed
    return isinstance(fault, LoginPage)


def _count_submits(evidence: Evidence, tally: Tally) -> None:
    made = jobs_by_tag(evidence)
    for submission in evidence.submissions:
        tally["submits"] += 1
        tally[f"submits: {submission.outcome}"] += 1
        jobs = made[submission.tag]
        if submission.outcome == "unknown" and jobs:
            tally["unknown outcomes with a job"] += 1
            tally["ids read out of a broken answer"] += submission.job_id is not None
        if submission.outcome == "gone" and jobs:
            rescued = jobs[0] not in evidence.going
            tally["rescued from a caller who had gone"] += rescued
            tally["not rescued, warned about"] += (
                not rescued and submission.step.number in evidence.warned
            )
        tally["blocks that ended their job"] += submission.must_end


def _count_steps(evidence: Evidence, tally: Tally) -> None:
    tally["steps"] = len(evidence.diary.steps)
    tally["steps cancelled"] = len(evidence.interruptions)
    tally["handles"] = len(evidence.held)
    tally["statuses judged"] = sum(len(held.trail) for held in evidence.held)
    tally["receipts"] = len(evidence.receipts)
    for kept in evidence.receipts:
        tally[f"receipts: {kept.receipt.status}"] += 1
        tally["receipts of jobs already over"] += kept.receipt.already_terminal
        tally["bills stated after a gap"] += had_gap(evidence, kept.receipt.job_id)
    for reading in evidence.readings:
        tally["rows judged"] += len(reading.rows)
        tally["streams"] += 1
        tally[f"streams: {reading.end}"] += 1
    for complaint in evidence.complaints:
        tally[f"error: {complaint.error.__name__}"] += 1


def _count_many(evidence: Evidence, tally: Tally) -> None:
    for batch in evidence.batches:
        tally["batches"] += 1
        tally[f"batches: {batch.end}"] += 1
        tally["batches under a cap"] += batch.max_credits is not None
        ended_rest = batch.cancels_rest and batch.has_failed
        tally["batches that ended their rest"] += ended_rest
        tally["searches over the cap"] += sum(
            isinstance(outcome.error, CreditCapError) for outcome in batch.outcomes
        )
    for fleet in evidence.fleets:
        tally[f"{fleet.kind}: {fleet.end}"] += 1
        tally[f"{fleet.kind}: came out"] += len(fleet.told)
