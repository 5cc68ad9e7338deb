"""`max_active` counts the jobs that may still be running; a 429 loses no search."""

from typing import cast

import pytest

from openfunnel_async import JobError, JobFailedError, RateLimitedError, WireReply
from openfunnel_async.sandbox import StatusFault
from tests.fleet.account import Account, kinds, lasting, searches
from tests.support.scripted import (
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


async def test_a_member_whose_time_has_passed_keeps_its_slot_until_cancelled() -> None:
    """Caught: `max_active=1` with four jobs running."""
    async with Account(lasting(9000)) as account:
        outcomes = await account.client.run_many(
            searches(5, 5, 5, 5), max_active=1, job_timeout=60
        )
        assert account.most_at_once() == 1
        assert account.going() == []
    assert kinds(outcomes) == ["WaitTimeoutError"] * 4


async def test_what_it_delivered_before_its_cancel_is_on_the_error() -> None:
    async with Account(lasting(30, rows=7), lasting(9000)) as account:
        outcomes = await account.client.run_many(searches(50, 50), job_timeout=60)
    assert kinds(outcomes) == ["completed", "WaitTimeoutError"]
    assert cast("JobError", outcomes[1].error).rows == ()


def scripted(cancel_works_at: float) -> ScriptedTransport:
    """Script jobs that run until their cancel works; it fails before that."""

    def read(seen: Seen) -> WireReply:
        asked = [one.at for one in transport.of("cancel") if one.job_id == seen.job_id]
        is_cancelled = any(at >= cancel_works_at for at in asked)
        status = "cancelled" if is_cancelled else "running"
        return job_reply(status, job_id=seen.job_id)

    def cancel(seen: Seen) -> WireReply:
        return reply(503) if seen.at < cancel_works_at else cancel_reply(seen.job_id)

    transport = ScriptedTransport(
        submit=[submit_reply(name) for name in "abcd"], read=read, cancel=cancel
    )
    return transport


async def test_a_slot_is_kept_while_the_cancel_is_not_confirmed() -> None:
    transport = scripted(cancel_works_at=100)
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(5, 5), max_active=1, job_timeout=20)
    assert transport.times("submit")[1] >= 100
    assert kinds(outcomes) == ["WaitTimeoutError"] * 2
    assert [outcome.job.id for outcome in outcomes if outcome.job] == ["a", "b"]


async def test_a_slot_that_never_comes_back_ends_the_batch_and_says_so() -> None:
    transport = scripted(cancel_works_at=1e9)
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(5, 5), max_active=1, job_timeout=20)
        assert transport.now < 200
        assert client.orphans == ("a",)
    assert transport.count("submit") == 1
    assert kinds(outcomes) == ["WaitTimeoutError", "OpenFunnelError"]
    assert outcomes[0].job is not None
    assert not outcomes[0].job.is_terminal
    assert "nothing was sent" in str(outcomes[1].error)


async def test_a_member_that_cannot_be_read_is_cancelled() -> None:
    """Caught: a job that bills on after its batch has given it up."""

    def read(seen: Seen) -> WireReply:
        return reply(403) if seen.job_id == "a" else job_reply("completed", job_id="b")

    transport = ScriptedTransport(
        submit=[submit_reply("a"), submit_reply("b")],
        read=read,
        cancel=lambda seen: cancel_reply(seen.job_id),
    )
    async with connect(transport) as client:
        outcomes = await client.run_many(searches(5, 5))
    assert kinds(outcomes) == ["AuthenticationError", "completed"]
    assert [seen.job_id for seen in transport.of("cancel")] == ["a"]


async def test_fifty_searches_at_ten_requests_a_second_are_all_run() -> None:
    """Caught: a search given up after four 429s: 31 of 50 were kept."""
    sent: dict[int, int] = {}

    def is_limited(seen: Seen) -> bool:
        second = int(seen.at)
        sent[second] = sent.get(second, 0) + 1
        return sent[second] > 10

    def submit(seen: Seen) -> WireReply:
        if is_limited(seen):
            return reply(429, headers={"retry-after": "1"})
        return submit_reply(f"job-{len(transport.seen)}")

    def read(seen: Seen) -> WireReply:
        if is_limited(seen):
            return reply(429, headers={"retry-after": "1"})
        return job_reply("completed", job_id=seen.job_id)

    for max_active in (8, 50):
        sent.clear()
        transport = ScriptedTransport(submit=submit, read=read)
        async with connect(transport) as client:
            outcomes = await client.run_many(searches(*[5] * 50), max_active=max_active)
        assert kinds(outcomes) == ["completed"] * 50


@pytest.mark.parametrize("retry_after", [None, 1, 90])
async def test_a_search_is_given_up_after_an_outage_of_429s(
    retry_after: float | None,
) -> None:
    fault = StatusFault(on="submit", status=429, retry_after=retry_after, times=10_000)
    async with Account(lasting(20), faults=[fault]) as account:
        [outcome] = await account.client.run_many(searches(5))
        assert account.service.now >= 85
        assert account.service.now < 135
    assert isinstance(outcome.error, RateLimitedError)


async def test_a_search_survives_a_minute_of_429s() -> None:
    fault = StatusFault(on="submit", status=429, retry_after=30, times=3)
    async with Account(lasting(20), faults=[fault]) as account:
        outcomes = await account.client.run_many(searches(5, 5))
    assert kinds(outcomes) == ["completed", "completed"]


async def test_a_failed_job_keeps_the_services_reason() -> None:
    """Caught: "job X failed", without the reason that the service gave."""
    transport = ScriptedTransport(
        submit=[submit_reply("a")],
        read=[job_reply("failed", job_id="a", error_message="no such\nseed \x1b[2J")],
    )
    async with connect(transport) as client:
        [outcome] = await client.run_many(searches(5))
    assert isinstance(outcome.error, JobFailedError)
    assert "no such\\nseed \\x1b[2J" in str(outcome.error)


@pytest.mark.parametrize(("echoed", "reserved"), [(500, 500), (5, 5), (1, 5)])
async def test_a_larger_limit_that_the_service_echoes_is_reserved(
    echoed: int, reserved: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: the cap reckoned with the limit that was asked for."""
    transport = ScriptedTransport(
        submit=[submit_reply("a", requested_limit=echoed), submit_reply("b")],
        read=lambda seen: job_reply(
            "running" if seen.at < 30 else "completed", job_id=seen.job_id
        ),
    )
    async with connect(transport) as client:
        outcomes = await client.run_many(
            searches(5, 1000 - reserved + 1), max_credits=1000
        )
    assert ("requested_limit" in caplog.text) == (echoed > 5)
    assert outcomes[0].job is not None
    assert outcomes[0].job.limit == reserved
    assert kinds(outcomes)[1] == "CreditCapError"
