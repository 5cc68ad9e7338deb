"""A cancel is not held up by the answer to a read."""

import asyncio

import anyio
import pytest

from openfunnel_async import JobStatus
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]
SLOW_DOWN = reply(429, headers={"retry-after": "30"})


async def test_a_reads_retry_after_keeps_no_cancel_from_being_sent() -> None:
    """Caught: one note of the service's wish to wait for all kinds of requests."""
    transport = ScriptedTransport(
        read=[SLOW_DOWN, job_reply("cancelled")], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        waiter = asyncio.create_task(job.wait_until_terminal())
        await anyio.sleep(1)
        receipt = await job.cancel(timeout=5)
        assert receipt.accepted
        assert (await waiter).status is JobStatus.CANCELLED
    assert transport.times("cancel") == [1.0]


async def test_a_read_that_is_put_off_meanwhile_does_not_end_a_cancel() -> None:
    """Caught: a cancel under way given up because of the answer to a read."""
    transport = ScriptedTransport(
        read=[SLOW_DOWN, job_reply("cancelled")],
        cancel=[Later(cancel_reply(), after=3)],
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        canceller = asyncio.create_task(job.cancel(timeout=5))
        await anyio.sleep(1)
        waiter = asyncio.create_task(job.wait_until_terminal())
        assert (await canceller).accepted
        await waiter
    assert transport.count("cancel") == 1
