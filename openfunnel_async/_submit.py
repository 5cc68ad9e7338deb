"""Submit, so that no job is made that nobody knows of.

There is no idempotency key and no list of jobs (facts.md, "Submit"), so an answer
that nobody reads is a job that bills unseen. A submit that was sent is therefore
read to its end even when its caller is cancelled, and the job it made is cancelled.
"""

import asyncio
import logging

import anyio

from openfunnel_async._answers import Submitted, lost_submit
from openfunnel_async._custody import Custody, is_being_cancelled
from openfunnel_async._handles import Handles
from openfunnel_async._job import BulkJob
from openfunnel_async._models import LookalikeSearch
from openfunnel_async._reads import Means
from openfunnel_async._wire import SendProgress
from openfunnel_async.errors import (
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    TransportError,
)

_logger = logging.getLogger("openfunnel_async")
_READ_WITHIN = 5.0


class Submitter:
    """Start jobs for callers who may go away."""

    def __init__(self, means: Means, custody: Custody, handles: Handles) -> None:
        self._means = means
        self._custody = custody
        self._handles = handles

    async def submit(self, search: LookalikeSearch) -> BulkJob:
        """Start the job and return its handle, or see to it that none is left."""
        progress = SendProgress()
        gone = asyncio.Event()
        task = self._custody.own(self._send(search, progress, gone))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not is_being_cancelled():
                raise self._cut_off(search, progress) from None
            gone.set()
            rescue = self._custody.own(self._rescue(task, progress, search))
            with anyio.CancelScope(shield=True):
                await asyncio.shield(rescue)
            raise

    async def _send(
        self, search: LookalikeSearch, progress: SendProgress, gone: asyncio.Event
    ) -> BulkJob:
        call = self._means.endpoints.submit(search)
        answer: Submitted = await self._means.caller.call(
            call, progress=progress, is_wanted=lambda: not gone.is_set()
        )
        limit = search.limit if search.limit is not None else answer.requested_limit
        return self._handles.submitted(answer.job_id, limit, anyio.current_time())

    async def _rescue(
        self,
        task: asyncio.Task[BulkJob],
        progress: SendProgress,
        search: LookalikeSearch,
    ) -> None:
        """Stop what is not sent, read what is, and cancel the job it made."""
        sent = task.done() or progress.may_be_sent
        if not sent:
            task.cancel()
        await asyncio.wait([task], timeout=_READ_WITHIN)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        job = self._job_of(task, search, progress)
        if job is not None:
            await self._custody.release(job)
        elif sent and (task.cancelled() or _is_unknown(task)):
            warn_of_unknown(search)

    def _cut_off(
        self, search: LookalikeSearch, progress: SendProgress
    ) -> OpenFunnelError:
        """Say what is known of a submit that the closing client cut off."""
        why = "the client was closed"
        if progress.was_sent:
            return lost_submit(search, why, progress.partial)
        return TransportError(f"{why} before anything was sent", False)

    def _job_of(
        self,
        task: asyncio.Task[BulkJob],
        search: LookalikeSearch,
        progress: SendProgress,
    ) -> BulkJob | None:
        """Return the job that the submit made, also one out of a broken answer."""
        error: BaseException | None
        if task.cancelled():
            error = self._cut_off(search, progress)
        else:
            error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, SubmitOutcomeUnknownError) and error.job_id is not None:
            now = anyio.current_time()
            return self._handles.submitted(error.job_id, error.search.limit, now)
        return None


def _is_unknown(task: asyncio.Task[BulkJob]) -> bool:
    return isinstance(task.exception(), SubmitOutcomeUnknownError)


def warn_of_unknown(search: LookalikeSearch) -> None:
    """Say that a job may be billing of which nobody is left to be told."""
    _logger.warning(
        "a submit was sent for a caller who has gone and its outcome is not known; "
        "a job may be billing up to %s credits",
        search.limit if search.limit is not None else "an unknown number of",
    )
