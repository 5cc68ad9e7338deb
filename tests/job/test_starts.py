"""Many waits at once: how many requests begin in one turn of the event loop."""

import asyncio
from collections import Counter

import pytest

from openfunnel_async import (
    BulkJob,
    OpenFunnel,
    PollPolicy,
    WaitTimeoutError,
    WireReply,
    WireRequest,
)
from tests.support.scripted import KEY, job_reply, manifest

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MOST = 100


class Turns:
    """A transport that answers without a pause, and counts requests by loop turn.

    A turn that it counts may be two of the event loop: it ends after what was already
    planned for the next one.
    """

    def __init__(self, ends_after: int) -> None:
        self.ends_after = ends_after
        self.asked: Counter[str] = Counter()
        self.begun: Counter[int] = Counter()
        self._turn = 0
        self._is_counting = False

    async def send(self, request: WireRequest, /) -> WireReply:
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._end_turn)
        self.begun[self._turn] += 1
        job_id = request.path.rpartition("/")[2]
        self.asked[job_id] += 1
        is_over = self.asked[job_id] >= self.ends_after
        return job_reply(
            "completed" if is_over else "running",
            job_id=job_id,
            manifest=manifest(0) if is_over else None,
        )

    def _end_turn(self) -> None:
        self._turn += 1
        self._is_counting = False

    async def aclose(self) -> None:
        """Nothing is open."""


def connect(transport: Turns) -> OpenFunnel:
    return OpenFunnel(KEY, transport=transport, polling=PollPolicy.fixed(5))


def jobs(client: OpenFunnel, count: int) -> list[BulkJob]:
    return [client.job(f"job-{number}") for number in range(count)]


async def test_waits_that_begin_at_once_send_a_hundred_requests_a_turn() -> None:
    transport = Turns(ends_after=3)
    async with connect(transport) as client:
        waits = [job.wait_until_terminal() for job in jobs(client, 750)]
        ended = await asyncio.gather(*waits)
    assert all(snapshot.is_terminal for snapshot in ended)
    assert set(transport.asked.values()) == {3}
    # Also the later polls of all jobs, which fall due at the same moment.
    assert max(transport.begun.values()) <= 2 * MOST


async def test_a_wait_that_ends_before_its_turn_sends_nothing() -> None:
    transport = Turns(ends_after=3)
    async with connect(transport) as client:
        many = jobs(client, 500)
        waits = [asyncio.create_task(job.wait_until_terminal()) for job in many]
        # All waits have begun. The requests of the first hundred begin now, and those
        # of the others are asked for in turns in which none is wanted any more.
        await asyncio.sleep(0)
        for wait in waits[100:490]:
            wait.cancel()
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*waits, return_exceptions=True)
        took = asyncio.get_running_loop().time() - began
    assert took == pytest.approx(2 * 5, abs=1e-3)
    assert len(transport.asked) == 110
    assert {f"job-{number}" for number in range(490, 500)} <= set(transport.asked)


async def test_waits_on_one_handle_take_one_turn() -> None:
    transport = Turns(ends_after=2)
    async with connect(transport) as client:
        others = [job.wait_until_terminal() for job in jobs(client, 100)]
        job = client.job("shared")
        shared = [job.wait_until_terminal(timeout=60) for _ in range(5)]
        late = job.wait_until_terminal(timeout=0.001)
        *_, timed_out = await asyncio.gather(
            *others, *shared, late, return_exceptions=True
        )
    assert isinstance(timed_out, WaitTimeoutError)
    assert transport.asked["shared"] == 2
