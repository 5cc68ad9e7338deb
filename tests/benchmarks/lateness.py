"""How late the loop comes to its timers: what a program feels of everything on it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

_STEP = 0.005


@attrs.define
class Lateness:
    """How late the loop came to a timer, in seconds.

    Attributes:
        longest: By the wall clock, which other processes have a part in.
        busiest: What of it this thread may have spent itself, by its CPU clock.
    """

    longest: float = 0.0
    busiest: float = 0.0
    _seen: list[float] = attrs.field(factory=list[float], init=False)

    def percentile(self, percent: int) -> float:
        """Return what N in a hundred of the timers did not exceed."""
        if not self._seen:
            return 0.0
        return sorted(self._seen)[(len(self._seen) - 1) * percent // 100]

    async def watch(self) -> None:
        """Set timer after timer."""
        loop = asyncio.get_running_loop()
        while True:
            due, cpu = loop.time() + _STEP, time.thread_time()
            await asyncio.sleep(_STEP)
            late = loop.time() - due
            self._seen.append(late)
            self.longest = max(self.longest, late)
            self.busiest = max(self.busiest, min(late, time.thread_time() - cpu))


@asynccontextmanager
async def watched() -> AsyncGenerator[Lateness]:
    """Watch the running loop for the time of the block."""
    lateness = Lateness()
    watch = asyncio.create_task(lateness.watch())
    try:
        yield lateness
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
