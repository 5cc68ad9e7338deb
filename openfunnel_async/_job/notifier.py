"""Wake whoever waits for something to happen to one job."""

import asyncio
import math


class News:
    """Something may happen at any time; who waits learns that it did, not what.

    An event of asyncio and a cancel scope for its time limit would do the same and
    take four times the room, of which a waiting job has two.
    """

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def announce(self) -> None:
        """Wake everybody who waits."""
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _wake(waiter)

    async def wait(self, until: float = math.inf) -> None:
        """Return at the next news, or at a moment of the loop's time.

        Cancellation: leaves nothing behind.
        """
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_at(until, _wake, waiter) if until < math.inf else None
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
