"""Steps that make jobs: a plain submit, and the block that sees to its job."""

import asyncio

import anyio

from openfunnel_async import (
    APIError,
    BulkJob,
    ConfigurationError,
    LookalikeSearch,
    SubmitOutcomeUnknownError,
    TransportError,
)
from tests.storm.diary import Step
from tests.storm.dice import Dice
from tests.storm.internals import (
    OnExit,
)
from tests.storm.notes import Held, Submission
from tests.storm.stage import Stage


class OopsError(Exception):
    """What goes wrong in a user's own block."""


async def submit(stage: Stage, dice: Dice, step: Step) -> None:
    """Submit, and hold the handle."""
    submission = new_submission(stage, dice, step)
    try:
        job = await stage.client.submit(submission.search)
    except BaseException as exc:
        note(submission, exc)
        raise
    _handle(stage, submission, job)


async def enter_and_leave(stage: Stage, dice: Dice, step: Step) -> None:
    """Submit by way of ``running()``; leave its block in peace or otherwise."""
    submission = new_submission(stage, dice, step)
    exits: tuple[OnExit, ...] = ("cancel_on_error", "cancel", "leave")
    on_exit = dice.choice(exits)
    step.words += f" ({on_exit})"
    held: Held | None = None
    try:
        async with stage.client.running(submission.search, on_exit=on_exit) as job:
            held = _handle(stage, submission, job)
            submission.must_end = on_exit != "leave"
            await _inside(dice, held)
            submission.must_end = on_exit == "cancel"
    except OopsError:
        step.outcome = "oops"
    except BaseException as exc:
        if held is None:
            note(submission, exc)
        raise


async def _inside(dice: Dice, held: Held) -> None:
    match dice.draw({"nothing": 2, "sleep": 2, "wait": 2, "rows": 2, "oops": 2}):
        case "sleep":
            await anyio.sleep(dice.quarters(20))
        case "wait":
            await held.job.wait_until_terminal(timeout=dice.quarters(30))
        case "rows":
            async with held.job.rows() as rows:
                async for _ in rows:
                    break
        case "oops":
            await anyio.sleep(dice.quarters(4))
            raise OopsError
        case _:
            pass


def new_submission(
    stage: Stage, dice: Dice, step: Step, *, limited: bool = False
) -> Submission:
    """Make up a search of its own, to be submitted in this step."""
    made = stage.evidence.submissions
    tag = f"storm {len(made)}"
    limit = dice.draw({
        dice.randint(1, 30): 6,
        dice.choice([99, 100, 101, 200]): 2.5,
        dice.randint(31, 330): 2,
        dice.randint(300, 900): 0.2,
        None: 0.0 if limited else 0.1,
    })  # fmt: skip
    step.words += f" {tag!r} limit {limit}"
    made.append(Submission(tag, LookalikeSearch(query=tag, limit=limit), step))
    return made[-1]


def _handle(stage: Stage, submission: Submission, job: BulkJob) -> Held:
    submission.outcome, submission.job_id = "handle", job.id
    submission.handle_limit = job.limit
    submission.step.outcome = f"job {job.id[:8]}"
    return stage.hold(job)


def note(submission: Submission, error: BaseException) -> None:
    """Keep what the caller of a submit was told."""
    match error:
        case asyncio.CancelledError():
            submission.outcome = "gone"
        case SubmitOutcomeUnknownError():
            submission.failed(error, "unknown")
        case TransportError(request_sent=False):
            submission.failed(error, "not sent")
        case APIError() if error.status_code // 100 == 4:
            submission.failed(error, "rejected")
        case ConfigurationError():
            submission.failed(error, "configuration")
        case _:
            # Not declared for a submit; it stays as if under way, for the judge.
            pass
