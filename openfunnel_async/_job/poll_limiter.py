"""``max_polls_per_second``: one limit for the polls of all handles of a client."""

import asyncio
import math
from collections.abc import Callable

from openfunnel_async._values.checks import check_rate

Urgency = Callable[[float], float]


class _Claim:
    """A handle that waits for a turn."""

    __slots__ = ("turn", "urgency")

    def __init__(self, urgency: Urgency, turn: asyncio.Future[None]) -> None:
        self.urgency = urgency
        self.turn = turn


class PollLimiter:
    """Grant a number of polls a second, the most urgent first.

    A job is more urgent the longer ago its last answer came, and the nearer its
    expected finish is: ``wait / sqrt(distance)``. While turns are left, no handle
    waits.

    Args:
        per_second: Polls a second, above 0.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._free_at = -math.inf
        # In the order of coming, which decides among equals.
        self._claims: dict[_Claim, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def take_turn(self, urgency: Urgency) -> None:
        """Wait for a turn.

        Args:
            urgency: From the loop's time to how urgent this claim is then.

        Cancellation: the turn goes to somebody else.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._claims and now >= self._free_at:
            self._free_at = now + self._interval
            return
        claim = _Claim(urgency, loop.create_future())
        self._claims[claim] = None
        self._start_timer(loop)
        try:
            await claim.turn
        except asyncio.CancelledError:
            if claim.turn.done() and not claim.turn.cancelled():
                # Granted and cancelled in the same moment: the turn is free again.
                self._free_at = loop.time()
                self._restart_timer(loop)
            raise
        finally:
            self._claims.pop(claim, None)

    def _start_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._claims:
            self._timer = loop.call_at(self._free_at, self._grant, loop)

    def _restart_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._start_timer(loop)

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the turn to the most urgent claim."""
        self._timer = None
        now = loop.time()
        self._claims = {claim: None for claim in self._claims if not claim.turn.done()}
        if self._claims:
            claim = max(self._claims, key=lambda claim: claim.urgency(now))
            del self._claims[claim]
            self._free_at = now + self._interval
            claim.turn.set_result(None)
        self._start_timer(loop)


def poll_limiter(per_second: object) -> PollLimiter | None:
    """Return the limiter for a number of polls a second; None for no limit.

    Raises:
        ConfigurationError: Not a number above 0.
    """
    if per_second is None:
        return None
    return PollLimiter(check_rate("max_polls_per_second", per_second))


def urgency(waited_since: float, distance: float) -> Urgency:
    """Return how urgent the next poll of a job is.

    Args:
        waited_since: When its last answer came.
        distance: Seconds between that answer and its expected finish.
    """
    root = math.sqrt(max(distance, 1.0))
    return lambda now: (now - waited_since) / root
