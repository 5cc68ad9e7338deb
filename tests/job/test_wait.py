"""Waiting for the end: pace, time, sharing, leaving."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from openfunnel_async import (
    ConfigurationError,
    JobStatus,
    LookalikeSearch,
    PollPolicy,
    WaitTimeoutError,
    WireReply,
)
from tests.support.scripted import (
    HANG,
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

RUNNING = job_reply("running")
TERMINAL = ["completed", "failed", "cancelled"]


def over_after(
    seconds: float, status: str = "completed"
) -> Callable[[Seen], WireReply]:
    """Return a route by which the job is terminal after N seconds."""

    def read(seen: Seen) -> WireReply:
        return job_reply("running" if seen.at < seconds else status)

    return read


@pytest.mark.parametrize("status", TERMINAL)
async def test_it_returns_on_any_terminal_status(status: str) -> None:
    transport = ScriptedTransport(read=over_after(20, status))
    async with connect(transport) as client:
        job = client.job(JOB)
        snapshot = await job.wait_until_terminal()
        assert (job.is_terminal, job.error, job.snapshot) == (True, None, snapshot)
    assert snapshot.status == status


async def test_a_job_that_is_over_is_not_asked_about_again() -> None:
    transport = ScriptedTransport(read=[job_reply("completed")])
    async with connect(transport) as client:
        job = client.job(JOB)
        first = await job.wait_until_terminal()
        assert await job.wait_until_terminal(timeout=0) is first
    assert transport.count("read") == 1


async def test_looks_keep_the_bounds_of_the_pace() -> None:
    transport = ScriptedTransport(read=over_after(120))
    async with connect(transport) as client:
        await client.job(JOB, limit=1000).wait_until_terminal()
    times = transport.times("read")
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert 1.35 <= min(gaps) <= max(gaps) <= 6.6


async def test_the_pace_counts_from_the_handles_last_answer() -> None:
    transport = ScriptedTransport(read=[RUNNING, job_reply("completed")])
    async with connect(transport, polling=PollPolicy.fixed(10)) as client:
        job = client.job(JOB)
        await job.poll()
        await anyio.sleep(4)
        await job.wait_until_terminal()
    assert transport.times("read") == [0.0, 10.0]


async def test_several_waiters_share_one_loop() -> None:
    """Caught: a poll loop for each waiter."""
    transport = ScriptedTransport(read=over_after(40))
    async with connect(transport, polling=PollPolicy.fixed(10)) as client:
        job = client.job(JOB)
        outcomes = await asyncio.gather(*(job.wait_until_terminal() for _ in range(20)))
    assert transport.times("read") == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert {id(outcome) for outcome in outcomes} == {id(job.snapshot)}


async def test_the_loop_goes_on_while_one_waiter_is_left() -> None:
    transport = ScriptedTransport(read=over_after(40))
    async with connect(transport, polling=PollPolicy.fixed(10)) as client:
        job = client.job(JOB)
        going = asyncio.create_task(job.wait_until_terminal(timeout=15))
        staying = asyncio.create_task(job.wait_until_terminal())
        with pytest.raises(WaitTimeoutError):
            await going
        assert (await staying).status is JobStatus.COMPLETED
    assert transport.count("read") == 5


async def test_the_timeout_is_the_total() -> None:
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError, match="was running after 45 s") as caught:
            await job.wait_until_terminal(timeout=45)
        assert transport.now == pytest.approx(45)
        assert job.error is caught.value
        assert caught.value.snapshot is job.snapshot
    assert "it continues" in str(caught.value)


async def test_a_request_without_an_answer_does_not_hold_it_up() -> None:
    transport = ScriptedTransport(read=[HANG])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError) as caught:
            await client.job(JOB).wait_until_terminal(timeout=7)
        assert transport.now == pytest.approx(7)
    assert caught.value.snapshot is None


async def test_the_clients_timeout_is_the_default() -> None:
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(transport, wait_timeout=90) as client:
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).wait_until_terminal()
        assert transport.now == pytest.approx(90)


async def test_none_waits_as_long_as_it_takes() -> None:
    transport = ScriptedTransport(read=over_after(50_000))
    async with connect(transport, wait_timeout=90) as client:
        snapshot = await client.job(JOB).wait_until_terminal(timeout=None)
    assert snapshot.status is JobStatus.COMPLETED


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5", True])
async def test_nonsense_for_a_timeout_is_refused_before_anything_is_sent(
    seconds: Any,
) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        job = client.job(JOB)
        for call in (job.wait_until_terminal, job.cancel, job.result):
            with pytest.raises(ConfigurationError, match="timeout"):
                await call(timeout=seconds)
        with pytest.raises(ConfigurationError, match="on_timeout"):
            await job.wait_until_terminal(on_timeout=seconds)
    assert transport.seen == []


async def test_on_timeout_cancel_cancels_and_settles() -> None:
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=over_after(35, "cancelled")
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError, match="is cancelled") as caught:
            await job.wait_until_terminal(timeout=30, on_timeout="cancel")
        assert job.error is caught.value
    assert transport.times("cancel") == [pytest.approx(30)]
    assert caught.value.snapshot is not None
    assert caught.value.snapshot.status is JobStatus.CANCELLED


async def test_on_timeout_cancel_waits_a_minute_for_the_settling_at_most() -> None:
    transport = ScriptedTransport(cancel=[cancel_reply()], read=[RUNNING])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="no terminal status was read"):
            await client.job(JOB).wait_until_terminal(timeout=30, on_timeout="cancel")
        assert transport.now == pytest.approx(90)


async def test_on_timeout_cancel_says_that_the_cancel_failed() -> None:
    transport = ScriptedTransport(cancel=[reply(503)], read=[RUNNING])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match=r"not accepted .*503"):
            await client.job(JOB).wait_until_terminal(timeout=30, on_timeout="cancel")
        assert transport.now == pytest.approx(90)
        assert client.orphans == (JOB,)


async def test_on_timeout_cancel_does_not_call_a_completed_job_cancelled() -> None:
    transport = ScriptedTransport(cancel=[reply(409)], read=over_after(30))
    async with connect(transport, polling=PollPolicy.fixed(20)) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError) as caught:
            await job.wait_until_terminal(timeout=31, on_timeout="cancel")
        assert job.status is JobStatus.COMPLETED
    assert "cancelled" not in str(caught.value)


async def test_a_cancelled_wait_leaves_the_handle_usable() -> None:
    transport = ScriptedTransport(
        read=[Later(RUNNING, after=5), job_reply("completed")]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        task = asyncio.create_task(job.wait_until_terminal())
        await anyio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.in_flight == 0
        assert (await job.wait_until_terminal()).status is JobStatus.COMPLETED
    assert transport.count("cancel") == 0


async def test_the_error_of_a_wait_is_forgotten_by_the_next() -> None:
    transport = ScriptedTransport(read=[reply(403), job_reply("completed")])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(Exception, match="403"):
            await job.wait_until_terminal()
        assert job.error is not None
        await job.wait_until_terminal()
        assert job.error is None


async def test_a_poll_by_another_wakes_the_waiters() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], read=[RUNNING, job_reply("failed")]
    )
    async with connect(transport, polling=PollPolicy.fixed(600)) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
        waiter = asyncio.create_task(job.wait_until_terminal())
        await anyio.sleep(1)
        await job.poll()
        await anyio.sleep(1)
        await job.poll()
        assert (await waiter).status is JobStatus.FAILED
        assert transport.now == pytest.approx(2)


async def test_a_cancellation_while_a_timed_out_wait_tidies_up_is_not_lost() -> None:
    transport = ScriptedTransport(read=[Later(RUNNING, after=60, tidying=2)])
    async with connect(transport) as client:
        task = asyncio.create_task(client.job(JOB).wait_until_terminal(timeout=5))
        await anyio.sleep(6)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await anyio.sleep(2)
        assert transport.in_flight == 0
