"""Parts that serve many jobs at once with one mistake each, out of the sound ones."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from openfunnel_async import BulkJob, JobSnapshot, LookalikeSearch, OpenFunnelError
from openfunnel_async._batch import Batch
from openfunnel_async._credits import CreditCap
from openfunnel_async._custody import Custody
from openfunnel_async._fleet import Completions


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
    def free(batch: Batch, search: LookalikeSearch, job: BulkJob) -> None:
        batch._read -= 1
        batch._settle(search, job)

    return free


def after_its_own_cancel(_sound: Any) -> Any:
    """The failure of a reading is noted when the job has been seen off."""

    async def cancel(batch: Batch, job: BulkJob, error: OpenFunnelError) -> None:
        batch._failed, failed = False, batch._failed
        await _sound(batch, job, error)
        batch._failed = failed

    return cancel


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
    turns: WeakKeyDictionary[Custody, asyncio.Lock] = WeakKeyDictionary()

    async def cancel(custody: Custody, job: BulkJob) -> Any:
        async with turns.setdefault(custody, asyncio.Lock()):
            return await sound(custody, job)

    return cancel
