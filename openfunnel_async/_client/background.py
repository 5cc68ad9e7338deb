"""Tasks of the client: finish what was sent, cancel jobs in the background.

A native ``task.cancel()`` gets through anyio's shield, so what must finish runs in a
task of its own, which the client keeps.
"""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

from openfunnel_async._client.unfinished import UnfinishedWork
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.resources import Cancelled
from openfunnel_async._job.shielded import cancel_and_wait, wait_shielded
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    ConfigurationError,
    OpenFunnelError,
    WaitTimeoutError,
)

T = TypeVar("T")
_logger = logging.getLogger("openfunnel_async")
_CANCEL_WITHIN = 10.0
_CLOSE_WITHIN = 20.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class BackgroundCancel(NamedTuple):
    """A cancel that continues in the background until it is accepted.

    Attributes:
        first: The outcome within the time that its caller waits: the receipt, or what
            has kept the cancel from being accepted so far.
        task: The background task; it ends when the job is cancelled or terminal, or
            when the client is closed.
    """

    first: asyncio.Future[Cancelled]
    task: asyncio.Task[None]


class _CancelWork:
    """One job that is being cancelled in the background, and its callers."""

    def __init__(self, job: BulkJob) -> None:
        self.job = job
        self._waiting: list[asyncio.Future[Cancelled]] = []
        self._unfinished = UnfinishedWork(partial(_unfinished, job.id))
        self._has_warned = False

    def wait(self, within: float | None) -> asyncio.Future[Cancelled]:
        """Return the next outcome, or how far it is after that many seconds."""
        loop = asyncio.get_running_loop()
        first: asyncio.Future[Cancelled] = loop.create_future()
        self._waiting.append(first)
        if within is not None:
            timer = loop.call_later(within, self._end_wait, first, within)
            first.add_done_callback(lambda _first: timer.cancel())
        return first

    def report(self, outcome: Cancelled) -> None:
        """Give the outcome to the callers who wait."""
        waiting, self._waiting = self._waiting, []
        for first in waiting:
            if not first.done():
                first.set_result(outcome)
        if not isinstance(outcome, CancelReceipt):
            self._warn_once(str(outcome))

    def end(self, *, is_cancelled: bool) -> None:
        """Note that nothing more is tried; log it if the job may still be billing."""
        if is_cancelled:
            self._unfinished.finish()
            return
        msg = f"the client was closed; job {self.job.id} may be running, and billing"
        self._has_warned = True
        self.report(OpenFunnelError(msg))
        self._unfinished.report()

    def _end_wait(self, first: asyncio.Future[Cancelled], within: float) -> None:
        """Give a caller an outcome at the end of its time; the cancel continues."""
        job = self.job
        msg = (
            f"job {job.id}: the cancel was not accepted within {within:g} s; it is "
            "tried again while the client is open, and the job may be billing"
        )
        if not first.done():
            first.set_result(WaitTimeoutError(msg, job.id, job.snapshot))
        self._warn_once("no answer accepted it")

    def _warn_once(self, why: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            # Later, because a handler of the log is foreign code: an exception of it
            # must end neither the cancel nor the wait for it.
            asyncio.get_running_loop().call_soon(_warn, self.job.id, why)


class BackgroundTasks:
    """The tasks that outlive their callers, and the jobs without a caller."""

    def __init__(self) -> None:
        # Dicts, for their order: the order of cancelling at the close is defined.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._idle: dict[asyncio.Task[Any], None] = {}
        self._orphans: dict[str, BulkJob] = {}
        self._cancelling: dict[BulkJob, tuple[_CancelWork, asyncio.Task[None]]] = {}
        self._has_ended = False
        self._closing = asyncio.Event()

    @property
    def orphans(self) -> tuple[str, ...]:
        """Ids of jobs without a caller that are not yet cancelled."""
        return tuple(
            id_ for id_, job in self._orphans.items() if not _is_cancelled(job)
        )

    def find_orphan(self, job_id: str) -> BulkJob | None:
        """Return the handle of a job without a caller, so that one cancel counts."""
        return self._orphans.get(job_id)

    @property
    def is_closing(self) -> bool:
        """Whether the client is being closed, or was."""
        return self._closing.is_set()

    def check_open(self) -> None:
        """Refuse new work of a client that is being closed, or was.

        Raises:
            ConfigurationError: It is; nothing was sent.
        """
        if self.is_closing:
            raise ConfigurationError("the client is closed; make a new one")

    def start_background_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the work in a task that closing waits for."""
        return _started(work, self._tasks)

    def start_idle_task(
        self,
        work: Coroutine[Any, Any, T],
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """Run the work in a task that closing cancels, if its owner has not.

        Args:
            work: The work.
            context: Where it runs; by default a copy of the caller's.

        Raises:
            ConfigurationError: The client is closed.
        """
        try:
            self.check_open()
        except ConfigurationError:
            work.close()
            raise
        return _started(work, self._idle, context)

    async def cancel_for_caller(self, job: BulkJob) -> OpenFunnelError | None:
        """Cancel the job, even if the caller is cancelled meanwhile.

        Blocks the caller for at most 10 s; the cancel then continues in the
        background while the client is open.

        Returns:
            What has kept the job from being cancelled; its id then stays among
            ``orphans``.
        """
        first = self.start_cancel(job).first
        await wait_shielded([first])
        outcome = first.result()
        return outcome if isinstance(outcome, OpenFunnelError) else None

    def cancel_in_background(
        self, job: BulkJob, within: float | None, after: float = 0.0
    ) -> asyncio.Future[Cancelled]:
        """Start to cancel the job, and return the first outcome."""
        return self.start_cancel(job, within, after).first

    def start_cancel(
        self,
        job: BulkJob,
        within: float | None = _CANCEL_WITHIN,
        after: float = 0.0,
    ) -> BackgroundCancel:
        """Start to cancel the job; from now on it is among the orphans.

        Once the client is closed nothing is sent: the outcome says so at once, and a
        warning that the job may be billing is logged.

        Args:
            job: The job.
            within: Most seconds until the first outcome; None for any time.
            after: Seconds that the service asked to wait before the first request.
        """
        self._orphans[job.id] = job
        if job not in self._cancelling:
            cancelling = _CancelWork(job)
            task = self.start_background_task(self._cancel(cancelling, after))
            self._cancelling[job] = cancelling, task
        cancelling, task = self._cancelling[job]
        return BackgroundCancel(cancelling.wait(within), task)

    async def _cancel(self, cancelling: _CancelWork, after: float) -> None:
        """Cancel the job until it is cancelled or terminal, or the client is closed.

        Each round is a cancel without a time limit, which repeats what a repetition
        can cure. What it cannot cure (a revoked key) may be cured by somebody else,
        so a new round begins after a pause. A closing client makes the last round
        begin at once.
        """
        job, pause = cancelling.job, _FIRST_PAUSE
        is_last = is_cancelled = False
        try:
            if self._has_ended:
                return
            if after:
                await self._pause(after)
                is_last = self._closing.is_set()
            while not (is_cancelled or is_last):
                is_last = self._closing.is_set()
                outcome = await _try_to_cancel(job)
                is_cancelled = isinstance(outcome, CancelReceipt)
                cancelling.report(outcome)
                if not is_cancelled:
                    asked = _asked(outcome)
                    await self._pause(max(pause, asked))
                    # A closing client obeys a Retry-After, too.
                    is_last = is_last or (asked > 0 and self._closing.is_set())
                    pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            del self._cancelling[job]
            if is_cancelled:
                self._orphans.pop(job.id, None)
            cancelling.end(is_cancelled=is_cancelled)

    async def _pause(self, seconds: float) -> None:
        """Sleep until the next round, or until the client is closed."""
        if not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._closing.wait()

    async def aclose(self) -> None:
        """Cancel what is idle and let the rest finish, for 20 s at most."""
        self._closing.set()
        for task in self._idle:
            task.cancel()
        time = asyncio.get_running_loop().time
        until = time() + _CLOSE_WITHIN
        # A task that ends may leave a cancel to be sent, so check again.
        while (late := self._pending()) and (left := until - time()) > 0:
            await wait_shielded(late, left)
        self._has_ended = True
        with contextlib.suppress(asyncio.CancelledError):
            await cancel_and_wait(late)

    def _pending(self) -> list[asyncio.Task[Any]]:
        return [task for task in (*self._tasks, *self._idle) if not task.done()]


def _warn(job_id: str, why: str) -> None:
    _logger.warning(
        "job %s could not be cancelled yet and may be billing; it is tried again while "
        "the client is open: %s",
        job_id,
        why,
    )


async def _try_to_cancel(job: BulkJob) -> Cancelled:
    try:
        return await job.cancel(timeout=None)
    except OpenFunnelError as exc:
        return exc


def _asked(outcome: Cancelled) -> float:
    """Return the seconds that the service asked to wait, with jitter; else 0."""
    asked = None
    if isinstance(outcome, OpenFunnelError):
        asked = retry_after_of(outcome)
    return 0.0 if asked is None else with_jitter(asked)


def _unfinished(job_id: str) -> str:
    return f"job {job_id} could not be cancelled and may be billing"


def is_being_cancelled() -> bool:
    """Whether this task was asked to stop, rather than the work it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _started(
    work: Coroutine[Any, Any, T],
    tasks: dict[asyncio.Task[Any], None],
    context: contextvars.Context | None = None,
) -> asyncio.Task[T]:
    task = asyncio.create_task(work, context=context)
    tasks[task] = None
    task.add_done_callback(tasks.pop)
    return task


def _is_cancelled(job: BulkJob) -> bool:
    return job.is_terminal or job.status is JobStatus.CANCELLING
