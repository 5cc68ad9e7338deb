"""What must not end a cancel, nor the wait for one."""

import asyncio
import contextlib
import logging

import anyio
import pytest

from openfunnel_async import (
    JobStatus,
    ServerError,
    TransportError,
    WaitTimeoutError,
    WireReply,
    WireRequest,
)
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

MISSING = reply(404, {"detail": "Not Found"})


async def test_a_retry_after_beyond_its_time_does_not_end_it_for_good() -> None:
    """Caught: one POST, no orphan, and a job that bills for hours."""
    busy = reply(503, {"detail": "busy"}, {"retry-after": "120"})
    transport = ScriptedTransport(cancel=[busy, cancel_reply()])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(ServerError):
            await job.cancel()
        assert client.orphans
        await anyio.sleep(200)
        assert not client.orphans
        assert job.status is JobStatus.CANCELLING
    assert transport.times("cancel")[1] >= 120


async def test_a_404_after_a_confirmed_cancel_is_an_outage() -> None:
    """Caught: only reads making a job known: the receipt lost to a late replica."""
    transport = ScriptedTransport(
        cancel=[cancel_reply()],
        read=lambda seen: MISSING if seen.at < 20 else job_reply("cancelled"),
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel(wait=True)
    assert receipt.status is JobStatus.CANCELLED


class GivingUp(ScriptedTransport):
    """Cancels what it carries by itself, as a session does that is closed."""

    times_left = 3

    async def send(self, request: WireRequest, /) -> WireReply:
        if self.times_left:
            self.times_left -= 1
            raise asyncio.CancelledError
        return await super().send(request)


async def test_a_cancellation_that_nobody_asked_for_is_an_outage() -> None:
    """Caught: a bare CancelledError out of a call whose task was not cancelled."""
    transport = GivingUp(cancel=[cancel_reply()], read=[job_reply("running")])
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted
        transport.times_left = 99
        with pytest.raises(TransportError, match="cancelled the exchange"):
            await client.job(JOB).poll()


class _Raising(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ValueError(record.msg)


async def test_a_log_that_raises_does_not_keep_a_caller_waiting() -> None:
    """Caught: the warning written before the caller is let go."""
    transport = ScriptedTransport(
        submit=[reply(200, {"job_id": JOB})], cancel=[*[reply(503)] * 9, cancel_reply()]
    )
    logger, raising = logging.getLogger("openfunnel_async"), _Raising()
    loop, reported = asyncio.get_running_loop(), list[object]()
    of_the_runner = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    logger.addFilter(raising)
    try:
        async with connect(transport) as client:
            job = client.job(JOB)
            first = client._background.cancel_in_background(job, 10.0)
            with anyio.fail_after(11):
                await asyncio.wait([first])
            await anyio.sleep(60)
            assert job.status is JobStatus.CANCELLING
    finally:
        logger.removeFilter(raising)
        loop.set_exception_handler(of_the_runner)
    assert len(reported) == 1


async def test_an_answer_in_the_moment_of_the_timeout_is_followed_by_no_other() -> None:
    """Caught: the request under way dropped with its answer, and sent once more."""
    transport = ScriptedTransport(cancel=[Later(cancel_reply(), after=10)])
    async with connect(transport) as client:
        job = client.job(JOB)
        with contextlib.suppress(WaitTimeoutError):
            await job.cancel(timeout=10)
        await anyio.sleep(5)
        assert job.status == "cancelling"
        assert client.orphans == ()
        assert transport.count("cancel") == 1


async def test_the_background_continues_the_request_that_is_under_way() -> None:
    transport = ScriptedTransport(cancel=[Later(cancel_reply(), after=12)])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError):
            await job.cancel(timeout=10)
        await anyio.sleep(5)
        assert job.status == "cancelling"
        assert transport.count("cancel") == 1
