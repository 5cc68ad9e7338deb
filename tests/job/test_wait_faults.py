"""What a wait survives, and what it stops at."""

import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    InvalidResponseError,
    JobNotFoundError,
    JobStatus,
    LookalikeSearch,
    OpenFunnelError,
    PollPolicy,
    RateLimitedError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
    TransportError,
    WireReply,
)
from openfunnel_async._transport.wire import UntrustedCertificateError
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    broken,
    connect,
    job_reply,
    reply,
    submit_reply,
    unsent,
)

MISSING = {"detail": "Job not found"}

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DONE = job_reply("completed")
HTML = reply(200, b"<html>maintenance</html>")
ODD = job_reply("running", manifest={"count": "5"})
CURABLE = [broken(), unsent(), reply(408), reply(429), reply(500), reply(503), HTML]


@pytest.mark.parametrize("fault", CURABLE)
async def test_an_outage_shorter_than_the_policys_is_survived(
    fault: WireReply | TransportError,
) -> None:
    """Caught: `persist` without its loop, so that four attempts are the end."""
    transport = ScriptedTransport(
        read=lambda seen: fault if 0 < seen.at < 100 else DONE if seen.at else _going()
    )
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal()
    assert snapshot.status is JobStatus.COMPLETED
    assert 100 <= transport.times("read")[-1] < 120


@pytest.mark.parametrize("fault", CURABLE)
async def test_a_longer_outage_is_raised(fault: WireReply | TransportError) -> None:
    transport = ScriptedTransport(read=[fault])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(OpenFunnelError) as caught:
            await job.wait_until_terminal()
        assert 120 <= transport.now < 150
        assert job.error is caught.value


async def test_only_unbroken_failure_counts() -> None:
    transport = ScriptedTransport(
        read=lambda seen: (
            DONE if seen.at > 400 else reply(503) if seen.at % 100 > 10 else _going()
        )
    )
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal()
    assert snapshot.status is JobStatus.COMPLETED


async def test_the_policy_says_how_long() -> None:
    transport = ScriptedTransport(read=[reply(503)])
    async with connect(transport, retry=RetryPolicy(outage=30)) as client:
        with pytest.raises(ServerError):
            await client.job(JOB).wait_until_terminal()
        assert 30 <= transport.now < 50


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reply(400), RequestRejectedError),
        (reply(401), AuthenticationError),
        (reply(403), AuthenticationError),
        (reply(404, MISSING), JobNotFoundError),
        (reply(422), RequestRejectedError),
        (reply(302), APIError),
        (UntrustedCertificateError("not trusted", False), TransportError),
    ],
)
async def test_what_no_retry_can_cure_is_raised_at_once(
    fault: WireReply | TransportError, kind: type[OpenFunnelError]
) -> None:
    transport = ScriptedTransport(read=[fault])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(kind) as caught:
            await job.wait_until_terminal()
        assert transport.now == 0
        assert job.error is caught.value
    assert transport.count("read") == 1


async def test_a_404_soon_after_ones_own_submit_is_survived() -> None:
    """Caught: `visible_by` that is always in the past."""
    transport = ScriptedTransport(
        submit=[submit_reply()],
        read=lambda seen: reply(404) if seen.at < 4.9 else DONE,
    )
    async with connect(transport, polling=PollPolicy.fixed(1)) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
        assert (await job.wait_until_terminal()).status is JobStatus.COMPLETED


async def test_a_404_later_is_not() -> None:
    transport = ScriptedTransport(submit=[submit_reply()], read=[reply(404, MISSING)])
    async with connect(transport, polling=PollPolicy.fixed(1)) as client:
        job = await client.submit(LookalikeSearch(query="voice"))
        with pytest.raises(JobNotFoundError):
            await job.wait_until_terminal()
        assert 5 <= transport.now < 6


async def test_a_404_of_an_attached_job_is_believed_at_once() -> None:
    transport = ScriptedTransport(submit=[submit_reply()], read=[reply(404, MISSING)])
    async with connect(transport) as client:
        await client.submit(LookalikeSearch(query="voice"))
        with pytest.raises(JobNotFoundError):
            await client.job(JOB).poll()
    assert transport.count("read") == 1


async def test_unbelievable_json_is_read_once_more() -> None:
    transport = ScriptedTransport(read=[ODD, DONE])
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal()
    assert snapshot.status is JobStatus.COMPLETED


async def test_unbelievable_json_twice_is_raised() -> None:
    transport = ScriptedTransport(read=[ODD])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(InvalidResponseError) as caught:
            await job.wait_until_terminal()
        assert job.error is caught.value
    assert caught.value.path == "$.manifest.count"
    assert transport.count("read") == 2


@pytest.mark.parametrize("before", [HTML, reply(503), broken()])
async def test_another_fault_does_not_use_up_the_second_reading(
    before: WireReply | TransportError,
) -> None:
    transport = ScriptedTransport(read=[before, ODD, DONE])
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal()
    assert snapshot.status is JobStatus.COMPLETED


async def test_a_poll_reads_what_is_not_json_once_more() -> None:
    transport = ScriptedTransport(read=[HTML, DONE, HTML])
    async with connect(transport) as client:
        assert (await client.job(JOB).poll()).status is JobStatus.COMPLETED
        with pytest.raises(InvalidResponseError):
            await client.job(JOB).poll()
    assert transport.count("read") == 4


@pytest.mark.parametrize("header", ["20", "59.5"])
async def test_retry_after_is_never_undercut(header: str) -> None:
    """Caught: the backoff alone, whatever the header says."""
    limited = reply(429, headers={"retry-after": header})
    transport = ScriptedTransport(read=[limited, limited, DONE])
    async with connect(transport) as client:
        await client.job(JOB).wait_until_terminal()
    first, second, third = transport.times("read")
    assert second - first >= float(header)
    assert third - second >= float(header)


async def test_a_retry_after_in_the_body_is_not_undercut_either() -> None:
    limited = reply(429, {"detail": {"details": {"retry_after_seconds": 20}}})
    transport = ScriptedTransport(read=[limited, DONE])
    async with connect(transport) as client:
        await client.job(JOB).poll()
    assert transport.times("read")[1] >= 20


@pytest.mark.parametrize("status", [429])
async def test_a_retry_after_above_the_policys_is_raised_at_once(status: int) -> None:
    transport = ScriptedTransport(read=[reply(status, headers={"retry-after": "61"})])
    async with connect(transport) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.job(JOB).wait_until_terminal()
        assert transport.now == 0
    assert caught.value.retry_after == 61


async def test_a_retry_after_beyond_the_waits_time_is_raised_at_once() -> None:
    """Caught: `join` without `_give_up_beyond`."""
    limited = reply(429, headers={"retry-after": "50"})
    transport = ScriptedTransport(read=[limited, DONE])
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(RateLimitedError) as caught:
            await job.wait_until_terminal(timeout=30)
        assert transport.now == 0
        assert job.error is caught.value


async def test_a_waiter_with_more_time_sits_the_same_retry_after_out() -> None:
    limited = reply(429, headers={"retry-after": "50"})
    transport = ScriptedTransport(read=[limited, DONE])
    async with connect(transport) as client:
        snapshot = await client.job(JOB).wait_until_terminal(timeout=60)
    assert snapshot.status is JobStatus.COMPLETED
    assert transport.times("read")[1] >= 50


def _going(_seen: Seen | None = None) -> WireReply:
    return job_reply("running")
