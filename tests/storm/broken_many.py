"""Parts that serve many jobs at once with one mistake each, out of the sound ones."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from openfunnel_async import BulkJob, JobSnapshot
from tests.storm.internals import (
    BackgroundTasks,
    Batch,
    Completions,
    CreditCap,
    SubmitThrottle,
    Tries,
)


def by_what_was_billed(_sound: Any) -> Any:
    def fits_now(cap: CreditCap, amount: float) -> bool:
        return cap.can_ever_fit(amount)

    return fits_now


def free_of_charge(sound: Any) -> Any:
    def settle(cap: CreditCap, amount: float, billed: float | None) -> None:
        sound(cap, amount, billed or 0.0)

    return settle


def for_the_submit_alone(sound: Any) -> Any:
    async def start(batch: Batch, *rest: Any) -> BulkJob | None:
        job: BulkJob | None = await sound(batch, *rest)
        if job is not None:
            batch._read -= 1
        return job

    return start


def as_soon_as_it_is_given_up(_sound: Any) -> Any:
    async def cancel(batch: Batch, job: BulkJob, _error: object) -> None:
        if not job.is_terminal:
            # The batch does not keep the release, so it takes the job for ended.
            batch._background.start_cancel(job)

    return cancel


def a_second_later(sound: Any) -> Any:
    def note_failure(batch: Batch) -> None:
        asyncio.get_running_loop().call_later(1.0, sound, batch)

    return note_failure


def as_often_as_a_read(sound: Any) -> Any:
    def init(tries: Tries, *what: Any, **how: Any) -> None:
        sound(tries, *what, **how | {"patience": None})

    return init


def nobody_else_waits(_sound: Any) -> Any:
    def hold(_throttle: SubmitThrottle, _refusal: Any, _pause: float) -> None:
        return None

    return hold


def as_they_end(sound: Any) -> Any:
    async def run(batch: Batch, searches: Any) -> Any:
        await sound(batch, searches)
        return [*batch._outcomes.values()]

    return run


def the_good_ones(sound: Any) -> Any:
    async def wait_all(completions: Completions) -> Any:
        values: dict[str, object] = await sound(completions)
        return {
            job_id: value
            for job_id, value in values.items()
            if isinstance(value, JobSnapshot)
        }

    return wait_all


def without_the_failed(sound: Any) -> Any:
    async def next_outcome(completions: Completions) -> Any:
        while True:
            job, outcome = await sound(completions)
            if isinstance(outcome, JobSnapshot):
                return job, outcome

    return next_outcome


def lets_them_wait(_sound: Any) -> Any:
    def stop(completions: Completions) -> list[Any]:
        completions._closed = True
        return [wait for wait in (completions._waits or {}).values() if not wait.done()]

    return stop


def no_more_submits(_sound: Any) -> Any:
    def note_failure(batch: Batch) -> None:
        batch._failed = batch._cancel_rest

    return note_failure


def lets_them_run(_sound: Any) -> Any:
    def release_all(_batch: Batch) -> list[Any]:
        return []

    return release_all


def one_after_the_other(sound: Any) -> Any:
    turns: WeakKeyDictionary[BackgroundTasks, asyncio.Lock] = WeakKeyDictionary()

    async def cancel(background: BackgroundTasks, cancelling: Any, after: float) -> Any:
        async with turns.setdefault(background, asyncio.Lock()):
            return await sound(background, cancelling, after)

    return cancel
