"""Bugs in the parts that serve several jobs, made from the original parts."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from openfunnel_async import BulkJob, JobSnapshot
from tests.storm.internals import (
    BackgroundTasks,
    Completions,
    CreditCap,
    ManySearches,
    SubmitThrottle,
    Tries,
)


def ignore_reservations(_sound: Any) -> Any:
    def fits_now(cap: CreditCap, amount: float) -> bool:
        return cap.can_ever_fit(amount)

    return fits_now


def take_unknown_bill_as_zero(original: Any) -> Any:
    def settle(cap: CreditCap, amount: float, billed: float | None) -> None:
        original(cap, amount, billed or 0.0)

    return settle


def free_slot_after_submit(original: Any) -> Any:
    async def start(batch: ManySearches, *rest: Any) -> BulkJob | None:
        job: BulkJob | None = await original(batch, *rest)
        if job is not None:
            batch._read -= 1
        return job

    return start


def free_slot_after_cancel(_sound: Any) -> Any:
    async def cancel(batch: ManySearches, job: BulkJob, _error: object) -> None:
        if not job.is_terminal:
            # The batch does not keep the task, so the job counts as terminal.
            batch._background.start_cancel(job)

    return cancel


def note_failure_late(original: Any) -> Any:
    def note_failure(batch: ManySearches) -> None:
        asyncio.get_running_loop().call_later(1.0, original, batch)

    return note_failure


def count_attempts_only(original: Any) -> Any:
    def init(tries: Tries, *what: Any, **how: Any) -> None:
        original(tries, *what, **how | {"rate_limit_timeout": None})

    return init


def delay_no_submit(_sound: Any) -> Any:
    def hold(_throttle: SubmitThrottle, _refusal: Any, _pause: float) -> None:
        return None

    return hold


def return_in_order_of_end(original: Any) -> Any:
    async def run(batch: ManySearches, searches: Any) -> Any:
        await original(batch, searches)
        return [*batch._outcomes.values()]

    return run


def drop_failed_jobs(original: Any) -> Any:
    async def wait_all(completions: Completions) -> Any:
        values: dict[str, object] = await original(completions)
        return {
            job_id: value
            for job_id, value in values.items()
            if isinstance(value, JobSnapshot)
        }

    return wait_all


def skip_failed_handles(original: Any) -> Any:
    async def next_outcome(completions: Completions) -> Any:
        while True:
            job, outcome = await original(completions)
            if isinstance(outcome, JobSnapshot):
                return job, outcome

    return next_outcome


def leave_waits_running(_sound: Any) -> Any:
    def stop(completions: Completions) -> list[Any]:
        completions._closed = True
        return [wait for wait in (completions._waits or {}).values() if not wait.done()]

    return stop


def stop_submits_only(_sound: Any) -> Any:
    def note_failure(batch: ManySearches) -> None:
        batch._failed = batch._cancel_rest

    return note_failure


def release_nothing(_sound: Any) -> Any:
    def release_all(_batch: ManySearches) -> list[Any]:
        return []

    return release_all


def cancel_one_by_one(original: Any) -> Any:
    turns: WeakKeyDictionary[BackgroundTasks, asyncio.Lock] = WeakKeyDictionary()

    async def cancel(background: BackgroundTasks, cancelling: Any, after: float) -> Any:
        async with turns.setdefault(background, asyncio.Lock()):
            return await original(background, cancelling, after)

    return cancel
