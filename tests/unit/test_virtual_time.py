"""The clock that the other tests trust."""

import asyncio
import math
import socket
import time
from collections.abc import Coroutine

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from tests.support.virtual_time import StuckLoopError, VirtualClockLoop

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


def run(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(main)


async def test_an_hour_passes_at_once() -> None:
    started, started_really = anyio.current_time(), time.monotonic()
    await anyio.sleep(3600)
    assert anyio.current_time() - started == pytest.approx(3600)
    assert time.monotonic() - started_really < 1


async def test_sleepers_wake_in_the_order_of_their_timers() -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (3.0, 0.0, 2.0, 0.5):
            group.start_soon(sleep, seconds)
    assert woken == [0.0, 0.5, 2.0, 3.0]


async def test_a_deadline_falls_between_two_timers() -> None:
    with anyio.move_on_after(90) as scope:
        await anyio.sleep(60)
        await anyio.sleep(60)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(90):
            await asyncio.sleep(100)


async def test_work_that_is_ready_holds_the_clock() -> None:
    started = anyio.current_time()
    with anyio.move_on_after(0.001):
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == started


async def test_a_thread_may_wake_an_idle_loop() -> None:
    assert await anyio.to_thread.run_sync(lambda: 7) == 7


async def test_an_open_socket_holds_time_to_its_usual_speed() -> None:
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        answer = asyncio.ensure_future(loop.sock_recv(here, 1))
        await anyio.lowlevel.checkpoint()
        jumped = loop.call_later(3600, answer.cancel)
        loop.call_later(0.001, there.send, b"x")
        assert await answer == b"x"
        jumped.cancel()


def test_a_deadlock_fails_and_says_where() -> None:
    async def wait_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckLoopError, match=r"test_virtual_time\.py:\d+"):
        run(wait_for_nobody())


def test_an_endless_wait_fails() -> None:
    with pytest.raises(StuckLoopError, match="month"):
        run(asyncio.sleep(math.inf))


def test_endless_polling_fails() -> None:
    async def poll() -> None:
        while True:  # noqa: ASYNC110 -- polling is what is tried here
            await anyio.sleep(3600)

    with pytest.raises(StuckLoopError, match="month"):
        run(poll())
