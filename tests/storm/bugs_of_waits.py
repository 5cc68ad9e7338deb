"""Bugs in waits, streams and cancels, made from the original parts."""

import asyncio
import math
from typing import Any

import attrs

from openfunnel_async import BulkJob, Company, JobPage, PageStream, RowStream
from tests.storm.internals import (
    Cancellation,
    Kind,
    Outage,
    PageReader,
    PollLoop,
    SharedTask,
    Submitter,
    Tries,
)


def poll_late(original: Any) -> Any:
    def next_due(loop: PollLoop) -> float:
        due: float = original(loop)
        return due + 30 if math.isfinite(due) else due

    return next_due


def extend_timeout(original: Any) -> Any:
    async def wait(job: BulkJob, **options: Any) -> Any:
        if isinstance(options.get("timeout"), float):
            options["timeout"] += 5
        return await original(job, **options)

    return wait


def end_outage_at_once(_sound: Any) -> Any:
    def has_lasted(_outage: Outage, _seconds: float) -> bool:
        return True

    return has_lasted


def try_once(_sound: Any) -> Any:
    def has_no_attempt_left(tries: Tries) -> bool:
        return tries._kind is not Kind.CANCEL

    return has_no_attempt_left


def report_own_pause(original: Any) -> Any:
    async def wait_after(kind: Any, pause: float, error: Any, on_stall: Any) -> None:
        if on_stall is not None:
            on_stall(kind, asyncio.get_running_loop().time() + pause, error)
        await original(kind, pause, error, on_stall)

    return wait_after


def cancel_shared_poll(_sound: Any) -> Any:
    async def remove(loop: PollLoop, follower: Any) -> None:
        del loop._followers[follower]
        loop._cancel_timer()
        if loop._task is not None:
            loop._task.cancel()

    return remove


def share_no_cancel(_sound: Any) -> Any:
    async def join(shared: SharedTask[Any], _deadline: float) -> Any:
        return await shared._start()

    return join


def cancel_terminal_job(_sound: Any) -> Any:
    async def request(cancellation: Cancellation, deadline: float) -> Any:
        return await cancellation._shared.join(deadline)

    return request


def move_early(original: Any) -> Any:
    async def read_next(reader: PageReader, before: Any, following: str) -> None:
        reader.used = 0
        await original(reader, before, following)

    return read_next


def yield_partial_pages(original: Any) -> Any:
    def is_due(stream: PageStream, page: Any) -> bool:
        has_new = page is not stream._given and bool(stream._reader.fresh)
        return has_new or bool(original(stream, page))

    return is_due


def skip_first_in_count(original: Any) -> Any:
    async def read_row(stream: RowStream) -> Company:
        row: Company = await original(stream)
        is_first = stream._reader.used == 1
        stream.delivered -= is_first
        return row

    return read_row


def drop_first_row(original: Any) -> Any:
    async def fetch_page(job: BulkJob, cursor: str | None = None) -> JobPage:
        page: JobPage = await original(job, cursor)
        return attrs.evolve(page, rows=page.rows[1:])

    return fetch_page


def force_partial_ok(original: Any) -> Any:
    async def result(job: BulkJob, **options: Any) -> Any:
        return await original(job, **options | {"partial_ok": True})

    return result


def add_to_limit(original: Any) -> Any:
    async def send(submitter: Submitter, attempt: Any) -> BulkJob:
        job: BulkJob = await original(submitter, attempt)
        if job.limit is not None:
            job._requests.state.limit = job.limit + 1
        return job

    return send
