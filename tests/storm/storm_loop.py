"""What every schedule runs on: the loop, the client, and the recorded log."""

import itertools
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from openfunnel_async import Book, OpenFunnel
from tests.storm.event_log import CURRENT_CALL
from tests.storm.evidence import Evidence, LogRecorder
from tests.storm.faulty_transport import FaultyTransport
from tests.support.sandbox_transport import ORIGIN
from tests.support.virtual_time import StuckLoopError, VirtualClockLoop

# Rounds of the loop at the same moment, after which it counts as an endless loop.
MAX_ROUNDS = 20_000


class StormLoop(VirtualClockLoop):
    """A virtual clock that also notices a loop without progress.

    Args:
        now: The moment at which it starts.
    """

    def __init__(self, now: float = 0.0) -> None:
        super().__init__()
        self._clock.now = now
        self._rounds = 0
        self._moment = -1.0

    def _run_once(self) -> None:
        now = self.time()
        self._rounds = self._rounds + 1 if now == self._moment else 0
        self._moment = now
        if self._rounds > MAX_ROUNDS:
            raise StuckLoopError(f"the loop makes no progress at {now:.3f} s")
        super()._run_once()  # type: ignore[misc]  # pyright: ignore -- asyncio's own; the one place that sees each turn


def make_client(
    evidence: Evidence, transport: FaultyTransport, book: Book | None = None
) -> OpenFunnel:
    """Make the client of a schedule, whose calls are numbered."""
    schedule = evidence.schedule
    client = OpenFunnel(
        evidence.service.api_key,
        base_url=ORIGIN,
        request_timeout=schedule.request_timeout,
        retry=schedule.retry,
        polling=schedule.polling,
        wait_timeout=schedule.wait_timeout,
        max_polls_per_second=schedule.max_polls_per_second,
        read_ahead=schedule.read_ahead,
        transport=transport,
        book=book,
    )
    caller = client._resources.caller
    caller.call = _numbered(caller.call)  # type: ignore[method-assign]  # the tries of a call have nothing else in common
    return client


def _numbered(call: Any) -> Any:
    """Give each call a number, which all its tries share."""
    numbers = itertools.count()

    async def numbered(*what: Any, **how: Any) -> Any:
        CURRENT_CALL.set(next(numbers))
        return await call(*what, **how)

    return numbered


@contextmanager
def recorded_log(evidence: Evidence) -> Generator[None]:
    """Record the client's log for the time of the block."""
    logger = logging.getLogger("openfunnel_async")
    listener, propagate = LogRecorder(evidence), logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def describe_error(context: dict[str, Any]) -> str:
    """Describe what the handler of a loop was called with."""
    return f"{context.get('message')}: {context.get('exception')!r}"
