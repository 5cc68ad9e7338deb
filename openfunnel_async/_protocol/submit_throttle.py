"""Hold back all submits of a client after a 429.

A 429 says that nothing happened and that the client asks too often. So one refusal
is for every submit that waits: nobody sends before the time that the service named,
and from then on they go one after the other until none is left. Sent together, they
would be refused together again.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openfunnel_async._protocol.retry_rules import with_jitter
from openfunnel_async.errors import RateLimitedError

# A Retry-After of years must not close a client for ever.
_LONGEST_HOLD = 3600.0


class SubmitThrottle:
    """Let submits through: together at first, one at a time after a 429.

    Args:
        longest: Most seconds to be held back; beyond it a submit is refused at once.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._held_until = -math.inf
        self._refusal: RateLimitedError | None = None
        self._line = asyncio.Lock()
        self._waiting = 0
        self._one_at_a_time = False

    def hold(self, refusal: RateLimitedError, pause: float) -> None:
        """Let nobody send for ``pause`` seconds: the service refused a submit."""
        until = asyncio.get_running_loop().time() + min(pause, _LONGEST_HOLD)
        self._one_at_a_time = True
        if until > self._held_until:
            self._held_until, self._refusal = until, refusal

    @asynccontextmanager
    async def turn(self, longest: float | None = None) -> AsyncGenerator[None]:
        """Wait for a turn to send, and keep it for the length of the block.

        Args:
            longest: As for the class, where a caller has more patience.

        Raises:
            RateLimitedError: The service asked for a longer wait; nothing was sent.

        Cancellation: the turn goes to the next one.
        """
        if not self._one_at_a_time:
            yield
            return
        self._waiting += 1
        try:
            # Before the line, so that those who come together do not leave together.
            await self._sit_out(self._longest if longest is None else longest)
            async with self._line:
                await self._sit_out(self._longest if longest is None else longest)
                yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._held_until <= _now():
                self._one_at_a_time = False

    async def _sit_out(self, longest: float) -> None:
        """Sleep until nobody is held back any more."""
        while (left := self._held_until - _now()) > 0:
            if left > longest and self._refusal is not None:
                raise self._still_limited(self._refusal, left)
            await asyncio.sleep(with_jitter(left))

    def _still_limited(self, refusal: RateLimitedError, left: float) -> Exception:
        msg = (
            f"another submit was refused (HTTP {refusal.status_code}) and the service "
            f"asked to wait {left:.0f} s more; nothing was sent"
        )
        return RateLimitedError(msg, refusal.status_code, refusal.detail, left)


def _now() -> float:
    return asyncio.get_running_loop().time()
