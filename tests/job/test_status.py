"""What a handle knows of its job, answer by answer."""

import logging

import pytest

from openfunnel_async import ConfigurationError, JobStatus, LookalikeSearch
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice", limit=50)


async def test_attaching_needs_no_request() -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        job = client.job(JOB, limit=50)
        assert (job.id, job.limit, job.status) == (JOB, 50, JobStatus.UNKNOWN)
        assert (job.snapshot, job.is_terminal, job.error) == (None, False, None)
        assert not job.cancel_requested
    assert transport.seen == []


async def test_a_handle_compares_by_identity() -> None:
    async with connect(ScriptedTransport()) as client:
        one, other = client.job(JOB), client.job(JOB)
        assert one != other
        assert len({one, other}) == 2


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "a" * 129])
async def test_a_bad_id_is_refused_before_anything_is_sent(job_id: str) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError):
            client.job(job_id)
    assert transport.seen == []


async def test_a_poll_is_one_request_and_returns_at_once() -> None:
    transport = ScriptedTransport(read=[job_reply("running", processed=7)])
    async with connect(transport) as client:
        job = client.job(JOB)
        snapshot = await job.poll()
        assert transport.now == 0
        assert snapshot is job.snapshot
    assert (snapshot.status, snapshot.processed) == (JobStatus.RUNNING, 7)
    assert transport.count("read") == 1


async def test_a_submitted_job_is_pending_before_any_read() -> None:
    transport = ScriptedTransport(submit=[submit_reply(requested_limit=20)])
    async with connect(transport) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
    assert (job.status, job.limit, job.snapshot) == (JobStatus.PENDING, 20, None)


async def test_an_attached_job_is_looked_at_at_once() -> None:
    transport = ScriptedTransport(read=[job_reply("completed")])
    async with connect(transport) as client:
        await client.job(JOB).wait_until_terminal()
    assert transport.times("read") == [0.0]


async def test_a_submitted_job_is_first_looked_at_after_the_pace() -> None:
    transport = ScriptedTransport(submit=[submit_reply()], read=[job_reply("failed")])
    async with connect(transport) as client:
        job = await client.submit(SEARCH)
        await job.wait_until_terminal()
    (first,) = transport.times("read")
    assert 5.0 * 0.9 <= first <= 5.0 * 1.1


async def test_the_status_never_goes_backwards() -> None:
    words = ["running", "pending", "cancelling", "running", "pending", "cancelled"]
    transport = ScriptedTransport(read=[job_reply(word) for word in words])
    async with connect(transport) as client:
        job = client.job(JOB)
        shown = [(await job.poll()).status for _ in words]
        assert job.status is JobStatus.CANCELLED
    running, cancelling = JobStatus.RUNNING, JobStatus.CANCELLING
    assert shown == [running, running, *[cancelling] * 3, JobStatus.CANCELLED]


async def test_the_word_of_a_late_answer_is_kept_beside_the_status() -> None:
    transport = ScriptedTransport(read=[job_reply("running"), job_reply("pending")])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        late = await job.poll()
    assert (late.status, late.raw_status) == (JobStatus.RUNNING, "pending")


async def test_a_late_running_does_not_take_an_accepted_cancel_back() -> None:
    """Caught: `observe` that sets the furthest state to the answer's."""
    transport = ScriptedTransport(cancel=[cancel_reply()], read=[job_reply("running")])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.cancel()
        assert (await job.poll()).status is JobStatus.CANCELLING
        assert job.status is JobStatus.CANCELLING


@pytest.mark.parametrize("later", ["running", "completed", "failed", "paused"])
async def test_the_end_is_latched_and_a_different_answer_logged(
    later: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: `observe` without the latch, which returns the later answer."""
    transport = ScriptedTransport(
        read=[job_reply("cancelled", manifest=manifest(3)), job_reply(later)]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        first = await job.poll()
        with caplog.at_level(logging.WARNING):
            assert await job.poll() is first
        assert job.snapshot is first
        assert job.status is JobStatus.CANCELLED
    assert len(caplog.messages) == 1
    assert "anomaly" in caplog.messages[0]


async def test_a_manifest_that_comes_late_fills_the_gap() -> None:
    transport = ScriptedTransport(
        read=[job_reply("completed"), job_reply("completed", manifest=manifest(3))]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        assert (await job.poll()).manifest is None
        assert (await job.poll()).manifest is not None


async def test_an_unknown_word_shows_in_place_of_running_and_is_not_the_end() -> None:
    transport = ScriptedTransport(read=[job_reply("running"), job_reply("paused")])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        snapshot = await job.poll()
        assert (job.status, job.is_terminal) == (JobStatus.UNKNOWN, False)
    assert (snapshot.status, snapshot.raw_status) == (JobStatus.UNKNOWN, "paused")


async def test_running_shows_again_after_an_unknown_word() -> None:
    transport = ScriptedTransport(read=[job_reply("paused"), job_reply("running")])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        await job.poll()
        assert job.status is JobStatus.RUNNING


async def test_an_unknown_word_never_shows_in_place_of_cancelling() -> None:
    transport = ScriptedTransport(cancel=[cancel_reply()], read=[job_reply("halting")])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.cancel()
        assert (await job.poll()).status is JobStatus.CANCELLING


@pytest.mark.parametrize(
    "words",
    [["paused"] * 3, ["paused", "running", "paused"], ["paused", "held", "paused"]],
)
async def test_an_unknown_word_is_warned_about_once(
    words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    transport = ScriptedTransport(read=[job_reply(word) for word in words])
    async with connect(transport) as client:
        job = client.job(JOB)
        with caplog.at_level(logging.WARNING):
            for _ in words:
                await job.poll()
    assert len(caplog.messages) == len(set(words) - {"running"})


async def test_a_wait_goes_on_over_an_unknown_word() -> None:
    transport = ScriptedTransport(read=[job_reply("paused"), job_reply("completed")])
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal()
    assert snapshot.status is JobStatus.COMPLETED


async def test_a_repr_names_job_and_status() -> None:
    async with connect(ScriptedTransport()) as client:
        assert repr(client.job(JOB)) == "<BulkJob job-1 unknown>"
        assert repr(client) == "<OpenFunnel https://api.example>"


async def test_the_balance_is_read() -> None:
    body = {"total_credits": 50, "credits_used": 37.5, "credits_left": 12.5}
    async with connect(ScriptedTransport(balance=[reply(200, body)])) as client:
        assert (await client.credit_balance()).credits_used == 37.5


async def test_closing_twice_is_closing() -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        await client.aclose()
    assert transport.closings >= 1
