"""Delay all submits of a client after a 429.

A 429 means that no job was started and that the client sends too many requests. So one
refusal applies to every submit that waits: none is sent before the time that the
service named. After that time they are sent one after the other until none waits: the
service would refuse them again if they were sent at the same time.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from openfunnel_async._protocol.retry_rules import with_jitter
from openfunnel_async.errors import RateLimitedError

OnDelay = Callable[[float, RateLimitedError], None]
# A Retry-After of years must not block a client for ever.
_LONGEST_DELAY = 3600.0


class SubmitThrottle:
    """Lets submits through: concurrently at first, one at a time after a 429.

    Args:
        longest: Most seconds of delay; a submit with a longer delay fails at once.

    Attributes:
        accepted: How many submits the service has accepted.
    """

    def __init__(self, longest: float) -> None:
        self.accepted: int = 0
        self._longest = longest
        self._delayed_until = -math.inf
        self._refusal: RateLimitedError | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._one_at_a_time = False

    def delay_all(self, refusal: RateLimitedError, pause: float) -> None:
        """Delay all submits by ``pause`` seconds: the service refused one."""
        until = asyncio.get_running_loop().time() + min(pause, _LONGEST_DELAY)
        self._one_at_a_time = True
        if until > self._delayed_until:
            self._delayed_until, self._refusal = until, refusal

    @asynccontextmanager
    async def turn(
        self, longest: float | None = None, on_delay: OnDelay | None = None
    ) -> AsyncGenerator[None]:
        """Wait until a submit may be sent; the block sends it.

        Args:
            longest: As for the class; by default the value given there.
            on_delay: Called with the seconds of a delay and the refusal behind it.

        Raises:
            RateLimitedError: The service asked for a longer wait; nothing was sent.

        Cancellation: the next submit that waits is let through.
        """
        if not self._one_at_a_time:
            yield
            return
        longest = self._longest if longest is None else longest
        self._waiting += 1
        try:
            # Before the lock, so that each submit waits with a jitter of its own.
            await self._wait_until_allowed(longest, on_delay)
            async with self._lock:
                await self._wait_until_allowed(longest, on_delay)
                yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._delayed_until <= _now():
                self._one_at_a_time = False

    async def _wait_until_allowed(
        self, longest: float, on_delay: OnDelay | None
    ) -> None:
        """Sleep until submits are no longer delayed."""
        while (left := self._delayed_until - _now()) > 0:
            if left > longest and self._refusal is not None:
                raise self._still_limited(self._refusal, left)
            if on_delay is not None and self._refusal is not None:
                on_delay(left, self._refusal)
            await asyncio.sleep(with_jitter(left))

    def _still_limited(self, refusal: RateLimitedError, left: float) -> Exception:
        msg = (
            f"another submit was refused (HTTP {refusal.status_code}), and the service "
            f"asks to wait {left:.0f} s more; nothing was sent"
        )
        return RateLimitedError(msg, refusal.status_code, refusal.detail, left)


def _now() -> float:
    return asyncio.get_running_loop().time()
