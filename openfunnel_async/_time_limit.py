"""The time limit of a client's exchanges: as asyncio.timeout, at a third of its cost.

All limits of a client are equally long, so they end in the order in which they
began, and only the first in line needs a timer. A timer for each exchange, which
is nearly always taken back, costs a twentieth of a poll.
"""

import asyncio
from collections import deque
from typing import Self


class TimeLimit:
    """Make limits of so many seconds, each a context manager.

    What is within when its time is over is cancelled and ends in a TimeoutError; a
    cancellation by anybody else goes through as one.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._line: deque[Limit] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> "Limit":
        """Return a limit that begins now, for the task that runs."""
        loop = asyncio.get_running_loop()
        limit = Limit(self, loop.time() + self.seconds, _running())
        self._line.append(limit)
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_at(limit.due, self._look)
        return limit

    def let_go(self) -> None:
        """Forget those in front that have ended."""
        while self._line and self._line[0].has_ended:
            self._line.popleft()

    def _look(self) -> None:
        """End what is over and wait for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._line and (
            self._line[0].has_ended or self._line[0].due <= loop.time()
        ):
            self._line.popleft().expire()
        if self._line:
            self._timer = loop.call_at(self._line[0].due, self._look)


class Limit:
    """One limit, under way until its block is left."""

    __slots__ = ("_cancelling", "_is_over", "_limits", "_task", "due", "has_ended")

    def __init__(
        self, limits: TimeLimit, due: float, task: "asyncio.Task[object]"
    ) -> None:
        self.due = due
        self.has_ended = False
        self._is_over = False
        self._limits = limits
        self._task = task
        self._cancelling = task.cancelling()

    def expire(self) -> None:
        """Cancel what is within, unless it has ended."""
        if not self.has_ended:
            self._is_over = True
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        self.has_ended = True
        self._limits.let_go()
        if not self._is_over:
            return
        # Somebody else's cancellation, of before or beside it, counts for more.
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError


def _running() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a client is used within a task of its event loop")
    return task
