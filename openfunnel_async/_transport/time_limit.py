"""The time limit of a client's exchanges: as asyncio.timeout, at a third of its cost.

All limits of a client are equally long, so they end in the order in which they
began, and only the first in line needs a timer. A timer for each exchange, which
is nearly always taken back, costs a twentieth of a poll. A limit that was extended
has left that order, so from its first end on it has a timer of its own.
"""

import asyncio
from collections import deque
from typing import Self

# So much must arrive before a limit counts anew. A drip of single bytes still ends.
ENOUGH = 1024


class TimeLimit:
    """Make limits of so many seconds, each a context manager.

    The body of a limit that ends is cancelled and ends in a TimeoutError; a
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
            self._timer = loop.call_at(limit.first_due, self._end_due)
        return limit

    def drop_ended(self) -> None:
        """Forget those in front that have ended."""
        while self._line and self._line[0].has_ended:
            self._line.popleft()

    def _end_due(self) -> None:
        """End the limits that are due and wait for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._line and (
            self._line[0].has_ended or self._line[0].first_due <= loop.time()
        ):
            self._line.popleft().end_if_due()
        if self._line:
            self._timer = loop.call_at(self._line[0].first_due, self._end_due)


class Limit:
    """One limit, under way until its block is left.

    Attributes:
        first_due: When it ends unless it is extended.
        has_ended: Whether its block was left.
        has_expired: Whether its time ended before its block was left.
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
        """Whether so much has arrived that it began anew."""
        return self._due > self.first_due

    def received(self, size: int) -> None:
        """Begin the limit anew once 1 KiB has arrived since it last began."""
        self._received += size
        if self._received >= ENOUGH:
            self._received = 0
            self._due = asyncio.get_running_loop().time() + self._limits.seconds

    def end_if_due(self) -> None:
        """Cancel the body, unless it has ended or its limit was extended."""
        if self.has_ended:
            return
        loop = asyncio.get_running_loop()
        if self._due > loop.time():
            self._timer = loop.call_at(self._due, self.end_if_due)
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
        # Somebody else's cancellation, of before or beside it, counts for more.
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError


def _running() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a client is used within a task of its event loop")
    return task
