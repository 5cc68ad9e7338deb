"""The time limit of a client's exchanges, in place of asyncio.timeout.

A limit takes a third of the CPU time, 1 against 3 µs. All limits of a client are
equally long, so they expire in the order in which they began, and only the first one
needs a timer. A limit that was extended is no longer in that order, so it gets a timer
of its own when it would have expired.
"""

import asyncio
from collections import deque
from typing import Self

# Bytes that must arrive before a limit starts again, so that a few do not extend it.
ENOUGH = 1024


class TimeLimit:
    """Creates limits of a number of seconds, each a context manager.

    When a limit expires, its body is cancelled and TimeoutError is raised. Any other
    cancellation passes through.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._queue: deque[Limit] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, task: "asyncio.Task[object] | None" = None) -> "Limit":
        """Return a limit that begins now, for the current task.

        Args:
            task: The current task, from a caller who knows it: to look for it takes as
                long as all the rest.
        """
        loop = asyncio.get_running_loop()
        limit = Limit(self, loop.time() + self.seconds, task or current_task())
        self._queue.append(limit)
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_at(limit.first_due, self._end_due)
        return limit

    def drop_ended(self) -> None:
        """Remove the limits at the front of the queue that have ended."""
        while self._queue and self._queue[0].has_ended:
            self._queue.popleft()

    def _end_due(self) -> None:
        """Expire the limits that are due, and set the timer for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._queue and (
            self._queue[0].has_ended or self._queue[0].first_due <= loop.time()
        ):
            self._queue.popleft().expire_if_due()
        if self._queue:
            self._timer = loop.call_at(self._queue[0].first_due, self._end_due)


class Limit:
    """One limit, which ends with its block.

    Attributes:
        first_due: The time at which it expires unless it is extended.
        has_ended: Whether its block has ended.
        has_expired: Whether it expired before its block ended.
    """

    __slots__ = (
        "_cancelling",
        "_due",
        "_limits",
        "_received",
        "_task",
        "_timer",
        "first_due",
        "has_ended",
        "has_expired",
    )

    def __init__(
        self, limits: TimeLimit, due: float, task: "asyncio.Task[object]"
    ) -> None:
        self.first_due = due
        self.has_ended = False
        self.has_expired = False
        self._due = due
        self._received = 0
        self._limits = limits
        self._task = task
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = task.cancelling()

    @property
    def was_extended(self) -> bool:
        """Whether enough bytes arrived to start it again."""
        return self._due > self.first_due

    def received(self, size: int) -> None:
        """Start the limit again once 1 KiB has arrived since its last start."""
        self._received += size
        if self._received >= ENOUGH:
            self._received = 0
            self._due = asyncio.get_running_loop().time() + self._limits.seconds

    def expire_if_due(self) -> None:
        """Cancel the body, unless it has ended or the limit was extended."""
        if self.has_ended:
            return
        loop = asyncio.get_running_loop()
        if self._due > loop.time():
            self._timer = loop.call_at(self._due, self.expire_if_due)
            return
        self.has_expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        self.has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._limits.drop_ended()
        if not self.has_expired:
            return
        # Another cancellation, before or at the same time, has priority.
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError


def current_task() -> "asyncio.Task[object]":
    """Return the task that runs; there must be one."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a client must be used within a task of its event loop")
    return task
