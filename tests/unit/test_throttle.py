"""All submits of a client wait after a 429, and go one at a time from then on."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from openfunnel_async import LookalikeSearch, OpenFunnel, RateLimitedError, WireReply
from tests.support.scripted import (
    ScriptedTransport,
    Seen,
    connect,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice", limit=50)
Submit = Callable[[], Awaitable[object]]


def limited(seconds: float | None = None) -> WireReply:
    headers = {} if seconds is None else {"retry-after": f"{seconds:g}"}
    return reply(429, {"detail": "slow down"}, headers)


def at_most(per_second: int) -> Callable[[Seen], WireReply]:
    """Answer N submits in each second of the clock, and 429 to the others."""
    accepted: dict[int, int] = {}

    def answer(seen: Seen) -> WireReply:
        second = int(seen.at)
        if accepted.get(second, 0) >= per_second:
            return limited(1)
        accepted[second] = accepted.get(second, 0) + 1
        return submit_reply(f"job-{seen.at}-{accepted[second]}")

    return answer


async def submit_all(client: OpenFunnel, number: int) -> list[object]:
    submits = (client.submit(SEARCH) for _ in range(number))
    return list(await asyncio.gather(*submits, return_exceptions=True))


async def test_a_hundred_submits_at_ten_a_second_are_all_accepted() -> None:
    """Caught: each submit counting its own 429s, to the end of its four attempts."""
    transport = ScriptedTransport(submit=at_most(10))
    async with connect(transport) as client:
        outcomes = await submit_all(client, 100)
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    assert len({repr(one) for one in outcomes}) == 100


def refuses_one(times: int, *, pause: float) -> Callable[[Seen], WireReply]:
    """Refuse the unlucky submit N times; accept each other one."""
    refusals = 0

    def answer(seen: Seen) -> WireReply:
        nonlocal refusals
        if b"unlucky" not in (seen.request.body or b""):
            return submit_reply(f"job-{seen.at}")
        refusals += 1
        return limited(pause) if refusals <= times else submit_reply("last")

    return answer


async def test_a_submit_that_is_refused_while_others_pass_is_not_given_up() -> None:
    """Caught: one of a hundred was the refused one in four seconds, and failed."""
    transport = ScriptedTransport(submit=refuses_one(10, pause=1))
    async with connect(transport) as client:
        unlucky = asyncio.create_task(client.submit(LookalikeSearch(query="unlucky")))
        for _ in range(30):
            await client.submit(SEARCH)
            await anyio.sleep(0.5)
        assert (await unlucky).id == "last"


async def test_a_submit_that_is_refused_while_no_other_passes_is_given_up() -> None:
    """Caught: an acceptance long ago that keeps resetting the count."""
    transport = ScriptedTransport(submit=refuses_one(10, pause=1))
    async with connect(transport) as client:
        await client.submit(SEARCH)
        with pytest.raises(RateLimitedError):
            await client.submit(LookalikeSearch(query="unlucky"))
    assert transport.count("submit") == 1 + 4


async def test_those_that_were_refused_together_do_not_come_back_together() -> None:
    """Caught: a Retry-After without jitter: 100 submits within 11 ms."""
    transport = ScriptedTransport(
        submit=lambda seen: limited(1) if seen.at < 1 else submit_reply(str(seen.at))
    )
    async with connect(transport) as client:
        await submit_all(client, 100)
    again = transport.times("submit")[100:]
    assert min(again) >= 1.0
    assert max(again) - min(again) > 0.05


async def test_a_retry_after_of_nothing_still_has_jitter() -> None:
    transport = ScriptedTransport(
        submit=[*[limited(0)] * 50, *[submit_reply(str(n)) for n in range(50)]]
    )
    async with connect(transport) as client:
        await submit_all(client, 50)
    again = transport.times("submit")[50:]
    assert max(again) - min(again) > 0.05


async def test_a_submit_that_comes_later_waits_as_well() -> None:
    """Caught: only the refused submit held back."""
    transport = ScriptedTransport(
        submit=[limited(20), submit_reply("a"), submit_reply()]
    )
    async with connect(transport) as client:
        first = asyncio.create_task(client.submit(SEARCH))
        await anyio.sleep(5)
        await client.submit(SEARCH)
        assert 20 <= transport.now < 23
        await first
    assert transport.times("submit")[1] >= 20


async def test_a_longer_wait_than_the_policys_refuses_the_others_at_once() -> None:
    transport = ScriptedTransport(submit=[limited(300), submit_reply()])
    async with connect(transport) as client:
        with pytest.raises(RateLimitedError):
            await client.submit(SEARCH)
        await anyio.sleep(100)
        with pytest.raises(RateLimitedError, match="200 s more") as caught:
            await client.submit(SEARCH)
        assert caught.value.retry_after == pytest.approx(200)
        assert transport.count("submit") == 1
        await anyio.sleep(200)
        await client.submit(SEARCH)


async def test_cancels_and_reads_are_not_held_back() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply(), limited(30), submit_reply()],
        cancel=[reply(200, {"job_id": "job-1"})],
    )
    async with connect(transport) as client:
        job = await client.submit(SEARCH)
        waiting = asyncio.create_task(client.submit(SEARCH))
        await anyio.sleep(1)
        await job.cancel()
        assert transport.now == pytest.approx(1)
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_submit_cancelled_in_the_line_lets_the_others_through() -> None:
    transport = ScriptedTransport(
        submit=lambda seen: limited(2) if seen.at < 2 else submit_reply(str(seen.at))
    )
    async with connect(transport) as client:
        tasks = [asyncio.create_task(client.submit(SEARCH)) for _ in range(6)]
        await anyio.sleep(1)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, False] * 3


async def test_together_again_once_the_line_is_empty() -> None:
    transport = ScriptedTransport(
        submit=[limited(1), *[submit_reply(str(n)) for n in range(9)]]
    )
    async with connect(transport) as client:
        await client.submit(SEARCH)
        began = transport.now
        await submit_all(client, 8)
        assert transport.now == began
