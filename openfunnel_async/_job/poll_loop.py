"""Wait for a job: one poll loop a handle, however many wait on it."""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable

from openfunnel_async._job.requests import JobReads
from openfunnel_async._job.shared_task import Shared
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._values.models import JobSnapshot

OnProgress = Callable[[JobSnapshot], object]


class Watch:
    """The poll loop of one handle, alive while somebody waits."""

    __slots__ = ("_loop", "_reads")

    def __init__(self, reads: JobReads) -> None:
        self._reads = reads
        self._loop = Shared(reads.record, Kind.READ, self._poll)

    async def follow(
        self, deadline: float, on_progress: OnProgress | None = None
    ) -> None:
        """Return when the job is over, handing each change to ``on_progress``.

        The deadline only serves to give up early when the service asks to wait
        beyond it; the caller enforces it.
        """
        record = self._reads.record
        if record.is_terminal:
            if on_progress is not None and record.snapshot is not None:
                await _hand_out(deque([record.snapshot]), on_progress)
        elif on_progress is None:
            await self._loop.join(deadline)
        else:
            changes: deque[JobSnapshot] = deque()
            record.listeners[id(changes)] = changes
            try:
                await self._loop.join(deadline, lambda: _hand_out(changes, on_progress))
            finally:
                del record.listeners[id(changes)]

    async def _poll(self) -> None:
        """Look, at the job's pace, until it is over."""
        record = self._reads.record
        while not record.is_terminal:
            await self.pause()
            if self._reads.is_expected:
                await record.news.wait()
            elif not record.is_terminal:
                await self._reads.persist(
                    lambda note: self._reads.look(on_failure=note)
                )

    async def pause(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Sleep until the next look is due, counted from the last answer.

        An accepted cancel or an answer that somebody else got changes the pace, so
        news of any kind has it reckoned anew. ``is_over`` is asked after each.
        """
        record = self._reads.record
        counted: tuple[float | None, float | None] | None = None
        time = asyncio.get_running_loop().time
        due = time()
        while not (record.is_terminal or is_over()):
            basis = (record.answered_at, record.accepted_at)
            if basis != counted:
                counted = basis
                if record.answered_at is None:
                    return
                start = max(record.answered_at, record.accepted_at or 0.0)
                due = start + record.draw_delay()
            if due <= time():
                return
            await record.news.wait(due)


async def _hand_out(changes: deque[JobSnapshot], on_progress: OnProgress) -> None:
    while changes:
        outcome = on_progress(changes.popleft())
        if inspect.isawaitable(outcome):
            await outcome
