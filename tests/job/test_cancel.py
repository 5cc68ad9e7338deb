"""The cancel table: what each answer means, and that it is never inferred."""

import asyncio

import anyio
import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    CancelConflictError,
    CancelReceipt,
    JobNotFoundError,
    JobStatus,
    LookalikeSearch,
    RequestRejectedError,
    TransportError,
    WaitTimeoutError,
    WireReply,
)
from tests.support.scripted import (
    HANG,
    JOB,
    ScriptedTransport,
    Step,
    broken,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    submit_reply,
    unsent,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

OVER = reply(409, {"detail": "Job is already over"})
TERMINAL = ["completed", "failed", "cancelled"]


async def test_a_200_is_accepted() -> None:
    transport = ScriptedTransport(cancel=[cancel_reply()])
    async with connect(transport) as client:
        job = client.job(JOB, limit=50)
        receipt = await job.cancel()
        assert job.cancel_requested
        assert job.status is JobStatus.CANCELLING
    assert receipt == CancelReceipt(
        job_id=JOB,
        accepted=True,
        already_terminal=False,
        status=JobStatus.CANCELLING,
        message="stopping",
        requested_limit=50,
    )
    assert transport.count("read") == 0


@pytest.mark.parametrize("status", TERMINAL)
async def test_a_409_is_resolved_by_one_read(status: str) -> None:
    """Caught: a 409 taken for "completed" without a read."""
    answer = job_reply(status, manifest=manifest(7))
    transport = ScriptedTransport(cancel=[OVER], read=[answer])
    async with connect(transport) as client:
        receipt = await client.job(JOB, limit=50).cancel()
    assert (receipt.accepted, receipt.already_terminal) == (False, True)
    assert receipt.status == status
    assert (receipt.delivered, receipt.credits_consumed) == (7, 7)
    assert (transport.count("cancel"), transport.count("read")) == (1, 1)


async def test_a_409_that_reads_cancelling_is_an_earlier_cancel_at_work() -> None:
    transport = ScriptedTransport(cancel=[OVER], read=[job_reply("cancelling")])
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.already_terminal) == (True, False)
    assert receipt.status is JobStatus.CANCELLING
    assert (transport.count("cancel"), transport.count("read")) == (1, 1)


async def test_a_409_that_reads_running_is_looked_at_again_briefly() -> None:
    answers = [job_reply("running"), job_reply("running"), job_reply("completed")]
    transport = ScriptedTransport(cancel=[OVER], read=answers)
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
        assert transport.now < 5
    assert (receipt.status, receipt.accepted) == (JobStatus.COMPLETED, False)
    assert transport.count("cancel") == 1


async def test_a_409_that_stays_wrong_is_asked_once_more() -> None:
    transport = ScriptedTransport(
        cancel=[OVER, cancel_reply()], read=[job_reply("running")]
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.status) == (True, JobStatus.CANCELLING)
    assert transport.count("cancel") == 2


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
async def test_a_409_twice_of_a_job_that_goes_on_is_a_conflict(status: str) -> None:
    transport = ScriptedTransport(cancel=[OVER], read=[job_reply(status)])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(CancelConflictError) as caught:
            await job.cancel()
        assert transport.now < 30
        assert not job.is_terminal
    assert caught.value.snapshot is not None
    assert caught.value.snapshot.raw_status == status
    assert "may still be billing" in str(caught.value)
    assert transport.count("cancel") == 2


async def test_a_second_cancel_that_answers_409_while_cancelling_is_accepted() -> None:
    transport = ScriptedTransport(
        cancel=[cancel_reply(), OVER], read=[job_reply("running")]
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.cancel()
        receipt = await job.cancel()
    assert (receipt.accepted, receipt.status) == (True, JobStatus.CANCELLING)


@pytest.mark.parametrize("status", TERMINAL)
async def test_a_lost_answer_is_asked_for_again_and_its_409_resolved(
    status: str,
) -> None:
    transport = ScriptedTransport(cancel=[broken(), OVER], read=[job_reply(status)])
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.status, receipt.already_terminal) == (status, True)
    assert transport.count("cancel") == 2


@pytest.mark.parametrize(
    "fault", [broken(), unsent(), reply(500), reply(503), reply(408), reply(429)]
)
async def test_what_a_retry_can_cure_is_retried(
    fault: WireReply | TransportError,
) -> None:
    transport = ScriptedTransport(cancel=[fault, fault, cancel_reply()])
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted
    assert transport.count("cancel") == 3


@pytest.mark.parametrize("fault", [broken(), unsent(), reply(503), reply(429), HANG])
async def test_it_is_repeated_until_its_own_time_limit(fault: Step) -> None:
    """Caught: a cancel given up after the policy's four attempts."""
    transport = ScriptedTransport(cancel=[fault])
    async with connect(transport, request_timeout=5) as client:
        with pytest.raises(WaitTimeoutError, match="not accepted after 60 s"):
            await client.job(JOB).cancel()
        assert transport.now == pytest.approx(60)
    assert transport.count("cancel") >= 7


async def test_it_is_repeated_for_ever_without_a_time_limit() -> None:
    transport = ScriptedTransport(
        cancel=lambda seen: reply(503) if seen.at < 3000 else cancel_reply()
    )
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel(timeout=None)).accepted


async def test_after_its_time_it_continues_in_the_background() -> None:
    """Caught: a cancel that ends with its caller's time, while the job bills."""
    transport = ScriptedTransport(
        cancel=lambda seen: reply(503) if seen.at < 100 else cancel_reply()
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError, match="while the client is open"):
            await job.cancel(timeout=5)
        assert client.orphans
        await anyio.sleep(120)
        assert job.status is JobStatus.CANCELLING
        assert client.orphans == ()


async def test_a_job_that_another_read_shows_as_terminal_ends_the_repetition() -> None:
    transport = ScriptedTransport(cancel=[reply(503)], read=[job_reply("completed")])
    async with connect(transport) as client:
        job = client.job(JOB)
        task = asyncio.create_task(job.cancel())
        await anyio.sleep(3)
        await job.poll()
        receipt = await task
        assert transport.now < 15
    assert (receipt.already_terminal, receipt.status) == (True, JobStatus.COMPLETED)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, APIError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, JobNotFoundError),
        (407, APIError),
        (422, RequestRejectedError),
    ],
)
async def test_any_other_refusal_is_raised_at_once(
    status: int, kind: type[APIError]
) -> None:
    transport = ScriptedTransport(cancel=[reply(status, {"detail": "no"})])
    async with connect(transport) as client:
        with pytest.raises(kind):
            await client.job(JOB).cancel()
    assert transport.count("cancel") == 1


async def test_a_404_soon_after_ones_own_submit_is_survived() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], cancel=[reply(404), reply(404), cancel_reply()]
    )
    async with connect(transport) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
        assert (await job.cancel()).accepted


@pytest.mark.parametrize("status", TERMINAL)
async def test_a_handle_that_knows_it_is_over_sends_nothing(status: str) -> None:
    """Caught: `request` without its check of `is_terminal`."""
    answer = job_reply(status, manifest=manifest(7))
    transport = ScriptedTransport(read=[answer])
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        receipt = await job.cancel(wait=True)
    assert (receipt.already_terminal, receipt.status) == (True, status)
    assert transport.count("cancel") == 0
    assert transport.count("read") == 1


@pytest.mark.parametrize(
    ("status", "limit", "bill", "avoided"),
    [
        ("cancelled", 50, manifest(20), 30.0),
        ("cancelled", 50, manifest(20, credits_consumed=20.5), 29.5),
        ("cancelled", 50, manifest(60), 0.0),
        ("cancelled", None, manifest(20), None),
        ("cancelled", 50, None, None),
        ("cancelled", 50, {"count": 20}, None),
        ("completed", 50, manifest(20), 0.0),
        ("completed", None, None, 0.0),
        ("failed", 50, manifest(20), 0.0),
    ],
)
async def test_what_a_cancel_avoided_is_known_or_none(
    status: str, limit: int | None, bill: object, avoided: float | None
) -> None:
    transport = ScriptedTransport(
        cancel=[OVER], read=[job_reply(status, manifest=bill)]
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB, limit=limit).cancel()
    assert receipt.credits_avoided == avoided
    assert receipt.requested_limit == limit


async def test_an_unsettled_cancel_states_no_numbers() -> None:
    transport = ScriptedTransport(
        cancel=[cancel_reply()], read=[job_reply("running", manifest=manifest(5))]
    )
    async with connect(transport) as client:
        job = client.job(JOB, limit=50)
        await job.poll()
        receipt = await job.cancel()
    assert (receipt.delivered, receipt.credits_consumed) == (None, None)
    assert receipt.credits_avoided is None
