"""A 2xx that may be nobody's answer: what reads say decides."""

import pytest

from openfunnel_async import (
    JobNotFoundError,
    JobStatus,
    LookalikeSearch,
    WaitTimeoutError,
    WireReply,
)
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    Step,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PAGE = reply(200, b"<html>Log in to the guest network</html>")
UNCONFIRMED = [
    reply(200),
    reply(204),
    reply(200, b"  \n"),
    reply(200, {}),
    reply(200, []),
    reply(200, {"status": "cancelling", "message": "ok"}),
    cancel_reply("another-job"),
]
NOT_FOUND = {"detail": "Not Found"}


@pytest.mark.parametrize("page", [PAGE, reply(202, b"OK"), reply(200, b"\xff")])
async def test_a_page_that_the_service_did_not_write_is_repeated(page: Step) -> None:
    """Caught: any 2xx taken for an acceptance: the job billed to its limit."""
    transport = ScriptedTransport(cancel=[page, page, cancel_reply()])
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.status) == (True, JobStatus.CANCELLING)
    assert transport.count("cancel") == 3


async def test_a_page_that_stays_is_never_called_accepted() -> None:
    transport = ScriptedTransport(cancel=[PAGE], read=[job_reply("running")])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError, match="not accepted"):
            await job.cancel(timeout=20)
        assert job.status is JobStatus.UNKNOWN
        assert client.orphans == (JOB,)


@pytest.mark.parametrize("answer", UNCONFIRMED)
async def test_a_read_that_says_cancelling_confirms_it(answer: WireReply) -> None:
    transport = ScriptedTransport(cancel=[answer], read=[job_reply("cancelling")])
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.already_terminal) == (True, False)
    assert (transport.count("cancel"), transport.count("read")) == (1, 1)


@pytest.mark.parametrize(
    ("status", "accepted"),
    [("cancelled", True), ("completed", False), ("failed", False)],
)
async def test_a_read_that_says_terminal_decides(status: str, accepted: bool) -> None:
    transport = ScriptedTransport(
        cancel=[reply(204)], read=[job_reply(status, manifest=manifest(5))]
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.already_terminal) == (accepted, not accepted)
    assert (receipt.status, receipt.credits_consumed) == (status, 5)


@pytest.mark.parametrize("answer", UNCONFIRMED)
@pytest.mark.parametrize("status", ["pending", "running", "stopping"])
async def test_two_reads_that_say_running_have_it_sent_again(
    answer: WireReply, status: str
) -> None:
    """Caught: an empty 204 that counts as accepted: never sent again."""
    transport = ScriptedTransport(
        cancel=[answer, cancel_reply()], read=[job_reply(status)]
    )
    async with connect(transport) as client:
        receipt = await client.job(JOB).cancel()
    assert (receipt.accepted, receipt.status) == (True, JobStatus.CANCELLING)
    first, second = transport.times("cancel")
    before, after = [at for at in transport.times("read") if first <= at <= second]
    assert after - before >= 2


async def test_it_is_sent_again_as_often_as_it_takes() -> None:
    transport = ScriptedTransport(
        cancel=lambda seen: reply(204) if seen.at < 40 else cancel_reply(),
        read=[job_reply("running")],
    )
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted
    assert transport.count("cancel") > 10


async def test_an_outage_of_the_reads_in_between_is_survived() -> None:
    transport = ScriptedTransport(
        cancel=[reply(204)],
        read=lambda seen: reply(503) if seen.at < 30 else job_reply("cancelling"),
    )
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted
    assert transport.count("cancel") == 1


async def test_an_acceptance_that_nobody_confirmed_shows_no_cancelling() -> None:
    transport = ScriptedTransport(cancel=[reply(204)], read=[job_reply("running")])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError, match="did not name the job"):
            await job.cancel(timeout=10)
        assert job.status is JobStatus.RUNNING


def ingress(seen: Seen, until: float, then: WireReply) -> WireReply:
    return reply(404, b"default backend - 404") if seen.at < until else then


async def test_a_404_that_the_service_did_not_write_is_an_outage() -> None:
    """Caught: "default backend - 404" ends the cancel of a job that bills."""
    transport = ScriptedTransport(
        cancel=lambda seen: ingress(seen, 30, cancel_reply()),
    )
    async with connect(transport) as client:
        assert (await client.job(JOB).cancel()).accepted


@pytest.mark.parametrize("again", [False, True])
async def test_a_404_of_a_job_that_was_read_is_an_outage_to_its_cancel(
    again: bool,
) -> None:
    transport = ScriptedTransport(
        read=[job_reply("running")],
        cancel=lambda seen: reply(404, NOT_FOUND) if seen.at < 30 else cancel_reply(),
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        await job.poll()
        job = client.job(JOB) if again else job
        assert (await job.cancel()).accepted


async def test_a_404_of_a_job_that_was_never_seen_is_the_truth() -> None:
    transport = ScriptedTransport(cancel=[reply(404, NOT_FOUND)])
    async with connect(transport) as client:
        with pytest.raises(JobNotFoundError):
            await client.job(JOB).cancel()
    assert transport.count("cancel") == 1


@pytest.mark.parametrize(
    "missing", [reply(404, NOT_FOUND), reply(404, b"default backend - 404")]
)
async def test_a_404_in_the_middle_of_a_wait_is_survived(missing: WireReply) -> None:
    """Caught: a wait ended by a 404 about a job that was just read."""
    transport = ScriptedTransport(
        submit=[submit_reply()],
        read=lambda seen: (
            missing
            if 10 < seen.at < 90
            else job_reply("running" if seen.at < 100 else "completed")
        ),
    )
    async with connect(transport) as client:
        job = await client.submit(LookalikeSearch(query="voice", limit=50))
        assert (await job.wait_until_terminal()).status is JobStatus.COMPLETED


@pytest.mark.parametrize(
    "missing", [reply(404, NOT_FOUND), reply(404, b"default backend - 404")]
)
async def test_a_404_that_stays_is_raised_after_the_outage(missing: WireReply) -> None:
    transport = ScriptedTransport(
        read=lambda seen: job_reply("running") if seen.at < 1 else missing
    )
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(JobNotFoundError):
            await job.wait_until_terminal()
        assert 115 < transport.now < 140


async def test_a_404_of_an_attached_job_that_was_never_seen_ends_a_wait() -> None:
    transport = ScriptedTransport(read=[reply(404, NOT_FOUND)])
    async with connect(transport) as client:
        with pytest.raises(JobNotFoundError):
            await client.job(JOB).wait_until_terminal()
        assert transport.now < 1


async def test_a_cancel_soon_after_the_submit_survives_a_404_for_five_seconds() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], cancel=[reply(404, NOT_FOUND)]
    )
    async with connect(transport) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
        with pytest.raises(JobNotFoundError):
            await job.cancel()
        assert transport.now == pytest.approx(5, abs=0.6)
