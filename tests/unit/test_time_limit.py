"""The time limit of exchanges, compared with asyncio.timeout."""

import asyncio
from typing import Any

import anyio
import pytest

from openfunnel_async._transport.time_limit import TimeLimit

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]
_SECONDS = 10.0


@pytest.fixture
def limits() -> TimeLimit:
    return TimeLimit(_SECONDS)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _limited(limits: TimeLimit, seconds: float) -> float:
    began = _now()
    try:
        with limits.begin():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return began - _now()
    return _now() - began


async def test_what_ends_in_time_is_left_alone(limits: TimeLimit) -> None:
    assert await _limited(limits, 9.5) == pytest.approx(9.5)
    task = asyncio.current_task()
    assert task is not None
    # Caught: an end that is not noted, so that the next thing is cancelled.
    await asyncio.sleep(30)
    assert task.cancelling() == 0


async def test_what_does_not_is_cut_off(limits: TimeLimit) -> None:
    """Also after one that ended in time; a negative number is a time-out.

    Caught: a timer that is set for the first in line only.
    """
    outcomes = await asyncio.gather(
        _limited(limits, 3), _later(limits, 4, 100), _later(limits, 6, 100)
    )
    assert outcomes == pytest.approx([3, -_SECONDS, -_SECONDS])


async def _later(limits: TimeLimit, begins: float, seconds: float) -> float:
    await asyncio.sleep(begins)
    return await _limited(limits, seconds)


async def test_ends_out_of_order(limits: TimeLimit) -> None:
    """Caught: one that has ended in the middle of the line and is cancelled yet."""

    async def goes_on() -> float:
        took = await _limited(limits, 1)
        await asyncio.sleep(50)
        return took

    outcomes = await asyncio.gather(
        _limited(limits, 100), goes_on(), _limited(limits, 100)
    )
    assert outcomes == pytest.approx([-_SECONDS, 1, -_SECONDS])


async def test_a_cancellation_by_others_goes_through(limits: TimeLimit) -> None:
    task = asyncio.create_task(_limited(limits, 100))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_in_the_same_turn_counts_for_more(
    limits: TimeLimit,
) -> None:
    """Caught: every cancellation of a limit that has ended taken for its own."""
    task = asyncio.create_task(_limited(limits, 100))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(_now() + _SECONDS, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_out_leaves_no_cancellation_behind(limits: TimeLimit) -> None:
    """Caught: `uncancel()` left out, at which a scope around takes it for its own."""
    with anyio.move_on_after(50) as scope:
        assert await _limited(limits, 100) < 0
        await anyio.sleep(1)
    assert not scope.cancelled_caught
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_scope_around_counts_for_its_own(limits: TimeLimit) -> None:
    with anyio.move_on_after(2) as scope:
        await _limited(limits, 100)
    assert scope.cancelled_caught


async def test_an_error_within_is_raised(limits: TimeLimit) -> None:
    with pytest.raises(ValueError, match="mine"), limits.begin():
        raise ValueError("mine")


async def _fed(limits: TimeLimit, every: float, *sizes: int) -> float:
    """Receive N bytes each time; return as `_limited`."""
    began = _now()
    try:
        with limits.begin() as limit:
            for size in sizes:
                await asyncio.sleep(every)
                limit.received(size)
            await asyncio.Event().wait()
    except TimeoutError:
        return began - _now()
    return _now() - began


async def test_each_received_kib_begins_the_limit_anew(limits: TimeLimit) -> None:
    """Caught: an extended limit that ends when its turn in the line comes."""
    assert await _fed(limits, 9, *[1024] * 5) == pytest.approx(-(5 * 9 + _SECONDS))


async def test_a_drip_of_single_bytes_ends(limits: TimeLimit) -> None:
    """Caught: each byte taken for progress."""
    assert await _fed(limits, 1, *[1] * 99) == pytest.approx(-_SECONDS)


async def test_small_pieces_add_up_to_a_kib(limits: TimeLimit) -> None:
    assert await _fed(limits, 4, 512, 512) == pytest.approx(-(8 + _SECONDS))


async def test_what_was_left_over_of_a_kib_does_not_count_again(
    limits: TimeLimit,
) -> None:
    """Caught: a counter that is not reset, so that a drip follows a first burst."""
    assert await _fed(limits, 4, 5000, 1, 1) == pytest.approx(-(4 + _SECONDS))


async def test_an_extended_limit_holds_up_no_other(limits: TimeLimit) -> None:
    """Caught: a timer for the first in line only, whose end lies far ahead."""
    outcomes = await asyncio.gather(
        _fed(limits, 9, *[1024] * 9), _later(limits, 1, 100), _later(limits, 2, 3)
    )
    assert outcomes == pytest.approx([-(81 + _SECONDS), -_SECONDS, 3])


async def test_an_extended_limit_that_was_left_cancels_nothing(
    limits: TimeLimit,
) -> None:
    """Caught: its own timer left behind."""
    with limits.begin() as limit:
        await asyncio.sleep(9)
        limit.received(1024)
        await asyncio.sleep(9)
    # Its own timer, not only what the timer does.
    assert _timers() == 0
    await asyncio.sleep(100)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


def _timers() -> int:
    loop: Any = asyncio.get_running_loop()
    return sum(not handle.cancelled() for handle in loop._scheduled)


async def test_a_cancellation_of_an_extended_one_goes_through(
    limits: TimeLimit,
) -> None:
    task = asyncio.create_task(_fed(limits, 9, *[1024] * 9))
    await asyncio.sleep(50)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_one_client_in_two_loops(limits: TimeLimit) -> None:
    """Caught: a timer left in a loop that has ended."""

    async def hurried() -> None:
        with limits.begin():
            await asyncio.sleep(0)

    for _ in range(2):
        asyncio.run(hurried())
    limits.seconds = 0.01
    with pytest.raises(TimeoutError):
        asyncio.run(_without_end(limits))


async def _without_end(limits: TimeLimit) -> None:
    with limits.begin():
        await asyncio.Event().wait()
