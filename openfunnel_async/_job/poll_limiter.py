"""One budget of polls for all handles of a client."""

import asyncio
import math
from collections.abc import Callable

from openfunnel_async._values.checks import check_rate

Urgency = Callable[[float], float]


class _Claim:
    """Somebody who waits for a turn."""

    __slots__ = ("turn", "urgency")

    def __init__(self, urgency: Urgency, turn: asyncio.Future[None]) -> None:
        self.urgency = urgency
        self.turn = turn


class PollBudget:
    """Grant so many polls a second, the most urgent first.

    A job is the more urgent the longer it was not looked at and the nearer its
    expected finish: ``wait / sqrt(distance)``. Where there is a turn to spare nobody
    waits. Handles wait for their turns here, so a client with thousands of jobs
    asks no more often than it was allowed to.

    Args:
        per_second: Polls a second, above 0.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._free_at = -math.inf
        # In the order of coming, which decides among equals.
        self._claims: dict[_Claim, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, urgency: Urgency) -> None:
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
        self._wind(loop)
        try:
            await claim.turn
        except asyncio.CancelledError:
            if claim.turn.done() and not claim.turn.cancelled():
                # Granted and cancelled in the same moment: hand it on.
                self._free_at = loop.time()
                self._rewind(loop)
            raise
        finally:
            self._claims.pop(claim, None)

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._claims:
            self._timer = loop.call_at(self._free_at, self._grant, loop)

    def _rewind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wind(loop)

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
        self._wind(loop)


def poll_budget(per_second: object) -> PollBudget | None:
    """Return the budget of so many polls a second; None for none.

    Raises:
        ConfigurationError: Not a number above 0.
    """
    if per_second is None:
        return None
    return PollBudget(check_rate("max_polls_per_second", per_second))


def urgency(waited_since: float, distance: float) -> Urgency:
    """Return how urgent a job is that was looked at then, so far from its finish."""
    root = math.sqrt(max(distance, 1.0))
    return lambda now: (now - waited_since) / root
