"""Parts of the client with one mistake each, made out of the sound ones."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from openfunnel_async import (
    BulkJob,
    InvalidResponseError,
    JobCheckpoint,
    JobStatus,
    LookalikeSearch,
    RequestTimeoutError,
    RowStream,
    SubmitOutcomeUnknownError,
    WireRequest,
)
from openfunnel_async._caller import Caller
from openfunnel_async._cancel import Cancellation
from openfunnel_async._custody import Custody
from openfunnel_async._failures import failure
from openfunnel_async._news import News
from openfunnel_async._record import JobRecord
from openfunnel_async._retries import RetryBudget, Tries
from openfunnel_async._rows import PageReader
from openfunnel_async._shared import Shared
from openfunnel_async._submit import Submitter
from openfunnel_async._wire import SendProgress


def pooled(sound: Any) -> Any:
    pools: WeakKeyDictionary[Submitter, dict[int | None, BulkJob]]
    pools = WeakKeyDictionary()

    async def send(
        submitter: Submitter, search: LookalikeSearch, *rest: Any
    ) -> BulkJob:
        job: BulkJob = await sound(submitter, search, *rest)
        return pools.setdefault(submitter, {}).setdefault(search.limit, job)

    return send


def plain_408(sound: Any) -> Any:
    def refused(search: Any, reply: Any) -> Any:
        if reply.status_code == 408:
            return failure(reply)
        return sound(search, reply)

    return refused


def accepted(sound: Any) -> Any:
    def unknown(search: Any, why: str, reply: Any) -> SubmitOutcomeUnknownError:
        error: SubmitOutcomeUnknownError = sound(search, why, reply)
        return SubmitOutcomeUnknownError(
            error.message, search, True, error.job_id, search.limit
        )

    return unknown


def once_more(sound: Any) -> Any:
    async def once(caller: Caller, call: Any, progress: Any) -> Any:
        try:
            return await sound(caller, call, progress)
        except SubmitOutcomeUnknownError:
            return await sound(caller, call, progress)

    return once


def from_the_top(sound: Any) -> Any:
    def reread(reader: PageReader, before: Any, page: Any) -> None:
        sound(reader, before, page)
        reader.used = 0

    return reread


def never_again(_sound: Any) -> Any:
    def is_whole(reader: PageReader) -> bool:
        return reader.page is not None

    return property(is_whole)


def a_row_late(sound: Any) -> Any:
    def place(reader: PageReader) -> JobCheckpoint:
        true: JobCheckpoint = sound.fget(reader)
        return attrs.evolve(true, offset=max(0, true.offset - 1))

    return property(place)


def last_word(_sound: Any) -> Any:
    def furthest(_seen: JobStatus, reported: JobStatus) -> JobStatus:
        return reported

    return furthest


def inferred(_sound: Any) -> Any:
    async def find_out(cancellation: Cancellation) -> None:
        record: Any = cancellation._reads.record
        record._furthest = JobStatus.CANCELLED

    return find_out


def guessed(_sound: Any) -> Any:
    def avoided(record: JobRecord, consumed: float | None) -> float | None:
        return None if record.limit is None else record.limit - (consumed or 0.0)

    return avoided


def silent(_sound: Any) -> Any:
    def announce(_news: News) -> None:
        return None

    return announce


def forgets(_sound: Any) -> Any:
    async def cancel(_custody: Custody, _job: BulkJob) -> None:
        return None

    return cancel


def just_goes(_sound: Any) -> Any:
    async def submit(submitter: Any, search: Any) -> Any:
        progress, gone = SendProgress(), asyncio.Event()
        return await submitter._send(search, progress, gone)

    return submit


def ends_quietly(sound: Any) -> Any:
    async def following(stream: RowStream) -> Any:
        try:
            return await sound(stream)
        except asyncio.CancelledError:
            raise StopAsyncIteration from None

    return following


def walks_off(_sound: Any) -> Any:
    async def leave(_shared: Shared[Any], run: Any) -> None:
        run.holders -= 1

    return leave


def in_a_hurry(_sound: Any) -> Any:
    async def aclose(_custody: Custody) -> None:
        return None

    return aclose


def one_more(sound: Any) -> Any:
    def init(tries: Tries, kind: Any, policy: Any, budget: Any) -> None:
        sound(tries, kind, attrs.evolve(policy, attempts=policy.attempts + 1), budget)

    return init


def deaf(_sound: Any) -> Any:
    def retry_after_of(_error: object) -> None:
        return None

    return retry_after_of


def boundless(_sound: Any) -> Any:
    def spend(_budget: RetryBudget) -> bool:
        return True

    return spend


def in_the_query(sound: Any) -> Any:
    def keyed(caller: Caller, request: Any, progress: Any) -> WireRequest:
        made: WireRequest = sound(caller, request, progress)
        key = str(made.headers["x-api-key"])
        return attrs.evolve(made, query=(*made.query, ("api_key", key)))

    return keyed


def talkative(_sound: Any) -> Any:
    def timed_out(caller: Caller, _progress: Any) -> RequestTimeoutError:
        return RequestTimeoutError(f"no answer to {caller._key!s}", True)

    return timed_out


def pedantic(sound: Any) -> Any:
    def settle(reader: PageReader) -> None:
        sound(reader)
        if reader.page is not None and reader.page.snapshot.status != "completed":
            raise InvalidResponseError("a cancelled job has no end", "$.status")

    return settle


def broken_off(_sound: Any) -> Any:
    def decode(body: bytes) -> object:
        return dict[bytes, object]()[body]

    return decode
