"""Wait for many handles; every one of them comes out."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self

import anyio

from openfunnel_async._invalid import ConfigurationError
from openfunnel_async._job import BulkJob
from openfunnel_async._models import JobSnapshot
from openfunnel_async.errors import OpenFunnelError

Lend = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


def distinct(jobs: Iterable[BulkJob]) -> list[BulkJob]:
    """Return the handles, each once, in order.

    Raises:
        ConfigurationError: Something among them is not a handle.
    """
    handles = list(dict.fromkeys(jobs))
    for job in handles:
        if not isinstance(job, BulkJob):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
            raise ConfigurationError("jobs must be handles, as submit() returns them")
    return handles


class Completions:
    """The handles of a fleet, each once, in the order in which their waits end.

    A wait may end by an error; ``job.error`` then says which. An async iterator and
    an async context manager: leaving it, also by a ``break``, ends the waits that
    are left and leaves the jobs running.
    """

    def __init__(self, jobs: list[BulkJob], seconds: float | None, lend: Lend) -> None:
        self._lend = lend
        self.jobs = jobs
        self._seconds = seconds
        self._ended: asyncio.Queue[BulkJob] = asyncio.Queue()
        self._left = len(jobs)
        self._waits: set[asyncio.Task[None]] | None = None
        self._guard = anyio.ResourceGuard("iterating over")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BulkJob:
        with self._guard:
            if self._waits is None:
                self._waits = {
                    self._lend(_wait(job, self._seconds, self._ended))
                    for job in self.jobs
                }
            if not self._left:
                raise StopAsyncIteration
            job = await self._ended.get()
            self._left -= 1
            return job

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # Iteration that was simply left; its loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._stop()

    async def aclose(self) -> None:
        """End the waits that are left and see them gone; the jobs go on."""
        waits = self._stop()
        if waits:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(waits)

    def _stop(self) -> set[asyncio.Task[None]]:
        self._left = 0
        waits = {wait for wait in self._waits or () if not wait.done()}
        for wait in waits:
            wait.cancel()
        return waits


async def _wait(
    job: BulkJob, seconds: float | None, ended: asyncio.Queue[BulkJob]
) -> None:
    """Wait for one job; holds nothing of the iteration, so that can be let go."""
    with contextlib.suppress(OpenFunnelError):
        await job.wait_until_terminal(timeout=seconds)
    ended.put_nowait(job)


async def wait_all(
    completions: Completions,
) -> dict[str, JobSnapshot | OpenFunnelError]:
    """Wait for all and say of each id how it stands; see ``OpenFunnel.wait_all``."""
    async with completions as ended:
        async for _ in ended:
            pass
    outcomes: dict[str, JobSnapshot | OpenFunnelError] = {}
    for job in completions.jobs:
        known = job.snapshot if job.is_terminal else job.error
        if known is not None:
            outcomes[job.id] = known
    return outcomes
