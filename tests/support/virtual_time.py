"""An event loop whose clock jumps: an hour's wait takes a millisecond.

A test module asks for it like this:

    from tests.support.virtual_time import VIRTUAL_TIME, AnyioBackend

    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="module")
    def anyio_backend() -> AnyioBackend:
        return VIRTUAL_TIME

What jumps is `loop.time()`, and with it `anyio.current_time()`, `anyio.sleep()`,
`anyio.fail_after()` and `asyncio.timeout()`; `time.monotonic()` does not. Tests on
real sockets use a normal loop: while a socket is open on this one, its time runs at
the usual speed, lest it jump past an answer. Threads do not hold it back.
"""

import asyncio
import selectors
import time
from types import CoroutineType
from typing import Any

__all__ = ["VIRTUAL_TIME", "AnyioBackend", "StuckLoopError", "VirtualClockLoop"]

# Real seconds granted to a thread that is about to wake an idle loop.
THREAD_GRACE = 1.0
# Virtual seconds after which a test is taken to wait or poll for ever: 30 days.
HORIZON = 30 * 86_400.0


class StuckLoopError(Exception):
    """The loop can only wait for ever; the message says for whom."""


class _JumpingClock(selectors.DefaultSelector):
    """A selector that, where it would sleep until a timer, moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        # The loop's own waking pipe is always there; anything more is a socket.
        if len(self.get_map()) > 1:
            started = time.monotonic()
            ready = super().select(timeout)
            self.now += time.monotonic() - started
        elif timeout is None:
            ready = super().select(THREAD_GRACE)
            if not ready:
                raise StuckLoopError(_who_waits("Nothing left that could happen"))
        else:
            self.now += timeout
            if self.now > HORIZON:
                raise StuckLoopError(_who_waits("A virtual month has passed"))
        return ready


def _who_waits(why: str) -> str:
    lines = [f"{why}. Waiting:"]
    for task in asyncio.all_tasks():
        lines.append(f"  {task.get_name()}")
        awaited: object = task.get_coro()
        # A waiting task's own stack is its outermost frame; the test is further in.
        while isinstance(awaited, CoroutineType) and awaited.cr_frame is not None:
            frame = awaited.cr_frame
            lines.append(f"    {frame.f_code.co_filename}:{frame.f_lineno}")
            awaited = awaited.cr_await
    return "\n".join(lines)


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop that starts at 0.0 and jumps to the next timer when idle."""

    def __init__(self) -> None:
        self._clock = _JumpingClock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


AnyioBackend = tuple[str, dict[str, Any]]
VIRTUAL_TIME: AnyioBackend = ("asyncio", {"loop_factory": VirtualClockLoop})
