"""Steps that make jobs: a submit, and a block of ``running()``."""

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
from tests.storm.event_log import Step
from tests.storm.internals import (
    OnExit,
)
from tests.storm.random_choices import RandomChoices
from tests.storm.records import Submission, WatchedHandle
from tests.storm.scenario import Scenario


class BodyError(Exception):
    """An error of the user's own block."""


async def submit(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Submit, and keep the handle."""
    submission = new_submission(scenario, rng, step)
    try:
        job = await scenario.client.submit(submission.search)
    except BaseException as exc:
        record_failure(submission, exc)
        raise
    _handle(scenario, submission, job)


async def enter_and_leave(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Submit with ``running()``, and leave the block in some way."""
    submission = new_submission(scenario, rng, step)
    exits: tuple[OnExit, ...] = ("cancel_on_error", "cancel", "leave")
    on_exit = rng.choice(exits)
    step.description += f" ({on_exit})"
    handle: WatchedHandle | None = None
    try:
        async with scenario.client.running(submission.search, on_exit=on_exit) as job:
            handle = _handle(scenario, submission, job)
            submission.must_be_cancelled = on_exit != "leave"
            await _inside(rng, handle)
            submission.must_be_cancelled = on_exit == "cancel"
    except BodyError:
        step.outcome = "body error"
    except BaseException as exc:
        if handle is None:
            record_failure(submission, exc)
        raise


async def _inside(rng: RandomChoices, handle: WatchedHandle) -> None:
    match rng.weighted(
        {"nothing": 2, "sleep": 2, "wait": 2, "rows": 2, "body error": 2}
    ):
        case "sleep":
            await anyio.sleep(rng.seconds(20))
        case "wait":
            await handle.job.wait_until_terminal(timeout=rng.seconds(30))
        case "rows":
            async with handle.job.rows() as rows:
                async for _ in rows:
                    break
        case "body error":
            await anyio.sleep(rng.seconds(4))
            raise BodyError
        case _:
            pass


def new_submission(
    scenario: Scenario, rng: RandomChoices, step: Step, *, limited: bool = False
) -> Submission:
    """Make a unique search, to be submitted in this step."""
    made = scenario.evidence.submissions
    tag = f"storm {len(made)}"
    limit = rng.weighted({
        rng.randint(1, 30): 6,
        rng.choice([99, 100, 101, 200]): 2.5,
        rng.randint(31, 330): 2,
        rng.randint(300, 900): 0.2,
        None: 0.0 if limited else 0.1,
    })  # fmt: skip
    step.description += f" {tag!r} limit {limit}"
    made.append(Submission(tag, LookalikeSearch(query=tag, limit=limit), step))
    return made[-1]


def _handle(scenario: Scenario, submission: Submission, job: BulkJob) -> WatchedHandle:
    submission.outcome, submission.job_id = "handle", job.id
    submission.handle_limit = job.limit
    submission.step.outcome = f"job {job.id[:8]}"
    return scenario.watch(job)


def record_failure(submission: Submission, error: BaseException) -> None:
    """Record what the caller of a submit got."""
    match error:
        case asyncio.CancelledError():
            submission.outcome = "caller cancelled"
        case SubmitOutcomeUnknownError():
            submission.failed(error, "unknown")
        case TransportError(request_sent=False):
            submission.failed(error, "not sent")
        case APIError() if error.status_code // 100 == 4:
            submission.failed(error, "rejected")
        case ConfigurationError():
            submission.failed(error, "configuration")
        case _:
            # Not declared for a submit; an invariant finds it under way.
            pass
