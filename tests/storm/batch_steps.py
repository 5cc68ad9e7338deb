"""The step that runs a batch of searches with one call."""

import asyncio
from typing import Literal

from openfunnel_async import (
    ConfigurationError,
    CreditCapError,
    JobFailedError,
    JobOutcome,
    OpenFunnelError,
    WaitTimeoutError,
)
from tests.storm.event_log import Step
from tests.storm.random_choices import RandomChoices
from tests.storm.records import Batch, Reading, Submission
from tests.storm.scenario import Scenario
from tests.storm.submit_steps import new_submission, record_failure

OnError = Literal["collect", "cancel_rest"]


async def run_many(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Run a batch of searches; other actors get its handles when it has ended."""
    batch = _batch(scenario, rng, step)
    on_error: OnError = "cancel_rest" if batch.cancels_rest else "collect"
    try:
        outcomes = await scenario.client.run_many(
            [submission.search for submission in batch.submissions],
            max_active=batch.max_active,
            max_credits=batch.max_credits,
            on_error=on_error,
            check_balance=batch.checks_balance,
            job_timeout=batch.job_timeout,
        )
    except asyncio.CancelledError:
        batch.end = "left"
        raise
    except OpenFunnelError as exc:
        cut_off = isinstance(exc, ConfigurationError) and scenario.evidence.is_closing
        batch.end = "refused" if cut_off or batch.checks_balance else "raised"
        raise
    else:
        _record_outcomes(scenario, batch, outcomes)
    finally:
        _record_end(scenario, batch)


def _batch(scenario: Scenario, rng: RandomChoices, step: Step) -> Batch:
    is_capped, checks_balance = rng.chance(0.6), rng.chance(0.1)
    limited = is_capped or checks_balance
    submissions = tuple(
        new_submission(scenario, rng, step, limited=limited)
        for _ in range(rng.randint(1, 6))
    )
    limits = [submission.search.limit or 0 for submission in submissions]
    cap = rng.choice([max(limits), sum(limits), rng.randint(0, sum(limits))])
    batch = Batch(
        step=step,
        submissions=submissions,
        max_active=rng.randint(1, 4),
        max_credits=cap if is_capped else None,
        cancels_rest=rng.chance(0.5),
        checks_balance=checks_balance,
        job_timeout=rng.weighted({None: 3, 1 + rng.seconds(60): 1}),
    )
    rest = "cancel" if batch.cancels_rest else "collect"
    step.description += (
        f" {batch.max_active} at once, cap {batch.max_credits}, then {rest}"
    )
    scenario.evidence.batches.append(batch)
    return batch


def _record_outcomes(
    scenario: Scenario, batch: Batch, outcomes: list[JobOutcome]
) -> None:
    """Record what was returned; a missing outcome stays under way."""
    batch.end, batch.outcomes = "returned", tuple(outcomes)
    by_search = {id(outcome.search): outcome for outcome in outcomes}
    for submission in batch.submissions:
        outcome = by_search.get(id(submission.search))
        if outcome is None:
            continue
        _record_outcome(scenario, submission, outcome)
        if outcome.job is not None:
            scenario.watch(outcome.job)
            _read(scenario, submission.step, outcome)
    good = sum(outcome.result is not None for outcome in outcomes)
    batch.step.outcome = f"{good} results of {len(batch.submissions)}"


def _record_outcome(
    scenario: Scenario, submission: Submission, outcome: JobOutcome
) -> None:
    error = outcome.error
    if error is not None:
        scenario.record_error(submission.step, error)
    if type(error) in {OpenFunnelError, CreditCapError}:
        submission.outcome = "not sent"
    elif error is not None:
        record_failure(submission, error)
    if outcome.job is not None and submission.outcome != "unknown":
        submission.outcome, submission.job_id = "handle", outcome.job.id
        submission.handle_limit = outcome.job.limit


def _read(scenario: Scenario, step: Step, outcome: JobOutcome) -> None:
    """Record the rows of an outcome as those of a result."""
    if outcome.job is None:
        return
    reading = Reading(outcome.job.id, "result", step, follow=True, rows_written=0)
    match outcome.result, outcome.error:
        case None, JobFailedError() | WaitTimeoutError() as error:
            reading.rows += error.rows
            reading.end = "failed" if isinstance(error, JobFailedError) else "open"
        case result, None if result is not None:
            reading.rows += result.rows
            reading.manifest, reading.end = result.manifest, "normal"
        case _:
            return
    scenario.evidence.readings.append(reading)


def _record_end(scenario: Scenario, batch: Batch) -> None:
    """Record the running jobs, and the searches whose caller got no answer."""
    batch.running = scenario.evidence.list_running()
    batch.orphans = frozenset(scenario.client.orphans)
    for submission in batch.submissions:
        if batch.end != "returned" and submission.outcome == "under way":
            submission.outcome = "caller cancelled"
