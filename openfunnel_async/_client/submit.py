"""Submit, so that no job is made that nobody knows of.

There is no idempotency key and no list of jobs (docs/reference/contract.md, "Submit"),
so an answer that nobody reads is a job that bills unseen. There are three cases.

A submit whose caller waits for it returns the handle or raises what is known. One whose
caller is cancelled is read to its end, and the job it made is cancelled. One that is
cut off at a point where no code of ours can run any more (a second Ctrl-C, a loop that
ends, the end of the interpreter) is at least written to the log.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from openfunnel_async._client.background import BackgroundTasks, is_being_cancelled
from openfunnel_async._client.handles import Handles
from openfunnel_async._client.unfinished import UnfinishedWork
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.resources import Resources
from openfunnel_async._job.shielded import cancel_and_wait, wait_shielded
from openfunnel_async._protocol.replies import Submitted, lost_submit, unknown_submit
from openfunnel_async._text import error_text
from openfunnel_async._transport.wire import SendProgress
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.errors import (
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    TransportError,
)

_logger = logging.getLogger("openfunnel_async")
_READ_WITHIN = 5.0

Record = Callable[[BulkJob | OpenFunnelError], Awaitable[None]]


class _Attempt:
    """One submit: what was asked for, how far it has come, what is known of it.

    Attributes:
        search: What is submitted.
        progress: How far the exchange under way has come.
        has_caller: Whether its caller still waits for it.
        job_id: The id of the job that was made, once it was read.
    """

    def __init__(
        self,
        search: LookalikeSearch,
        patience: float | None,
        is_wanted: Callable[[], bool],
    ) -> None:
        self.search = search
        self.patience = patience
        self.progress = SendProgress()
        self.has_caller = True
        self._is_wanted = is_wanted
        self.job_id: str | None = None

    def is_wanted(self) -> bool:
        """Whether it is still to be sent, or sent again."""
        return self.has_caller and self._is_wanted()

    @property
    def may_be_sent(self) -> bool:
        """Whether the service may have seen a part of the last exchange."""
        return self.progress.may_be_sent or self.progress.was_sent

    def describe(self) -> str | None:
        """Say what may be billing; None if nothing was sent."""
        if self.job_id is not None:
            return f"job {self.job_id} was submitted and nobody waits for it; it bills"
        return _unknown(self.search) if self.may_be_sent else None


class Submitter:
    """Start jobs for callers who may be cancelled."""

    def __init__(
        self, resources: Resources, background: BackgroundTasks, handles: Handles
    ) -> None:
        self._resources = resources
        self._background = background
        self._handles = handles

    async def submit(
        self,
        search: LookalikeSearch,
        *,
        patience: float | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> BulkJob:
        """Start the job and return its handle, or ensure that none is left.

        Args:
            search: What to submit.
            patience: Seconds of unbroken 429s to survive; by default the policy's
                attempts count.
            is_wanted: Whether it is still to be sent, when its turn has come.

        Raises:
            ConfigurationError: The client is closed; nothing was sent.
        """
        self._background.check_open()
        attempt = _Attempt(search, patience, self._unless_closing(is_wanted))
        unfinished = UnfinishedWork(attempt.describe)
        task = self._background.start_background_task(self._send(attempt))
        try:
            job = await asyncio.shield(task)
        except OpenFunnelError:
            unfinished.finish()
            raise
        except asyncio.CancelledError:
            if task.cancelled() and not is_being_cancelled():
                unfinished.finish()
                raise self._cut_off(attempt) from None
            attempt.has_caller = False
            rescue = self._rescue(task, attempt, unfinished)
            await wait_shielded([self._background.start_background_task(rescue)])
            raise
        unfinished.finish()
        return job

    async def submit_recorded(
        self,
        search: LookalikeSearch,
        record: Record,
        *,
        patience: float,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> BulkJob:
        """Start the job and have its outcome written down, whatever happens.

        There are three cases. A caller who waits gets the handle, or the error, after
        it was recorded. One who is cancelled before anything was sent stops the submit,
        which is recorded. One who is cancelled later waits for 5 s at most; the answer
        is read and recorded in the background, and the job continues.

        Args:
            search: What to submit.
            record: Awaited with the handle, or with the error.
            patience: Seconds of unbroken 429s to survive.
            is_wanted: Whether it is still to be sent, when its turn has come.

        Raises:
            OpenFunnelError: As ``submit()``; what ``record`` raises as well.
        """
        attempt = _Attempt(search, patience, self._unless_closing(is_wanted))
        unfinished = UnfinishedWork(attempt.describe)
        send = self._background.start_background_task(self._send(attempt))
        work = self._background.start_background_task(
            self._record(send, attempt, record, unfinished)
        )
        work.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            attempt.has_caller = False
            if not (send.done() or attempt.progress.may_be_sent):
                send.cancel()
            await wait_shielded([work], _READ_WITHIN)
            raise

    async def _record(
        self,
        send: asyncio.Task[BulkJob],
        attempt: _Attempt,
        record: Record,
        unfinished: UnfinishedWork,
    ) -> BulkJob:
        """Record what became of a submit, also of one that was cut off."""
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([send])
            if not send.done():
                # The closing client has cancelled this task, and the other one as well.
                await cancel_and_wait([send])
            error = self._cut_off(attempt) if send.cancelled() else send.exception()
            if error is not None and not isinstance(error, OpenFunnelError):
                raise error
            outcome = send.result() if error is None else error
            recording = self._background.start_background_task(_await(record(outcome)))
            await wait_shielded([recording])
            unfinished.finish()
            recording.result()
            if error is not None:
                raise error
            return send.result()
        finally:
            unfinished.report()

    async def _send(self, attempt: _Attempt) -> BulkJob:
        """Send the search and own the job that it makes.

        Between reading the id and holding the handle nothing runs that can be expected
        to fail: no import, no file, no foreign callback. What fails all the same ends
        as an unknown outcome that names the job; see docs/explanation/
        money-and-cancellation.md, "From the id to the handle".
        """
        search, now = attempt.search, asyncio.get_running_loop().time()
        try:
            answer: Submitted = await self._resources.caller.call(
                self._resources.endpoints.submit(search),
                progress=attempt.progress,
                is_wanted=attempt.is_wanted,
                rate_limit_timeout=attempt.patience,
            )
            attempt.job_id = answer.job_id
            now = asyncio.get_running_loop().time()
            job = self._handles.submitted(answer.job_id, _limit(search, answer), now)
        except OpenFunnelError:
            raise
        except Exception as exc:  # noqa: BLE001 -- whatever it is, a job may be billing
            fault = error_text(exc)
        else:
            soon = asyncio.get_running_loop().call_soon
            soon(_note_limit, job.id, search, answer)
            soon(self._report_submit, job)
            return job
        raise self._unexpected(attempt, fault)

    def _unless_closing(self, is_wanted: Callable[[], bool]) -> Callable[[], bool]:
        """Return the same, and False for a client that is being closed."""
        return lambda: is_wanted() and not self._background.is_closing

    def _report_submit(self, job: BulkJob) -> None:
        """Emit the event, after the handle was returned: its receiver is foreign."""
        self._resources.caller.emitter.emit("JobSubmitted", job.id, limit=job.limit)

    def _unexpected(self, attempt: _Attempt, fault: str) -> OpenFunnelError:
        """Return what is known after an exception that is not ours."""
        if not attempt.may_be_sent and attempt.job_id is None:
            return TransportError(f"nothing was sent ({fault})", False)
        return unknown_submit(attempt.search, fault, attempt.job_id)

    async def _rescue(
        self, task: asyncio.Task[BulkJob], attempt: _Attempt, unfinished: UnfinishedWork
    ) -> None:
        """Stop what is not sent, read what is, and cancel the job it made."""
        try:
            if not (task.done() or attempt.progress.may_be_sent):
                task.cancel()
            await asyncio.wait([task], timeout=_READ_WITHIN)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            job = self._job_of(task, attempt)
            if job is not None:
                # From here on the background tasks are responsible for the job.
                release = self._background.start_cancel(job)
                unfinished.finish()
                await asyncio.wait([release.first])
            elif not _is_unknown(task):
                unfinished.finish()
        finally:
            unfinished.report()

    def _cut_off(self, attempt: _Attempt) -> OpenFunnelError:
        """Say what is known of a submit that the closing client cut off."""
        is_closing = attempt.has_caller
        why = "the client was closed" if is_closing else "its caller was cancelled"
        if attempt.may_be_sent:
            return lost_submit(attempt.search, why, attempt.progress.partial)
        return TransportError(f"{why} before anything was sent", False)

    def _job_of(self, task: asyncio.Task[BulkJob], attempt: _Attempt) -> BulkJob | None:
        """Return the job that the submit made, also one out of a broken answer."""
        error = self._cut_off(attempt) if task.cancelled() else task.exception()
        if error is None:
            return task.result()
        job_id = attempt.job_id
        if isinstance(error, SubmitOutcomeUnknownError):
            job_id = error.job_id
        if job_id is None:
            return None
        loop = asyncio.get_running_loop()
        job = self._handles.submitted(job_id, attempt.search.limit, loop.time())
        loop.call_soon(self._report_submit, job)
        return job


def _retrieve(work: asyncio.Task[BulkJob]) -> None:
    """Retrieve an error that nobody waits for; it was recorded."""
    _ = work.cancelled() or work.exception()


async def _await(recording: Awaitable[None]) -> None:
    await recording


def _limit(search: LookalikeSearch, answer: Submitted) -> int | None:
    """Return the most rows that the job may bill: the larger of asked and echoed."""
    known = [n for n in (search.limit, answer.requested_limit) if n is not None]
    return max(known, default=None)


def _note_limit(job_id: str, search: LookalikeSearch, answer: Submitted) -> None:
    """Log an echoed limit that is larger than the one that was asked for.

    Runs after the handle was returned: a handler of the log is foreign code.
    """
    asked, echoed = search.limit, answer.requested_limit
    if asked is not None and echoed is not None and echoed > asked:
        _logger.warning(
            "anomaly: job %s was submitted with limit %d and the service answered "
            "requested_limit %d; it may bill up to that",
            job_id,
            asked,
            echoed,
        )


def _is_unknown(task: asyncio.Task[BulkJob]) -> bool:
    """Whether a submit without a job may have made one all the same."""
    if task.cancelled():
        return True
    error = task.exception()
    return not isinstance(error, OpenFunnelError) or isinstance(
        error, SubmitOutcomeUnknownError
    )


def _unknown(search: LookalikeSearch) -> str:
    limit = search.limit if search.limit is not None else "an unknown number of"
    return (
        "a submit whose caller was cancelled was sent and its outcome is not known; "
        f"a job may be billing up to {limit} credits"
    )


def warn_of_unknown(search: LookalikeSearch) -> None:
    """Log that a job may be billing which no caller will hear of."""
    _logger.warning("%s", _unknown(search))
