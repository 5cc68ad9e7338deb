"""Bugs in the parts that serve one job, made from the original parts."""

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


def pool_handles(original: Any) -> Any:
    pools: WeakKeyDictionary[Submitter, dict[int | None, BulkJob]]
    pools = WeakKeyDictionary()

    async def send(submitter: Submitter, attempt: Any) -> BulkJob:
        job: BulkJob = await original(submitter, attempt)
        return pools.setdefault(submitter, {}).setdefault(attempt.search.limit, job)

    return send


def raise_408(original: Any) -> Any:
    def refused(search: Any, reply: Any) -> Any:
        if reply.status_code == 408:
            return failure(reply)
        return original(search, reply)

    return refused


def claim_acceptance(original: Any) -> Any:
    def unknown(search: Any, why: str, reply: Any) -> SubmitOutcomeUnknownError:
        error: SubmitOutcomeUnknownError = original(search, why, reply)
        return SubmitOutcomeUnknownError(
            error.message, search, True, error.job_id, search.limit
        )

    return unknown


def send_twice(original: Any) -> Any:
    async def once(caller: Caller, call: Any, *how: Any) -> Any:
        try:
            return await original(caller, call, *how)
        except SubmitOutcomeUnknownError:
            return await original(caller, call, *how)

    return once


def start_page_again(original: Any) -> Any:
    def reread(reader: PageReader, before: Any, page: Any) -> None:
        original(reader, before, page)
        reader.used = 0

    return reread


def take_any_page_as_whole(_sound: Any) -> Any:
    def is_whole(reader: PageReader) -> bool:
        return reader.page is not None

    return property(is_whole)


def checkpoint_one_row_behind(original: Any) -> Any:
    def place(reader: PageReader) -> JobCheckpoint:
        true: JobCheckpoint = original.fget(reader)
        return attrs.evolve(true, offset=max(0, true.offset - 1))

    return property(place)


def take_last_status(_sound: Any) -> Any:
    def furthest(_seen: JobStatus, reported: JobStatus) -> JobStatus:
        return reported

    return furthest


def infer_cancelled(_sound: Any) -> Any:
    async def find_out(cancellation: Cancellation, answer: CancelAnswer) -> Any:
        record: Any = cancellation._requests.state
        record._furthest = JobStatus.CANCELLED
        return answer

    return find_out


def subtract_unknown_bill(_sound: Any) -> Any:
    def avoided(record: JobState, consumed: float | None) -> float | None:
        return None if record.limit is None else record.limit - (consumed or 0.0)

    return avoided


def report_no_answer(_sound: Any) -> Any:
    def end_request(_loop: PollLoop, _task: object) -> None:
        return None

    return end_request


def skip_cancel(_sound: Any) -> Any:
    async def cancel(
        background: BackgroundTasks, cancelling: Any, _after: float
    ) -> None:
        _end(background, cancelling, is_cancelled=True)
        cancelling.report(OpenFunnelError("forgotten"))

    return cancel


def cancel_for_ten_seconds(_sound: Any) -> Any:
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


def count_attempts_only(_sound: Any) -> Any:
    def has_no_attempt_left(tries: Tries) -> bool:
        return tries._failures >= tries._policy.attempts

    return has_no_attempt_left


def accept_any_2xx(original: Any) -> Any:
    def read(job_id: str, reply: WireReply) -> CancelAnswer:
        if reply.is_success:
            return CancelAnswer(accepted=True)
        answer: CancelAnswer = original(job_id, reply)
        return answer

    return read


def require_progress_text(original: Any) -> Any:
    def read(job_id: str, cursor: str | None, reply: WireReply) -> JobPage:
        page: JobPage = original(job_id, cursor, reply)
        said = json.loads(reply.body)["progress_message"]
        if not isinstance(said, str | None):
            raise InvalidResponseError("must be a text", "$.progress_message")
        return page

    return read


def log_nothing(_sound: Any) -> Any:
    def drop(_obligation: UnfinishedWork) -> None:
        return None

    return drop


class _ExceptionRecorder:
    """A transport that records foreign exceptions of another one."""

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


def raise_foreign(original: Any) -> Any:
    async def once(caller: Caller, call: Any, *how: Any) -> Any:
        copied, recorder = copy.copy(caller), _ExceptionRecorder(caller._transport)
        copied._transport = recorder  # type: ignore[assignment]  # only its send() is used
        try:
            return await original(copied, call, *how)
        except OpenFunnelError:
            if recorder.foreign is not None:
                raise recorder.foreign from None
            raise

    return once


def assume_unsent(original: Any) -> Any:
    def begin(progress: SendProgress) -> None:
        original(progress)
        progress.waiting()

    return begin


def keep_first_snapshot(original: Any) -> Any:
    def observe(record: JobState, answer: Any) -> JobSnapshot:
        first = record.snapshot if record.is_terminal else None
        seen: JobSnapshot = original(record, answer)
        record._snapshot = first or seen
        return first or seen

    return observe


def submit_unshielded(_sound: Any) -> Any:
    async def submit(submitter: Any, search: Any, **_how: Any) -> Any:
        attempt = submit_module._Attempt(search, None, lambda: True)
        return await submitter._send(attempt)

    return submit


def stop_when_cancelled(original: Any) -> Any:
    async def following(stream: RowStream) -> Any:
        try:
            return await original(stream)
        except asyncio.CancelledError:
            raise StopAsyncIteration from None

    return following


def leave_task_running(_sound: Any) -> Any:
    async def remove(loop: PollLoop, follower: Any) -> None:
        del loop._followers[follower]

    return remove


def close_without_waiting(_sound: Any) -> Any:
    async def aclose(_background: BackgroundTasks) -> None:
        return None

    return aclose


def add_attempt(original: Any) -> Any:
    def init(tries: Tries, kind: Any, policy: Any, *rest: Any, **how: Any) -> None:
        policy = attrs.evolve(policy, attempts=policy.attempts + 1)
        original(tries, kind, policy, *rest, **how)

    return init


def ignore_retry_after(_sound: Any) -> Any:
    def retry_after(_headers: object, _body: object) -> None:
        return None

    return retry_after


def allow_all_retries(_sound: Any) -> Any:
    def spend(_budget: RetryAllowance) -> bool:
        return True

    return spend


def put_key_in_query(original: Any) -> Any:
    def keyed(caller: Caller, request: Any, progress: Any) -> WireRequest:
        made: WireRequest = original(caller, request, progress)
        key = str(made.headers["x-api-key"])
        return attrs.evolve(made, query=(*made.query, ("api_key", key)))

    return keyed


def quote_key(original: Any) -> Any:
    async def once(caller: Caller, call: Any, *how: Any) -> Any:
        try:
            return await original(caller, call, *how)
        except TransportError as exc:
            msg = f"no answer to {caller._key!s}"
            raise TransportError(msg, exc.request_sent) from None

    return once


def refuse_cancelled_end(original: Any) -> Any:
    async def check(reader: PageReader) -> bool:
        is_complete: bool = await original(reader)
        if reader.page is not None and reader.page.snapshot.status != "completed":
            raise InvalidResponseError("a cancelled job has no end", "$.status")
        return is_complete

    return check


def require_bill(original: Any) -> Any:
    def receipt(record: Any, answer: CancelAnswer) -> CancelReceipt:
        made: CancelReceipt = original(record, answer)
        bill = record.snapshot.manifest.credits_consumed
        return attrs.evolve(made, credits_consumed=bill)

    return receipt
