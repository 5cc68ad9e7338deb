"""Do the steps of the Book that tasks name, and defer the task of the next one."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from openfunnel_async.book import BookSteps, Step, StepAction
from openfunnel_async.book._postgres.deferring import make_task, name_queue
from openfunnel_async.errors import OpenFunnelError

_logger = logging.getLogger("openfunnel_async")
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
# Three times as long as a worker takes between two signs of life.
_STALLED_AFTER = 30.0
_CLEAN_EVERY = 30.0


class StepRunner:
    """What one process does for the Book.

    Attributes:
        steps: The steps.

    Args:
        steps: The steps.
        seconds: How long one task follows a job.
    """

    def __init__(self, steps: BookSteps, seconds: float) -> None:
        self.steps: BookSteps = steps
        self._seconds = seconds
        self._slices: dict[str, anyio.CancelScope] = {}
        self._submits_from = 0.0
        self._is_stopping = False
        self._cleaned_at: float | None = None

    @property
    def following(self) -> int:
        """How many jobs this process follows now."""
        return len(self._slices)

    def may_submit(self) -> bool:
        """Whether a search may be submitted now: the last one was not put off."""
        return asyncio.get_running_loop().time() >= self._submits_from

    def give_back(self, number: int) -> None:
        """End slices, so that other workers take the jobs; the oldest ones first."""
        for scope in list(self._slices.values())[:number]:
            scope.cancel()

    def stop(self) -> None:
        """End all slices, and begin no step; a submit under way is finished."""
        self._is_stopping = True
        self.give_back(len(self._slices))

    async def do(self, manager: JobManager, step: Step, failures: int) -> None:
        """Do a step, and defer the task of the one that comes next.

        A step that failed is tried again after a pause that grows. Cancelled, it is
        deferred again at once: the worker is being stopped.
        """
        try:
            after, failures = await self._do(step), 0
        except OpenFunnelError as exc:
            failures += 1
            pause = min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE)
            _logger.warning(
                "%s of entry %s failed, and is tried again in %d s: %s",
                step.action,
                step.key,
                pause,
                exc,
            )
            after = step._replace(after=pause)
        except asyncio.CancelledError:
            await asyncio.shield(_defer(manager, [step]))
            raise
        await _defer(manager, [after], failures)

    async def _do(self, step: Step) -> Step:
        """Do a step and return the next one; the same if there is no time for it."""
        if self._is_stopping:
            return step
        if step.action is StepAction.SUBMIT:
            return await self._submit(step.key)
        if step.key in self._slices:
            # A second task of the same job: the first one does it.
            return step._replace(action=StepAction.DONE)
        with anyio.CancelScope() as scope:
            self._slices[step.key] = scope
            try:
                return await self.steps.follow_slice(step.key, seconds=self._seconds)
            finally:
                del self._slices[step.key]
        return step

    async def _submit(self, key: str) -> Step:
        """Submit a search; one that is put off puts off all others as well."""
        step = await self.steps.submit_one(key)
        if step.action is StepAction.SUBMIT:
            self._submits_from = asyncio.get_running_loop().time() + step.after
        return step

    async def sweep(self, manager: JobManager) -> None:
        """Defer what is due and what nobody does; delete what dead workers left.

        Raises:
            BookError: The Book cannot be read.
        """
        now = asyncio.get_running_loop().time()
        if self._cleaned_at is None or now - self._cleaned_at > _CLEAN_EVERY:
            self._cleaned_at = now
            await _delete_stalled(manager)
        await _defer_missing(manager, await self.steps.sweep())


def _make_task(step: Step, failures: int = 0) -> Job:
    return make_task(step.key, step.action, step.after, failures)


async def _defer(manager: JobManager, steps: Sequence[Step], failures: int = 0) -> None:
    """Defer the tasks of steps, one by one; one that is waiting already is enough."""
    for step in steps:
        if step.action is StepAction.DONE:
            continue
        try:
            await manager.defer_job_async(_make_task(step, failures))
        except AlreadyEnqueued:
            continue
        except ConnectorException as exc:
            # A sweep finds it.
            _logger.debug("the task of %s could not be deferred: %r", step.key, exc)


async def _defer_missing(manager: JobManager, steps: Sequence[Step]) -> None:
    """Defer the tasks of many steps, most of which are waiting already."""
    due = [step for step in steps if step.action is not StepAction.DONE]
    tasks = {str(task.queueing_lock): task for task in map(_make_task, due)}
    rows = await manager.connector.execute_query_all_async(
        "SELECT queueing_lock FROM procrastinate_jobs"
        " WHERE status = 'todo' AND queueing_lock = ANY(%(locks)s)",
        locks=list(tasks),
    )
    waiting = {row["queueing_lock"] for row in rows}
    missing = [task for lock, task in tasks.items() if lock not in waiting]
    if not missing:
        return
    try:
        await manager.batch_defer_jobs_async(missing)
    except AlreadyEnqueued:
        for task in missing:
            with contextlib.suppress(AlreadyEnqueued):
                await manager.defer_job_async(task)


async def _delete_stalled(manager: JobManager) -> None:
    """Delete what workers had that have ended; the Book knows what is due."""
    for action in (StepAction.SUBMIT, StepAction.FOLLOW):
        stalled = await manager.get_stalled_jobs(
            queue=name_queue(action), seconds_since_heartbeat=_STALLED_AFTER
        )
        for job in stalled:
            # Another worker may delete it at this moment.
            with contextlib.suppress(ConnectorException):
                await manager.finish_job(job, Status.ABORTED, delete_job=True)


@asynccontextmanager
async def serve_in_background(
    steps: BookSteps,
) -> AsyncGenerator["asyncio.Task[None]"]:
    """Serve in a task of its own, for a block; yield the task.

    Raises:
        BookError: The Book cannot be served.
    """
    task = await start_serving(steps)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def start_serving(steps: BookSteps) -> "asyncio.Task[None]":
    """Return the task that serves, once it does.

    Raises:
        BookError: The Book cannot be served.
    """
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with steps.serving():
            started.set_result(None)
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(serve(), name="openfunnel: serve the Book")
    try:
        await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not started.done():
        task.result()
    return task
