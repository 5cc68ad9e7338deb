"""Parts of the client with one mistake each, made out of the sound ones."""

import asyncio
import copy
import json
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from openfunnel_async import (
    BulkJob,
    CancelReceipt,
    InvalidResponseError,
    JobCheckpoint,
    JobPage,
    JobSnapshot,
    JobStatus,
    OpenFunnelError,
    RowStream,
    SubmitOutcomeUnknownError,
    TransportError,
    WireReply,
    WireRequest,
)
from tests.storm.internals import (
    BackgroundTasks,
    Caller,
    CancelAnswer,
    Cancellation,
    JobState,
    PageReader,
    PollLoop,
    RetryAllowance,
    SendProgress,
    Submitter,
    Tries,
    UnfinishedWork,
    failure,
    submit_module,
)


def pooled(sound: Any) -> Any:
    pools: WeakKeyDictionary[Submitter, dict[int | None, BulkJob]]
    pools = WeakKeyDictionary()

    async def send(submitter: Submitter, attempt: Any) -> BulkJob:
        job: BulkJob = await sound(submitter, attempt)
        return pools.setdefault(submitter, {}).setdefault(attempt.search.limit, job)

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
    async def find_out(cancellation: Cancellation, answer: CancelAnswer) -> Any:
        record: Any = cancellation._requests.state
        record._furthest = JobStatus.CANCELLED
        return answer

    return find_out


def guessed(_sound: Any) -> Any:
    def avoided(record: JobState, consumed: float | None) -> float | None:
        return None if record.limit is None else record.limit - (consumed or 0.0)

    return avoided


def silent(_sound: Any) -> Any:
    def end_request(_loop: PollLoop, _task: object) -> None:
        return None

    return end_request


def forgets(_sound: Any) -> Any:
    async def cancel(
        background: BackgroundTasks, cancelling: Any, _after: float
    ) -> None:
        _end(background, cancelling, is_cancelled=True)
        cancelling.report(OpenFunnelError("forgotten"))

    return cancel


def four_times(_sound: Any) -> Any:
    async def cancel(
        background: BackgroundTasks, cancelling: Any, _after: float
    ) -> None:
        is_cancelled = False
        try:
            async with asyncio.timeout(10):
                cancelling.report(await cancelling.job.cancel(timeout=None))
            is_cancelled = True
        except (OpenFunnelError, TimeoutError):
            cancelling.report(OpenFunnelError("tried four times"))
        _end(background, cancelling, is_cancelled=is_cancelled)

    return cancel


def _end(background: BackgroundTasks, cancelling: Any, *, is_cancelled: bool) -> None:
    del background._cancelling[cancelling.job]
    if is_cancelled:
        background._orphans.pop(cancelling.job.id, None)
    cancelling.end(is_cancelled=is_cancelled)


def as_often_as_a_read(_sound: Any) -> Any:
    def has_no_attempt_left(tries: Tries) -> bool:
        return tries._failures >= tries._policy.attempts

    return has_no_attempt_left


def any_2xx(sound: Any) -> Any:
    def read(job_id: str, reply: WireReply) -> CancelAnswer:
        if reply.is_success:
            return CancelAnswer(accepted=True)
        answer: CancelAnswer = sound(job_id, reply)
        return answer

    return read


def strict(sound: Any) -> Any:
    def read(job_id: str, cursor: str | None, reply: WireReply) -> JobPage:
        page: JobPage = sound(job_id, cursor, reply)
        said = json.loads(reply.body)["progress_message"]
        if not isinstance(said, str | None):
            raise InvalidResponseError("must be a text", "$.progress_message")
        return page

    return read


def said_to_nobody(_sound: Any) -> Any:
    def drop(_obligation: UnfinishedWork) -> None:
        return None

    return drop


class _Spy:
    """A transport that keeps what another one raised and is not the client's own."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.foreign: Exception | None = None

    async def send(self, request: WireRequest) -> WireReply:
        try:
            reply: WireReply = await self._transport.send(request)
        except (OpenFunnelError, TimeoutError):
            raise
        except Exception as exc:
            self.foreign = exc
            raise
        return reply


def lets_it_pass(sound: Any) -> Any:
    async def once(caller: Caller, call: Any, progress: Any) -> Any:
        spied, spy = copy.copy(caller), _Spy(caller._transport)
        spied._transport = spy  # type: ignore[assignment]  # it is only sent with
        try:
            return await sound(spied, call, progress)
        except OpenFunnelError:
            if spy.foreign is not None:
                raise spy.foreign from None
            raise

    return once


def assumed(sound: Any) -> Any:
    def begin(progress: SendProgress) -> None:
        sound(progress)
        progress.waiting()

    return begin


def the_first_one(sound: Any) -> Any:
    def observe(record: JobState, answer: Any) -> JobSnapshot:
        first = record.snapshot if record.is_terminal else None
        seen: JobSnapshot = sound(record, answer)
        record._snapshot = first or seen
        return first or seen

    return observe


def just_goes(_sound: Any) -> Any:
    async def submit(submitter: Any, search: Any, **_how: Any) -> Any:
        attempt = submit_module._Attempt(search, None, lambda: True)
        return await submitter._send(attempt)

    return submit


def ends_quietly(sound: Any) -> Any:
    async def following(stream: RowStream) -> Any:
        try:
            return await sound(stream)
        except asyncio.CancelledError:
            raise StopAsyncIteration from None

    return following


def walks_off(_sound: Any) -> Any:
    async def remove(loop: PollLoop, follower: Any) -> None:
        del loop._followers[follower]

    return remove


def in_a_hurry(_sound: Any) -> Any:
    async def aclose(_background: BackgroundTasks) -> None:
        return None

    return aclose


def one_more(sound: Any) -> Any:
    def init(tries: Tries, kind: Any, policy: Any, *rest: Any, **how: Any) -> None:
        policy = attrs.evolve(policy, attempts=policy.attempts + 1)
        sound(tries, kind, policy, *rest, **how)

    return init


def deaf(_sound: Any) -> Any:
    def retry_after(_headers: object, _body: object) -> None:
        return None

    return retry_after


def boundless(_sound: Any) -> Any:
    def spend(_budget: RetryAllowance) -> bool:
        return True

    return spend


def in_the_query(sound: Any) -> Any:
    def keyed(caller: Caller, request: Any, progress: Any) -> WireRequest:
        made: WireRequest = sound(caller, request, progress)
        key = str(made.headers["x-api-key"])
        return attrs.evolve(made, query=(*made.query, ("api_key", key)))

    return keyed


def talkative(sound: Any) -> Any:
    async def once(caller: Caller, call: Any, progress: Any) -> Any:
        try:
            return await sound(caller, call, progress)
        except TransportError as exc:
            msg = f"no answer to {caller._key!s}"
            raise TransportError(msg, exc.request_sent) from None

    return once


def pedantic(sound: Any) -> Any:
    async def check(reader: PageReader) -> bool:
        is_complete: bool = await sound(reader)
        if reader.page is not None and reader.page.snapshot.status != "completed":
            raise InvalidResponseError("a cancelled job has no end", "$.status")
        return is_complete

    return check


def takes_a_bill_for_granted(sound: Any) -> Any:
    def receipt(record: Any, answer: CancelAnswer) -> CancelReceipt:
        made: CancelReceipt = sound(record, answer)
        bill = record.snapshot.manifest.credits_consumed
        return attrs.evolve(made, credits_consumed=bill)

    return receipt
