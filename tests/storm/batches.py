"""The step that runs a batch of searches under one call."""

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
from tests.storm.diary import Step
from tests.storm.dice import Dice
from tests.storm.notes import Batch, Reading, Submission
from tests.storm.stage import Stage
from tests.storm.submits import new_submission, note

OnError = Literal["collect", "cancel_rest"]


async def run_many(stage: Stage, dice: Dice, step: Step) -> None:
    """Run a batch of searches; its jobs are known to others once it is over."""
    batch = _batch(stage, dice, step)
    on_error: OnError = "cancel_rest" if batch.cancels_rest else "collect"
    try:
        outcomes = await stage.client.run_many(
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
        cut_off = isinstance(exc, ConfigurationError) and stage.evidence.is_closing
        batch.end = "refused" if cut_off or batch.checks_balance else "raised"
        raise
    else:
        _keep(stage, batch, outcomes)
    finally:
        _look(stage, batch)


def _batch(stage: Stage, dice: Dice, step: Step) -> Batch:
    is_capped, checks_balance = dice.chance(0.6), dice.chance(0.1)
    limited = is_capped or checks_balance
    submissions = tuple(
        new_submission(stage, dice, step, limited=limited)
        for _ in range(dice.randint(1, 6))
    )
    limits = [submission.search.limit or 0 for submission in submissions]
    cap = dice.choice([max(limits), sum(limits), dice.randint(0, sum(limits))])
    batch = Batch(
        step=step,
        submissions=submissions,
        max_active=dice.randint(1, 4),
        max_credits=cap if is_capped else None,
        cancels_rest=dice.chance(0.5),
        checks_balance=checks_balance,
        job_timeout=dice.draw({None: 3, 1 + dice.quarters(60): 1}),
    )
    rest = "cancel" if batch.cancels_rest else "collect"
    step.words += f" {batch.max_active} at once, cap {batch.max_credits}, then {rest}"
    stage.evidence.batches.append(batch)
    return batch


def _keep(stage: Stage, batch: Batch, outcomes: list[JobOutcome]) -> None:
    """Note what the batch returned; whose outcome is missing stays as under way."""
    batch.end, batch.outcomes = "returned", tuple(outcomes)
    by_search = {id(outcome.search): outcome for outcome in outcomes}
    for submission in batch.submissions:
        outcome = by_search.get(id(submission.search))
        if outcome is None:
            continue
        _note(stage, submission, outcome)
        if outcome.job is not None:
            stage.hold(outcome.job)
            _read(stage, submission.step, outcome)
    good = sum(outcome.result is not None for outcome in outcomes)
    batch.step.outcome = f"{good} results of {len(batch.submissions)}"


def _note(stage: Stage, submission: Submission, outcome: JobOutcome) -> None:
    error = outcome.error
    if error is not None:
        stage.complain(submission.step, error)
    if type(error) in {OpenFunnelError, CreditCapError}:
        submission.outcome = "not sent"
    elif error is not None:
        note(submission, error)
    if outcome.job is not None and submission.outcome != "unknown":
        submission.outcome, submission.job_id = "handle", outcome.job.id
        submission.handle_limit = outcome.job.limit


def _read(stage: Stage, step: Step, outcome: JobOutcome) -> None:
    """Note the rows of an outcome as those of any other result."""
    if outcome.job is None:
        return
    reading = Reading(outcome.job.id, "result", step, follow=True, written=0)
    match outcome.result, outcome.error:
        case None, JobFailedError() | WaitTimeoutError() as error:
            reading.rows += error.rows
            reading.end = "failed" if isinstance(error, JobFailedError) else "open"
        case result, None if result is not None:
            reading.rows += result.rows
            reading.manifest, reading.end = result.manifest, "normal"
        case _:
            return
    stage.evidence.readings.append(reading)


def _look(stage: Stage, batch: Batch) -> None:
    """Note what goes on when the call is over, and whose caller was told nothing."""
    batch.going = stage.evidence.going_now()
    batch.orphans = frozenset(stage.client.orphans)
    for submission in batch.submissions:
        if batch.end != "returned" and submission.outcome == "under way":
            submission.outcome = "gone"
