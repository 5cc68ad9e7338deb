"""One piece of work done once for everybody who waits for it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import anyio
import attrs

T = TypeVar("T")


@attrs.define(eq=False)
class Run(Generic[T]):
    """One run of the work and how many hold it."""

    task: asyncio.Task[T]
    holders: int = 0


class Shared(Generic[T]):
    """Run a coroutine once while anybody holds it; end it when the last one leaves.

    The work runs in a task of its own, so that a caller who is cancelled does not
    take it away from the others.
    """

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._start = start
        self._run: Run[T] | None = None

    def enter(self) -> Run[T]:
        """Hold the work, starting it if none is under way; pair with ``leave``."""
        run = self._run
        if run is None or run.task.done():
            run = self._run = Run(asyncio.create_task(self._start()))
        run.holders += 1
        return run

    async def leave(self, run: Run[T]) -> None:
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
        # Whoever leaves may be cancelled already, and once more while it tidies
        # up: the first cancellation is on its way and is not lost here.
        with (
            anyio.CancelScope(shield=True),
            contextlib.suppress(asyncio.CancelledError),
        ):
            await asyncio.wait([run.task])

    async def join(self) -> T:
        """Wait for the outcome; several callers share one.

        Cancellation: passes through; the work ends if nobody else holds it.
        """
        run = self.enter()
        try:
            return await asyncio.shield(run.task)
        finally:
            await self.leave(run)
