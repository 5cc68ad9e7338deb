"""A cancel shared, waited for, timed out, or given up by its caller."""

import asyncio

import anyio
import pytest

from openfunnel_async import (
    CancelReceipt,
    JobStatus,
    PollPolicy,
    RateLimitedError,
    WaitTimeoutError,
)
from tests.support.scripted import (
    HANG,
    JOB,
    Later,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_fifty_at_once_are_one_request() -> None:
    """Caught: a POST for each caller."""
    transport = ScriptedTransport(cancel=[Later(cancel_reply(), after=1)])
    async with connect(transport) as client:
        job = client.job(JOB)
        receipts = await asyncio.gather(*(job.cancel() for _ in range(50)))
    assert transport.count("cancel") == 1
    assert len(set(receipts)) == 1


async def test_a_failure_is_shared_as_well() -> None:
    transport = ScriptedTransport(cancel=[Later(reply(422), after=1)])
    async with connect(transport) as client:
        job = client.job(JOB)
        outcomes = await asyncio.gather(
            *(job.cancel() for _ in range(5)), return_exceptions=True
        )
    assert transport.count("cancel") == 1
    assert {type(outcome).__name__ for outcome in outcomes} == {"RequestRejectedError"}


async def test_a_caller_who_goes_does_not_take_it_from_the_others() -> None:
    transport = ScriptedTransport(cancel=[Later(cancel_reply(), after=1)])
    async with connect(transport) as client:
        job = client.job(JOB)
        first, second = (asyncio.create_task(job.cancel()) for _ in range(2))
        await anyio.sleep(0.5)
        first.cancel()
        assert (await second).accepted
        assert first.cancelled()
    assert transport.count("cancel") == 1


async def test_the_last_caller_to_go_ends_the_request() -> None:
    transport = ScriptedTransport(cancel=[HANG])
    async with connect(transport) as client:
        job = client.job(JOB)
        tasks = [asyncio.create_task(job.cancel()) for _ in range(2)]
        await anyio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert transport.in_flight == 0
        assert not job.is_terminal


async def test_a_caller_who_went_can_ask_again() -> None:
    transport = ScriptedTransport(cancel=[HANG, cancel_reply()])
    async with connect(transport) as client:
        job = client.job(JOB)
        with anyio.move_on_after(1):
            await job.cancel()
        assert (await job.cancel()).accepted
    assert transport.count("cancel") == 2


async def test_it_wakes_whoever_sleeps_through_the_settling() -> None:
    """Caught: `pause` that reckons anew after an answer and not after a cancel."""
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=[job_reply("running"), job_reply("cancelled")]
    )
    slow = PollPolicy(shortest=1.0, longest=600.0, share=1.0, jitter=0.0)
    async with connect(transport, polling=slow) as client:
        job = client.job(JOB, limit=10_000)
        waiter = asyncio.create_task(job.wait_until_terminal())
        await anyio.sleep(10)
        await job.cancel()
        assert (await waiter).status is JobStatus.CANCELLED
    assert transport.times("read") == [0.0, 12.0]


async def test_waiting_brings_the_bill() -> None:
    settled = job_reply("cancelled", manifest=manifest(20, credits_consumed=20.5))
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=[job_reply("cancelling")] * 3 + [settled]
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB, limit=50).cancel(wait=True)
    assert receipt == CancelReceipt(
        job_id=JOB,
        accepted=True,
        already_terminal=False,
        status=JobStatus.CANCELLED,
        message="stopping",
        delivered=20,
        credits_consumed=20.5,
        requested_limit=50,
        credits_avoided=29.5,
    )


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_job_that_got_there_first_is_no_error(status: str) -> None:
    transport = ScriptedTransport(cancel=[cancel_reply()], read=[job_reply(status)])
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel(wait=True)
    assert (receipt.accepted, receipt.already_terminal) == (True, False)
    assert (receipt.status, receipt.credits_avoided) == (status, 0.0)


async def test_late_running_answers_while_it_settles_are_no_contradiction() -> None:
    answers = [job_reply("running")] * 4 + [job_reply("cancelled")]
    transport = ScriptedTransport(cancel=[cancel_reply()], read=answers)
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel(wait=True)
    assert receipt.status is JobStatus.CANCELLED
    assert transport.count("cancel") == 1


async def test_a_settling_without_end_times_out_and_says_accepted() -> None:
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=[job_reply("cancelling")]
    )
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="accepted, but after 30 s"):
            await client.job(JOB).cancel(wait=True, timeout=30)
        assert transport.now == pytest.approx(30)


async def test_a_cancel_without_an_answer_times_out_and_says_so() -> None:
    transport = ScriptedTransport(cancel=[HANG])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="not accepted after 10 s") as caught:
            await client.job(JOB).cancel(timeout=10)
        assert transport.now == pytest.approx(10)
    assert "may still bill" in str(caught.value)


async def test_by_default_it_takes_a_minute_at_most() -> None:
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=[job_reply("cancelling")]
    )
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).cancel(wait=True)
        assert transport.now == pytest.approx(60)


async def test_without_a_timeout_it_takes_as_long_as_it_takes() -> None:
    def read(at: float) -> str:
        return "cancelling" if at < 7200 else "cancelled"

    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=lambda seen: job_reply(read(seen.at))
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel(wait=True, timeout=None)
    assert receipt.status is JobStatus.CANCELLED


async def test_a_retry_after_beyond_its_time_is_raised_at_once() -> None:
    limited = reply(429, headers={"retry-after": "30"})
    transport = ScriptedTransport(cancel=[limited, cancel_reply()])
    async with connect(transport) as client:
        with pytest.raises(RateLimitedError):
            await client.job(JOB).cancel(timeout=10)
        assert transport.now == 0


async def test_a_retry_after_within_its_time_is_waited_for() -> None:
    limited = reply(429, headers={"retry-after": "30"})
    transport = ScriptedTransport(cancel=[limited, cancel_reply()])
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted
    assert transport.times("cancel")[1] >= 30
