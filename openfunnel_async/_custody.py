"""Jobs whose caller has gone: finish what was sent, cancel what was made.

A native ``task.cancel()`` reaches through anyio's shield, so what must finish runs in
a task of its own behind ``asyncio.shield``; the client keeps those tasks.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from openfunnel_async._invalid import ConfigurationError
from openfunnel_async._job import BulkJob
from openfunnel_async._status import JobStatus
from openfunnel_async.errors import OpenFunnelError

T = TypeVar("T")
_logger = logging.getLogger("openfunnel_async")
_CANCEL_WITHIN = 10.0
_CLOSE_WITHIN = 20.0


class Custody:
    """The tasks that outlive their callers, and the jobs nobody waits for."""

    def __init__(self) -> None:
        # Dicts, for their order: which task a closing cancels first is no chance.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._idle: dict[asyncio.Task[Any], None] = {}
        self._abandoned: dict[str, BulkJob] = {}
        self._closed = False

    @property
    def orphans(self) -> tuple[str, ...]:
        """Ids of jobs without a caller that are not yet cancelled."""
        return tuple(id_ for id_, job in self._abandoned.items() if not _is_over(job))

    def abandoned(self, job_id: str) -> BulkJob | None:
        """Return the handle of a job without a caller, so that one cancel counts."""
        return self._abandoned.get(job_id)

    def own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the work in a task that closing waits for."""
        return _kept(work, self._tasks)

    def lend(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the work in a task that closing cancels, if its owner has not.

        Raises:
            ConfigurationError: The client is closed.
        """
        if self._closed:
            work.close()
            raise ConfigurationError("the client is closed; make a new one")
        return _kept(work, self._idle)

    async def release(self, job: BulkJob) -> OpenFunnelError | None:
        """Cancel the job within 10 s, even if the caller is cancelled meanwhile.

        Returns:
            What kept it from being cancelled; its id then stays among ``orphans``.
        """
        task = self.begin_release(job)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
        if task.cancelled():
            # By the closing client; nobody has cancelled the caller.
            msg = f"the client was closed; job {job.id} may be going on, and billing"
            return OpenFunnelError(msg)
        return task.result()

    def begin_release(self, job: BulkJob) -> asyncio.Task[OpenFunnelError | None]:
        """Begin to cancel the job; from now on it is accounted for."""
        self._abandoned[job.id] = job
        return self.own(self._cancel(job))

    async def _cancel(self, job: BulkJob) -> OpenFunnelError | None:
        try:
            await job.cancel(timeout=_CANCEL_WITHIN)
        except OpenFunnelError as exc:
            _logger.warning(
                "job %s could not be cancelled and may be billing: %s", job.id, exc
            )
            return exc
        self._abandoned.pop(job.id, None)
        return None

    async def aclose(self) -> None:
        """Cancel what is idle and let the rest finish, for 20 s at most."""
        self._closed = True
        for task in self._idle:
            task.cancel()
        until = anyio.current_time() + _CLOSE_WITHIN
        with anyio.CancelScope(shield=True):
            # What ends may leave a cancel to be made behind, so look again.
            while late := self._tasks | self._idle:
                left = until - anyio.current_time()
                if left <= 0:
                    break
                await asyncio.wait(late, timeout=left)
            for task in late:
                task.cancel()
            if late:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(late)


def is_being_cancelled() -> bool:
    """Whether this task was asked to stop, rather than the work it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _kept(
    work: Coroutine[Any, Any, T], tasks: dict[asyncio.Task[Any], None]
) -> asyncio.Task[T]:
    task = asyncio.create_task(work)
    tasks[task] = None
    task.add_done_callback(tasks.pop)
    return task


def _is_over(job: BulkJob) -> bool:
    return job.is_terminal or job.status is JobStatus.CANCELLING
