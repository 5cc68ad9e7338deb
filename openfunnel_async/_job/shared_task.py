"""One piece of work done once for everybody who waits for it."""

import asyncio
import contextvars
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

import anyio

from openfunnel_async._job.state import JobRecord
from openfunnel_async._protocol.endpoints import Kind

T = TypeVar("T")


@types.coroutine
def outside_context(work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await a coroutine in this task, but without the task's context variables.

    For a request whose answer others share, made by a caller in its own task: it must
    not carry the trace of the caller who happened to send it. A task of its own would
    lose the caller's time limit, which decides whether a Retry-After is waited for.
    """
    context = contextvars.Context()
    step: Callable[[Any], Any] = work.send
    given: object = None
    try:
        while True:
            awaited = context.run(step, given)
            try:
                step, given = work.send, (yield awaited)
            except GeneratorExit:
                work.close()
                raise
            except BaseException as exc:  # noqa: BLE001 -- passed on, cancellations as well
                step, given = work.throw, exc
    except StopIteration as stop:
        return cast("T", stop.value)


class Run(Generic[T]):
    """One run of the work and how many hold it."""

    __slots__ = ("holders", "task")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.holders = 0


def _in_no_context(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run the work outside the context of the caller who happens to be the first.

    Its trace and its context variables are not those of the others.
    """
    return asyncio.create_task(work, context=contextvars.Context())


class Shared(Generic[T]):
    """Run a coroutine once while anybody holds it; end it when the last one leaves.

    The work runs in a task of its own, so that a caller who is cancelled does not
    take it away from the others. Its end is news of the job.
    """

    __slots__ = ("_kind", "_record", "_run", "_start")

    def __init__(
        self,
        record: JobRecord,
        kind: Kind,
        start: Callable[[], Coroutine[Any, Any, T]],
    ) -> None:
        self._record = record
        self._kind = kind
        self._start = start
        self._run: Run[T] | None = None

    async def join(
        self,
        deadline: float,
        on_news: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Wait for the outcome; several callers share one.

        Args:
            deadline: The moment at which the caller will give up: a pause that the
                service asks for and that ends later is raised at once.
            on_news: Awaited after each piece of news of the job.

        Cancellation: passes through; the work ends if nobody else holds it.
        """
        run = self._enter()
        try:
            while not run.task.done():
                self._give_up_beyond(deadline)
                if on_news is None:
                    await self._record.turns.wait()
                else:
                    await self._record.news.wait()
                    await on_news()
            return run.task.result()
        finally:
            await self._leave(run)

    def _enter(self) -> Run[T]:
        run = self._run
        if run is None or run.task.done():
            # What an earlier run was told is no reason to give this one up.
            self._record.stalls.pop(self._kind, None)
            run = self._run = Run(_in_no_context(self._start()))
            run.task.add_done_callback(lambda _task: self._record.announce_turn())
        run.holders += 1
        return run

    async def _leave(self, run: Run[T]) -> None:
        """Let go of the work; the last one to leave ends it and sees it gone."""
        run.holders -= 1
        if run.task.done():
            # Looked at, so that an outcome nobody waited for is not reported lost.
            _ = run.task.cancelled() or run.task.exception()
            return
        if run.holders:
            return
        if self._run is run:
            self._run = None
        run.task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([run.task])

    def _give_up_beyond(self, deadline: float) -> None:
        # A cancel is not held up by what a read was told, nor the other way round.
        stall = self._record.stalls.get(self._kind)
        if stall is not None and stall.until > deadline:
            raise stall.cause
