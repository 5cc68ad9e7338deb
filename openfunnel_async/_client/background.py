"""Tasks of the client's own: finish what was sent, cancel what was made.

A native ``task.cancel()`` reaches through anyio's shield, so what must finish runs in
a task of its own behind ``asyncio.shield``; the client keeps those tasks.
"""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

import anyio

from openfunnel_async._client.unfinished import Obligation
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    ConfigurationError,
    OpenFunnelError,
    WaitTimeoutError,
)

T = TypeVar("T")
Cancelled = CancelReceipt | OpenFunnelError
_logger = logging.getLogger("openfunnel_async")
_CANCEL_WITHIN = 10.0
_CLOSE_WITHIN = 20.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Release(NamedTuple):
    """A cancel that continues in the background until it is accepted.

    Attributes:
        first: What came of it within the time that its caller waits: the receipt, or
            what has kept the cancel from being accepted so far.
        task: The background task; it ends when the job is cancelled or terminal, or
            when the client is closed.
    """

    first: asyncio.Future[Cancelled]
    task: asyncio.Task[None]


class _Cancelling:
    """One job that is being cancelled in the background, and who waits for it."""

    def __init__(self, job: BulkJob) -> None:
        self.job = job
        self._waiting: list[asyncio.Future[Cancelled]] = []
        self._obligation = Obligation(partial(_unfinished, job.id))
        self._has_warned = False

    def wait(self, within: float | None) -> asyncio.Future[Cancelled]:
        """Return the next outcome, or how far it is after that many seconds."""
        loop = asyncio.get_running_loop()
        first: asyncio.Future[Cancelled] = loop.create_future()
        self._waiting.append(first)
        if within is not None:
            timer = loop.call_later(within, self._give_up, first, within)
            first.add_done_callback(lambda _first: timer.cancel())
        return first

    def report(self, outcome: Cancelled) -> None:
        """Let everybody who waits know."""
        waiting, self._waiting = self._waiting, []
        for first in waiting:
            if not first.done():
                first.set_result(outcome)
        if not isinstance(outcome, CancelReceipt):
            self._warn_once(str(outcome))

    def end(self, *, is_cancelled: bool) -> None:
        """Note that nothing more is tried; say so if the job may still be billing."""
        if is_cancelled:
            self._obligation.meet()
            return
        msg = f"the client was closed; job {self.job.id} may be running, and billing"
        self._has_warned = True
        self.report(OpenFunnelError(msg))
        self._obligation.drop()

    def _give_up(self, first: asyncio.Future[Cancelled], within: float) -> None:
        """Let a caller go; the cancel continues."""
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
            # Later, because a handler of the log is foreign code: what it raises must
            # end neither the cancel nor the wait for it.
            asyncio.get_running_loop().call_soon(_warn, self.job.id, why)


class Custody:
    """The tasks that outlive their callers, and the jobs nobody waits for."""

    def __init__(self) -> None:
        # Dicts, for their order: which task a closing cancels first is no chance.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._idle: dict[asyncio.Task[Any], None] = {}
        self._abandoned: dict[str, BulkJob] = {}
        self._cancelling: dict[BulkJob, tuple[_Cancelling, asyncio.Task[None]]] = {}
        self._closed = False
        self._closing = asyncio.Event()

    @property
    def orphans(self) -> tuple[str, ...]:
        """Ids of jobs without a caller that are not yet cancelled."""
        return tuple(
            id_ for id_, job in self._abandoned.items() if not _is_cancelled(job)
        )

    def abandoned(self, job_id: str) -> BulkJob | None:
        """Return the handle of a job without a caller, so that one cancel counts."""
        return self._abandoned.get(job_id)

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
        if self._closed:
            work.close()
            raise ConfigurationError("the client is closed; make a new one")
        return _started(work, self._idle, context)

    async def release(self, job: BulkJob) -> OpenFunnelError | None:
        """Cancel the job, even if the caller is cancelled meanwhile.

        Blocks the caller for at most 10 s; the cancel then continues in the
        background while the client is open.

        Returns:
            What has kept the job from being cancelled; its id then stays among
            ``orphans``.
        """
        first = self.begin_release(job).first
        with anyio.CancelScope(shield=True):
            await asyncio.wait([first])
        outcome = first.result()
        return outcome if isinstance(outcome, OpenFunnelError) else None

    def begin_first(
        self, job: BulkJob, within: float | None, after: float = 0.0
    ) -> asyncio.Future[Cancelled]:
        """Begin to cancel the job, and return its first outcome."""
        return self.begin_release(job, within, after).first

    def begin_release(
        self,
        job: BulkJob,
        within: float | None = _CANCEL_WITHIN,
        after: float = 0.0,
    ) -> Release:
        """Begin to cancel the job; from now on it is accounted for.

        Args:
            job: The job.
            within: Most seconds until the first outcome; None for any time.
            after: Seconds that the service asked to wait before the first request.
        """
        self._abandoned[job.id] = job
        if job not in self._cancelling:
            cancelling = _Cancelling(job)
            task = self.start_background_task(self._cancel(cancelling, after))
            self._cancelling[job] = cancelling, task
        cancelling, task = self._cancelling[job]
        return Release(cancelling.wait(within), task)

    async def _cancel(self, cancelling: _Cancelling, after: float) -> None:
        """Cancel the job until it is cancelled or terminal, or the client is closed.

        Each round is a cancel without a time limit, which repeats what a repetition
        can cure. What it cannot cure (a revoked key) may be cured by somebody else,
        so a new round begins after a pause. A closing client makes the last round
        begin at once.
        """
        job, pause = cancelling.job, _FIRST_PAUSE
        is_last = is_cancelled = False
        try:
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
                    # A closing client does not undercut a Retry-After either.
                    is_last = is_last or (asked > 0 and self._closing.is_set())
                    pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            del self._cancelling[job]
            if is_cancelled:
                self._abandoned.pop(job.id, None)
            cancelling.end(is_cancelled=is_cancelled)

    async def _pause(self, seconds: float) -> None:
        """Sleep until the next round, or until the client is closed."""
        if not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._closing.wait()

    async def aclose(self) -> None:
        """Cancel what is idle and let the rest finish, for 20 s at most."""
        self._closed = True
        self._closing.set()
        for task in self._idle:
            task.cancel()
        time = asyncio.get_running_loop().time
        until = time() + _CLOSE_WITHIN
        with anyio.CancelScope(shield=True):
            # What ends may leave a cancel to be made behind, so check again.
            while late := self._tasks | self._idle:
                left = until - time()
                if left <= 0:
                    break
                await asyncio.wait(late, timeout=left)
            for task in late:
                task.cancel()
            if late:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(late)


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
