"""Bugs in waits, streams and cancels of one job."""

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


def polls_half_a_minute_late(sound: Any) -> Any:
    def next_due(loop: PollLoop) -> float:
        due: float = sound(loop)
        return due + 30 if math.isfinite(due) else due

    return next_due


def adds_five_seconds(sound: Any) -> Any:
    async def wait(job: BulkJob, **options: Any) -> Any:
        if isinstance(options.get("timeout"), float):
            options["timeout"] += 5
        return await sound(job, **options)

    return wait


def survives_no_outage(_sound: Any) -> Any:
    def has_lasted(_outage: Outage, _seconds: float) -> bool:
        return True

    return has_lasted


def tries_once(_sound: Any) -> Any:
    def has_no_attempt_left(tries: Tries) -> bool:
        return tries._kind is not Kind.CANCEL

    return has_no_attempt_left


def reports_its_own_pause(sound: Any) -> Any:
    async def wait_after(kind: Any, pause: float, error: Any, on_stall: Any) -> None:
        if on_stall is not None:
            on_stall(kind, asyncio.get_running_loop().time() + pause, error)
        await sound(kind, pause, error, on_stall)

    return wait_after


def cancels_the_poll_of_others(_sound: Any) -> Any:
    async def remove(loop: PollLoop, follower: Any) -> None:
        del loop._followers[follower]
        loop._cancel_timer()
        if loop._task is not None:
            loop._task.cancel()

    return remove


def one_request_each(_sound: Any) -> Any:
    async def join(shared: SharedTask[Any], _deadline: float) -> Any:
        return await shared._start()

    return join


def although_terminal(_sound: Any) -> Any:
    async def request(cancellation: Cancellation, deadline: float) -> Any:
        return await cancellation._shared.join(deadline)

    return request


def moves_before_the_page_is_read(sound: Any) -> Any:
    async def read_next(reader: PageReader, before: Any, following: str) -> None:
        reader.used = 0
        await sound(reader, before, following)

    return read_next


def hands_out_partial_pages(sound: Any) -> Any:
    def is_due(stream: PageStream, page: Any) -> bool:
        has_new = page is not stream._given and bool(stream._reader.fresh)
        return has_new or bool(sound(stream, page))

    return is_due


def does_not_count_first_rows(sound: Any) -> Any:
    async def read_row(stream: RowStream) -> Company:
        row: Company = await sound(stream)
        is_first = stream._reader.used == 1
        stream.delivered -= is_first
        return row

    return read_row


def without_its_first_row(sound: Any) -> Any:
    async def fetch_page(job: BulkJob, cursor: str | None = None) -> JobPage:
        page: JobPage = await sound(job, cursor)
        return attrs.evolve(page, rows=page.rows[1:])

    return fetch_page


def always_partial(sound: Any) -> Any:
    async def result(job: BulkJob, **options: Any) -> Any:
        return await sound(job, **options | {"partial_ok": True})

    return result


def one_more_row(sound: Any) -> Any:
    async def send(submitter: Submitter, attempt: Any) -> BulkJob:
        job: BulkJob = await sound(submitter, attempt)
        if job.limit is not None:
            job._requests.state.limit = job.limit + 1
        return job

    return send
