"""What must hold after any schedule."""

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Generator, Iterable

import attrs

from openfunnel_async import CreditCapError, JobOutcome, SubmitOutcomeUnknownError
from openfunnel_async.sandbox import JobView
from tests.fleet.act import Seen, act
from tests.fleet.schedule import Schedule, draw

# 5 s to read a submit that was sent and 10 s to cancel the job it made.
_GONE_WITHIN = 15.01
# A failed job is looked at within 10 s of its end, and its rows are a few reads.
_FAILURE_KNOWN_WITHIN = 25.0


def the_cap_holds(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """At no moment may more be billed than the cap.

    Caught: the reservation of an unknown submit released; a bill taken before the
    job has ended; `fits_now` that leaves what is reserved out.
    """
    if schedule.max_credits is not None and seen.committed > schedule.max_credits:
        yield f"{seen.committed:g} were at stake under {schedule.max_credits}"


def nobody_is_forgotten(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """A job that goes on is named by an outcome, an orphan, or an unknown submit.

    Caught: `run` without `_release_all`; cancels that had not begun at a second
    cancellation; jobs with an outcome left out; a salvaged id thrown away.
    """
    if seen.outcomes is None:
        lost = (seen.going & seen.told) - seen.orphans
        if lost:
            yield f"{len(lost)} told jobs go on, unnamed, after the caller went"
        return
    named = {outcome.job.id for outcome in seen.outcomes if outcome.job is not None}
    lost = (seen.at_return & seen.told) - named - seen.orphans
    if lost:
        yield f"{len(lost)} told jobs go on, unnamed by the outcomes"
    unknown = sum(_is_unknown(outcome) for outcome in seen.outcomes)
    untold = len(seen.at_return - seen.told - named)
    if untold > unknown:
        yield f"{untold} untold jobs go on and {unknown} submits are unknown"
    del schedule


def the_rest_is_cancelled(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """After a failure under `cancel_rest` every job that goes on is cancelled.

    Caught: a job whose submit was under way is left to run.
    """
    if schedule.on_error != "cancel_rest" or seen.outcomes is None:
        return
    lost = (seen.at_return & seen.told) - seen.orphans
    if lost:
        yield f"{len(lost)} of the rest go on"
    if schedule.is_fair:
        failures = [view.ends_at for view in seen.views if view.ends == "failed"]
        cancels = [view._job.cancelled_at for view in seen.views]
        # A submit under way takes an exchange to its end, and its cancel another.
        known = min(
            min(failures, default=math.inf) + _FAILURE_KNOWN_WITHIN,
            min(cancels, default=math.inf) + 3 * max(schedule.latencies) + 0.01,
        )
        late = [view for view in seen.views if view.ends_at > known]
        if not all(_was_cancelled(view) for view in late):
            yield "one of the rest went on to its end"


def no_more_are_active(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """Where all answers come, no more jobs are alive than asked for.

    Caught: the slot given back once the submit is answered.
    """
    if schedule.is_fair and seen.most_active > schedule.max_active:
        yield f"{seen.most_active} jobs were active, {schedule.max_active} allowed"


def the_outcomes_are_true(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """One outcome for each search, in order, with the job's rows and bill.

    Caught: outcomes in the order of the ends; rows after the first page dropped.
    """
    if seen.outcomes is None:
        return
    if [outcome.search.limit for outcome in seen.outcomes] != list(schedule.limits):
        yield "the outcomes are not those of the searches"
    views = {view.id: view for view in seen.views}
    for number, outcome in enumerate(seen.outcomes):
        if (outcome.result is None) == (outcome.error is None):
            yield f"outcome {number} has both or neither of result and error"
        if outcome.result is None or outcome.job is None:
            continue
        view = views[outcome.job.id]
        names = [row.name for row in outcome.result.rows]
        if names != [row["name"] for row in view.rows]:
            yield f"outcome {number} has other rows than its job"
        manifest = outcome.result.manifest
        if manifest is not None and manifest.credits_consumed != view.credits:
            yield f"outcome {number} has another bill than its job"


def what_was_not_sent_made_no_job(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """As many jobs as outcomes that have one, or may have one.

    Caught: a search over the cap submitted nevertheless.
    """
    if seen.outcomes is None:
        return
    jobs = sum(outcome.job is not None for outcome in seen.outcomes)
    most = jobs + sum(
        _is_unknown(outcome) for outcome in seen.outcomes if outcome.job is None
    )
    if not jobs <= len(seen.views) <= most:
        yield f"{len(seen.views)} jobs for {jobs} to {most} outcomes with one"
    del schedule


def the_caller_is_gone_in_time(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """A cancelled batch ends within 15 s of the cancellation."""
    if schedule.leave is not None and seen.took > _GONE_WITHIN:
        yield f"the batch went on for {seen.took:.1f} s"


def the_jobs_are_cancelled_at_once(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """When the caller goes, what runs is cancelled there and then.

    Caught: the running jobs cancelled after the rescue of a submit, or one by one.
    """
    if not schedule.is_fair or schedule.leave is None or seen.outcomes is not None:
        return
    slowest = max(schedule.latencies)
    running = [
        view
        for view in seen.views
        if view.created_at + slowest <= seen.went_at < view.ends_at - slowest
    ]
    late = sum(
        view._job.cancelled_at > seen.went_at + slowest / 2 + 0.01 for view in running
    )
    if late:
        yield f"{late} jobs were not cancelled at once"


def nothing_is_raised(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """A batch returns, or is cancelled; what goes wrong stands in the outcomes.

    Caught: the refusal of a submit raised.
    """
    if seen.raised is not None:
        yield f"raised {seen.raised!r}"
    if seen.outcomes is None and schedule.leave is None:
        yield "was cancelled, and nobody cancelled it"


def nothing_is_left_over(schedule: Schedule, seen: Seen) -> Iterable[str]:
    """No task, no exchange and no later request once the client is closed.

    Caught: a cancel's task that closing does not wait for.
    """
    if seen.left_over:
        yield f"{seen.left_over} tasks or requests are left over"
    del schedule


def _was_cancelled(view: JobView) -> bool:
    return view._job.cancelled_at < math.inf


def _is_unknown(outcome: JobOutcome) -> bool:
    return isinstance(outcome.error, SubmitOutcomeUnknownError)


Invariant = Callable[[Schedule, Seen], Iterable[str]]
INVARIANTS: tuple[Invariant, ...] = (
    the_cap_holds,
    nobody_is_forgotten,
    the_rest_is_cancelled,
    no_more_are_active,
    the_outcomes_are_true,
    what_was_not_sent_made_no_job,
    the_caller_is_gone_in_time,
    the_jobs_are_cancelled_at_once,
    nothing_is_raised,
    nothing_is_left_over,
)


@attrs.define
class Report:
    """What many schedules came to: violations by seed, and how often what happened."""

    violations: list[str] = attrs.field(factory=list[str])
    tally: Counter[str] = attrs.field(factory=Counter[str])

    def add(self, other: "Report") -> None:
        self.violations += other.violations
        self.tally += other.tally


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep the warnings of thousands of faults to oneself, and nobody else's."""
    logger = logging.getLogger("openfunnel_async")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def judge(seeds: Iterable[int]) -> Report:
    """Run the schedules of these seeds and hold each against the invariants."""
    report = Report()
    for seed in seeds:
        schedule = draw(seed)
        with _quiet():
            seen = act(schedule)
        for invariant in INVARIANTS:
            report.violations += [
                f"{seed}: {invariant.__name__}: {told}"
                for told in invariant(schedule, seen)
            ]
        report.tally.update(_happened(schedule, seen))
    return report


def _happened(schedule: Schedule, seen: Seen) -> Iterable[str]:
    yield "schedules"
    yield from ["jobs"] * len(seen.views)
    yield from ["jobs nobody was told of"] * len(
        {view.id for view in seen.views} - seen.told
    )
    yield from ["orphans"] * len(seen.orphans)
    if seen.outcomes is None:
        yield "caller went"
        yield f"caller went: {schedule.leave.how if schedule.leave else '-'}"
    for outcome in seen.outcomes or ():
        error = outcome.error
        yield f"outcome: {type(error).__name__ if error else 'a result'}"
        if isinstance(error, CreditCapError):
            yield "searches refused by the cap"
