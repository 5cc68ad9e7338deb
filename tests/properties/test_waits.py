"""Waits: over when the job is, or when the time is, and not before."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async import (
    LookalikeSearch,
    PollPolicy,
    RateLimitedError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import JobLife, StatusFault
from tests.properties.plans import LATENCIES, LIVES, seconds
from tests.properties.profiles import bounded
from tests.properties.world import World

SEARCH = LookalikeSearch(query="voice ai", limit=100)
LONGEST_PAUSE = 6.0


@bounded(60)
@given(life=LIVES, timeout=seconds(100), slow=LATENCIES)
def test_a_wait_ends_with_the_job_or_with_its_time(
    life: JobLife, timeout: float, slow: tuple[float, ...]
) -> None:
    with World(latencies=slow) as world:
        world.life = life
        job = world.run(world.client.submit(SEARCH))
        began = world.loop.time()
        deadline = began + timeout
        try:
            snapshot = world.run(job.wait_until_terminal(timeout=timeout))
        except WaitTimeoutError:
            assert isclose(world.loop.time(), deadline, abs_tol=1e-6)
            late = LONGEST_PAUSE + 2 * max(slow)
            assert world.truth(job).ends_at >= deadline - late
        else:
            assert snapshot.status == world.truth(job).status
            assert world.loop.time() <= deadline + 1e-6
        world.close()


@bounded(60)
@given(left=seconds(6), retry_after=st.none() | seconds(4), times=st.integers(1, 5))
def test_only_a_retry_after_beyond_the_time_left_ends_a_wait_early(
    left: float, retry_after: float | None, times: int
) -> None:
    """Seen to fail: the client's own pause, longer, is held against the deadline."""
    with World(polling=PollPolicy.fixed(5)) as world:
        world.life = JobLife(queue=1000)
        world.service.faults.append(
            StatusFault(on="read", status=429, retry_after=retry_after, times=times)
        )
        job = world.run(world.client.submit(SEARCH))
        deadline = 5 + left
        try:
            world.run(job.wait_until_terminal(timeout=deadline))
        except RateLimitedError:
            assert retry_after is not None
            assert world.loop.time() + retry_after >= deadline
        except WaitTimeoutError:
            assert isclose(world.loop.time(), deadline, abs_tol=1e-6)
        world.close()
