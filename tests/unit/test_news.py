"""Waking whoever waits for something to happen to a job."""

import asyncio

import pytest

from openfunnel_async._job.notifier import News

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_everybody_is_woken_once() -> None:
    news = News()
    waits = [asyncio.create_task(news.wait()) for _ in range(3)]
    await asyncio.sleep(5)
    assert not any(wait.done() for wait in waits)
    news.announce()
    await asyncio.gather(*waits)
    later = asyncio.create_task(news.wait())
    await asyncio.sleep(5)
    assert not later.done()
    later.cancel()


async def test_a_wait_ends_at_its_moment() -> None:
    """Caught: a moment that is not looked at."""
    time = asyncio.get_running_loop().time
    began = time()
    await News().wait(began + 7)
    assert time() - began == pytest.approx(7)


async def test_a_moment_that_has_passed_is_no_wait() -> None:
    time = asyncio.get_running_loop().time
    began = time()
    await News().wait(began - 1)
    assert time() == began


async def test_one_that_is_cancelled_leaves_the_others_waiting() -> None:
    """Caught: a waiter that stays in line."""
    news = News()
    gone, stays = (asyncio.create_task(news.wait()) for _ in range(2))
    await asyncio.sleep(1)
    gone.cancel()
    await asyncio.sleep(0)
    assert not stays.done()
    assert len(news._waiters) == 1
    news.announce()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_news_between_the_cancel_and_its_arrival() -> None:
    news = News()
    wait = asyncio.create_task(news.wait())
    await asyncio.sleep(1)
    wait.cancel()
    news.announce()
    with pytest.raises(asyncio.CancelledError):
        await wait
