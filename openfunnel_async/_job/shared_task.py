"""One task whose outcome several callers wait for."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from openfunnel_async._job.shielded import cancel_and_wait
from openfunnel_async.errors import OpenFunnelError

T = TypeVar("T")


def copy_error(error: BaseException) -> BaseException:
    """Return an error for one of several callers, each of whom may add facts to it.

    Its class may be one of a user's transport, so no ``__init__`` is called: an error
    that cannot be copied would keep the callers waiting for ever.
    """
    if not isinstance(error, OpenFunnelError):
        return error
    error_type = type(error)
    copied = error_type.__new__(error_type, *error.args)
    copied.args = error.args
    copied.__dict__.update(error.__dict__)
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = True
    return copied


class _Run(Generic[T]):
    """One run of the task, and the moments at which its callers stop to wait."""

    __slots__ = ("stall", "task", "waiters")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters: dict[asyncio.Future[T], float] = {}
        self.stall: tuple[float, OpenFunnelError] | None = None
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        # Retrieved, also if the last caller was cancelled in the same moment.
        _ = task.cancelled() or task.exception()
        for waiter in self.waiters:
            self.end_wait(waiter, task)

    def end_wait(self, waiter: asyncio.Future[T], task: asyncio.Task[T]) -> None:
        """Give the outcome of the task to a caller."""
        error = None if task.cancelled() else task.exception()
        if waiter.done():
            return
        if task.cancelled():
            waiter.cancel()
        elif error is not None:
            waiter.set_exception(copy_error(error))
        else:
            waiter.set_result(task.result())

    @property
    def may_be_joined(self) -> bool:
        """Whether it runs, or has succeeded and its callers have yet to wake up."""
        task = self.task
        if not task.done():
            return True
        has_failed = task.cancelled() or task.exception() is not None
        return bool(self.waiters) and not has_failed

    def refuse_beyond_deadline(self) -> None:
        """End the callers who would stop waiting before the pause ends."""
        if self.stall is None:
            return
        until, cause = self.stall
        for waiter, deadline in self.waiters.items():
            if until > deadline and not waiter.done():
                waiter.set_exception(copy_error(cause))


class SharedTask(Generic[T]):
    """Run a coroutine once while anybody waits for it.

    It runs in a task of its own, so that a caller who is cancelled does not take it
    away from the others, and in no context of a caller. The last one to leave ends it.
    """

    __slots__ = ("_run", "_start")

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._start = start
        self._run: _Run[T] | None = None

    async def join(self, deadline: float) -> T:
        """Wait for the outcome, which all callers share.

        Args:
            deadline: The moment at which the caller stops to wait: a pause that the
                service asks for and that ends later is raised at once.

        Cancellation: passes through; the task ends if nobody else waits for it.
        """
        run = self._run
        if run is None or not run.may_be_joined:
            context = contextvars.Context()
            run = _Run(asyncio.create_task(self._start(), context=context))
            self._run = run
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        run.waiters[waiter] = deadline
        run.refuse_beyond_deadline()
        if run.task.done():
            run.end_wait(waiter, run.task)
        try:
            return await waiter
        finally:
            del run.waiters[waiter]
            if not waiter.cancelled() and waiter.done():
                # Retrieved, also if the caller was cancelled in the same moment.
                waiter.exception()
            if not run.waiters:
                await self._end(run)

    async def _end(self, run: _Run[T]) -> None:
        if self._run is run:
            self._run = None
        await cancel_and_wait([run.task])

    def note_stall(self, until: float, cause: OpenFunnelError) -> None:
        """Note until when the service asks to wait, and the error that asked."""
        if self._run is not None:
            self._run.stall = until, cause
            self._run.refuse_beyond_deadline()
