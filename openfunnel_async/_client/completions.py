"""Wait for many handles; every one of them is yielded."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Self

import anyio

from openfunnel_async._job.event_loop import LoopGuard
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._values.models import JobSnapshot
from openfunnel_async.errors import ConfigurationError, OpenFunnelError

Outcome = JobSnapshot | OpenFunnelError
Wait = asyncio.Task[Outcome]
StartTask = Callable[[Coroutine[Any, Any, Outcome]], Wait]


def distinct(jobs: Iterable[BulkJob]) -> list[BulkJob]:
    """Return the handles, each once, in order.

    Raises:
        ConfigurationError: Something among them is not a handle.
    """
    if not isinstance(jobs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("jobs must be a list of handles")
    handles = list(jobs)
    for job in handles:
        if not isinstance(job, BulkJob):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
            raise ConfigurationError("jobs must be handles, as submit() returns them")
    return list(dict.fromkeys(handles))


class Completions:
    """Handles, each once, in the order in which their waits end.

    A wait may end by an error; ``job.error`` then says which. An async iterator and
    an async context manager: leaving it, also by a ``break``, ends the waits that
    are left and leaves the jobs running.

    Attributes:
        jobs: All of them.
    """

    __module__ = "openfunnel_async"

    def __init__(
        self,
        jobs: list[BulkJob],
        seconds: float | None,
        start_task: StartTask,
        loop: LoopGuard,
    ) -> None:
        self.jobs = jobs
        self._loop = loop
        self._seconds = seconds
        self._start_task = start_task
        self._ended: asyncio.Queue[tuple[BulkJob, Wait]] = asyncio.Queue()
        self._waits: dict[BulkJob, Wait] | None = None
        self._given = 0
        self._closed = False
        self._guard = anyio.ResourceGuard("iterating over")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BulkJob:
        return (await self.next_outcome())[0]

    async def next_outcome(self) -> tuple[BulkJob, Outcome]:
        """Return the next handle with what its wait ended in.

        Raises:
            StopAsyncIteration: All have come out, or this was closed.
            ConfigurationError: The client was closed meanwhile, or belongs to another
                event loop.
        """
        self._loop.check()
        with self._guard:
            self._start()
            if self._closed or self._given == len(self.jobs):
                raise StopAsyncIteration
            job, wait = await self._ended.get()
            if self._closed:
                raise StopAsyncIteration
            if wait.cancelled():
                raise ConfigurationError("the client was closed meanwhile")
            self._given += 1
            return job, wait.result()

    async def __aenter__(self) -> Self:
        self._loop.check()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # An iteration that was left without closing; its loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._stop()

    async def aclose(self) -> None:
        """End the waits that are left; the jobs continue."""
        self._loop.check()
        waits = self._stop()
        await wait_shielded(waits)

    def _start(self) -> None:
        """Begin to wait, the first time; the tasks hold nothing of the iteration."""
        if self._waits is not None or self._closed:
            return
        waits: dict[BulkJob, Wait] = {}
        for job in self.jobs:
            wait = waits[job] = self._start_task(_wait(job, self._seconds))
            wait.add_done_callback(partial(_report, self._ended, job))
        self._waits = waits

    def _stop(self) -> list[Wait]:
        self._closed = True
        waits = [wait for wait in (self._waits or {}).values() if not wait.done()]
        for wait in waits:
            wait.cancel()
        return waits


async def _wait(job: BulkJob, seconds: float | None) -> Outcome:
    try:
        return await job.wait_until_terminal(timeout=seconds)
    except OpenFunnelError as exc:
        return exc


def _report(
    ended: asyncio.Queue[tuple[BulkJob, Wait]], job: BulkJob, wait: Wait
) -> None:
    # Retrieved, so that an exception that nobody waits for is not logged.
    _ = wait.cancelled() or wait.exception()
    ended.put_nowait((job, wait))


async def wait_all(completions: Completions) -> dict[str, Outcome]:
    """Wait for all, and return the outcome of each id; see ``OpenFunnel.wait_all``."""
    outcomes: dict[str, Outcome] = {}
    async with completions:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                job, outcome = await completions.next_outcome()
                # Of two handles of one job, what is certain counts.
                if isinstance(outcome, JobSnapshot) or job.id not in outcomes:
                    outcomes[job.id] = outcome
    return {job.id: outcomes[job.id] for job in completions.jobs if job.id in outcomes}
