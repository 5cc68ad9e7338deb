"""Wait for a job: one poll loop a handle, however many wait on it."""

import inspect
from collections import deque
from collections.abc import Callable

import anyio

from openfunnel_async._models import JobSnapshot
from openfunnel_async._reads import JobReads
from openfunnel_async._retries import retry_after_of
from openfunnel_async._shared import Shared

OnProgress = Callable[[JobSnapshot], object]


class Watch:
    """The poll loop of one handle, alive while somebody waits."""

    __slots__ = ("_loop", "_reads")

    def __init__(self, reads: JobReads) -> None:
        self._reads = reads
        self._loop = Shared(self._poll)

    async def follow(
        self, deadline: float, on_progress: OnProgress | None = None
    ) -> None:
        """Return when the job is over, handing each change to ``on_progress``.

        The deadline only serves to give up early when the service asks to wait
        beyond it; the caller enforces it.
        """
        record = self._reads.record
        if record.is_terminal:
            await self._last_words(on_progress)
            return
        changes: deque[JobSnapshot] = deque()
        if on_progress is not None:
            record.listeners.append(changes)
        run = self._loop.enter()
        try:
            while not run.task.done():
                self._give_up_beyond(deadline)
                await record.news()
                await _hand_out(changes, on_progress)
            if not record.is_terminal:
                run.task.result()
        finally:
            if on_progress is not None:
                record.listeners.remove(changes)
            await self._loop.leave(run)

    async def _last_words(self, on_progress: OnProgress | None) -> None:
        """Show the terminal answer to a caller who came after it."""
        last = self._reads.record.snapshot
        await _hand_out(deque([last] if last is not None else []), on_progress)

    def _give_up_beyond(self, deadline: float) -> None:
        stall = self._reads.record.stall
        if (
            stall is not None
            and retry_after_of(stall.cause) is not None
            and stall.until > deadline
        ):
            raise stall.cause

    async def _poll(self) -> None:
        """Look, at the job's pace, until it is over; every end is announced."""
        record = self._reads.record
        try:
            while not record.is_terminal:
                await self.pause()
                if not record.is_terminal:
                    await self._reads.persist(self._reads.look)
        finally:
            record.announce()

    async def pause(self) -> None:
        """Sleep until the next look is due, counted from the last answer.

        An accepted cancel or an answer that somebody else got changes the pace, so
        news of any kind has it reckoned anew.
        """
        record = self._reads.record
        counted = object()
        due = anyio.current_time()
        while not record.is_terminal:
            basis = (record.answered_at, record.accepted_at)
            if basis != counted:
                counted = basis
                if record.answered_at is None:
                    return
                start = max(record.answered_at, record.accepted_at or 0.0)
                due = start + record.draw_delay()
            if due <= anyio.current_time():
                return
            await record.news_by(due)


async def _hand_out(
    changes: deque[JobSnapshot], on_progress: OnProgress | None
) -> None:
    while changes and on_progress is not None:
        outcome = on_progress(changes.popleft())
        if inspect.isawaitable(outcome):
            await outcome
