"""The expected finish, which a cancel takes away."""

import pytest

from openfunnel_async import JobStatus
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_an_accepted_cancel_takes_the_expected_finish_away() -> None:
    """Caught: the finish of all rows shown for a job that stops at its checkpoint."""
    transport = ScriptedTransport(
        read=[job_reply("running", processed=10)], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        job = client.job(JOB, limit=100)
        assert (await job.poll()).eta is not None
        await job.cancel()
        assert job.snapshot is not None
        assert job.snapshot.eta is None
        # A late answer does not bring it back.
        assert (await job.poll()).eta is None


async def test_a_cancel_of_somebody_else_does_so_too() -> None:
    """Caught: only a cancel of one's own counted."""
    reads = [job_reply("running", processed=10), job_reply("cancelling", processed=11)]
    async with connect(ScriptedTransport(read=reads)) as client:
        job = client.job(JOB, limit=100)
        assert (await job.poll()).eta is not None
        snapshot = await job.poll()
    assert snapshot.status is JobStatus.CANCELLING
    assert snapshot.eta is None
