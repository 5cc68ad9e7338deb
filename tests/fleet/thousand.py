"""A thousand jobs under one budget of polls: how late is the end of a job seen?

The jobs are those of the pace's model, the waiter is the SDK's own, the clock is
virtual. Looks cost what the budget has; whose turn comes first decides the delay.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from statistics import fmean

import anyio
import attrs

from openfunnel_async import LookalikeSearch, OpenFunnel, PollPolicy
from openfunnel_async._job.poll_limiter import Urgency, urgency
from openfunnel_async._job.state import JobState
from tests.pace.model import PacedJob
from tests.pace.run import ModelTransport
from tests.support.virtual_time import VirtualClockLoop

MOST_DELAY = 20.0
"""Mean seconds it may take to learn of an end; going round takes 35.6."""
_JITTER_SEED = 1


@attrs.frozen
class Waited:
    """What waiting for many jobs came to.

    Attributes:
        delay: Mean seconds from a job's end to the answer that reports it.
        longest: The longest of them.
        polls: Mean polls of a job.
        busiest: Most looks in any one second.
    """

    delay: float
    longest: float
    polls: float
    busiest: int


def wait_for(
    jobs: Sequence[PacedJob], *, per_second: float | None, within: float
) -> Waited:
    """Submit the jobs one after the other and wait for all of them.

    Args:
        jobs: The jobs, in the order of their submits.
        per_second: The budget of polls; None for none.
        within: Seconds in which they are submitted.
    """
    drawn = random.getstate()
    random.seed(_JITTER_SEED)
    try:
        with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
            return runner.run(_wait_for_all(jobs, per_second, within))
    finally:
        random.setstate(drawn)


async def _wait_for_all(
    jobs: Sequence[PacedJob], per_second: float | None, within: float
) -> Waited:
    transport = ModelTransport(jobs)
    async with OpenFunnel(
        "of_" + "0" * 64,
        base_url="http://127.0.0.1",
        transport=transport,
        polling=PollPolicy(),
        wait_timeout=None,
        max_polls_per_second=per_second,
    ) as client:

        async def one(number: int) -> float:
            await anyio.sleep_until(number * within / len(jobs))
            search = LookalikeSearch(query=str(number), limit=jobs[number].limit)
            handle = await client.submit(search)
            await handle.wait_until_terminal()
            life = transport.lives[number]
            return anyio.current_time() - life.began - life.ends_at

        delays = await asyncio.gather(*map(one, range(len(jobs))))
    lives = transport.lives.values()
    return Waited(
        delay=fmean(delays),
        longest=max(delays),
        polls=fmean(len(life.polls) for life in lives),
        busiest=_busiest([life.began + at for life in lives for at in life.polls]),
    )


def _busiest(moments: list[float]) -> int:
    """Count the looks in that second, begun anywhere, that has the most of them."""
    moments.sort()
    most = first = 0
    for last, at in enumerate(moments):
        # A hair less than a second: sums of floats may end a little early.
        while moments[first] <= at - 1 + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


def in_turn(jobs: Sequence[PacedJob], *, per_second: float, within: float) -> Waited:
    """Do the same, with the turn for the job that was polled longest ago."""
    own = JobState.draw_urgency
    JobState.draw_urgency = _by_waiting_alone  # type: ignore[method-assign, assignment]  # put back below
    try:
        return wait_for(jobs, per_second=per_second, within=within)
    finally:
        JobState.draw_urgency = own  # type: ignore[method-assign]  # as it was


def _by_waiting_alone(record: JobState) -> Urgency:
    looked = record.answered_at
    return urgency(looked if looked is not None else -math.inf, 1.0)
