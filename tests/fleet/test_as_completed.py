"""Every handle comes out, once, in the order in which they end."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import cast

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    ConfigurationError,
    JobNotFoundError,
    JobStatus,
    PollPolicy,
    ServerError,
    WaitTimeoutError,
    WireReply,
)
from openfunnel_async.sandbox import LostAnswer, StatusFault
from tests.fleet.account import Account, lasting, search
from tests.support.scripted import (
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


async def submit(account: Account, count: int) -> list[BulkJob]:
    return [await account.client.submit(search(number)) for number in range(count)]


async def everyone(ended: AsyncIterator[BulkJob]) -> list[BulkJob]:
    return [job async for job in ended]


async def test_they_come_in_the_order_of_their_ends() -> None:
    """Caught: waiting for one handle after the other."""
    async with Account(lasting(60), lasting(20), lasting(40)) as account:
        slow, quick, medium = await submit(account, 3)
        ended = await everyone(account.client.as_completed([slow, quick, medium]))
    assert ended == [quick, medium, slow]


async def test_each_comes_out_when_it_ends() -> None:
    """Caught: all of them handed out once the last has ended."""
    async with Account(lasting(20), lasting(600)) as account:
        jobs = await submit(account, 2)
        async with account.client.as_completed(jobs) as ended:
            await anext(ended)
            assert account.service.now < 30


async def test_completed_failed_and_cancelled_ones_come_out() -> None:
    async with Account(lasting(20), lasting(30, ends="failed"), lasting(600)) as one:
        jobs = await submit(one, 3)
        await jobs[2].cancel()
        ended = await everyone(one.client.as_completed(jobs))
    assert {job.status.value for job in ended} == {"completed", "failed", "cancelled"}
    assert len(ended) == 3
    assert all(job.error is None for job in ended)


async def test_one_that_is_not_there_comes_out_with_its_error() -> None:
    """Caught: a wait that ends in an error and hands nothing out."""
    async with Account(lasting(20)) as account:
        [job] = await submit(account, 1)
        gone = account.client.job("no-such-job")
        ended = await everyone(account.client.as_completed([job, gone]))
    assert ended == [gone, job]
    assert isinstance(gone.error, JobNotFoundError)
    assert job.error is None


async def test_an_outage_of_one_does_not_touch_the_others() -> None:
    def read(seen: Seen) -> WireReply:
        if seen.job_id == "out":
            return reply(503)
        done = seen.at > 300
        return job_reply("completed" if done else "running", job_id=seen.job_id)

    transport = ScriptedTransport(read=read)
    async with connect(transport) as client:
        out, well = client.job("out"), client.job("well")
        ended = await everyone(client.as_completed([well, out]))
    assert ended == [out, well]
    assert isinstance(out.error, ServerError)
    assert well.status is JobStatus.COMPLETED


async def test_faults_that_a_retry_cures_lose_nobody() -> None:
    faults = [LostAnswer(on="read", times=3), StatusFault(on="read", times=5)]
    async with Account(lasting(20), lasting(40), faults=faults) as account:
        jobs = await submit(account, 12)
        ended = await everyone(account.client.as_completed(jobs))
    assert len(ended) == 12
    assert set(ended) == set(jobs)
    assert all(job.status is JobStatus.COMPLETED for job in ended)


async def test_once_the_time_is_over_those_still_going_come_out_with_why() -> None:
    """Caught: the time-out ends the iteration and the slow one is never seen."""
    async with Account(lasting(20), lasting(600)) as account:
        quick, slow = await submit(account, 2)
        began = account.service.now
        stream = account.client.as_completed([slow, quick], timeout=100)
        ended = await everyone(stream)
        assert account.service.now - began == pytest.approx(100)
    assert ended == [quick, slow]
    assert isinstance(slow.error, WaitTimeoutError)
    assert slow.error.job_id == slow.id
    assert quick.error is None


async def test_the_time_is_the_clients_unless_told_otherwise() -> None:
    async with Account(lasting(600), wait_timeout=50) as account:
        jobs = await submit(account, 1)
        [slow] = await everyone(account.client.as_completed(jobs))
        assert account.service.now == pytest.approx(50, abs=1)
    assert isinstance(slow.error, WaitTimeoutError)


async def test_for_ever_is_for_ever() -> None:
    async with Account(lasting(7000), wait_timeout=50) as account:
        jobs = await submit(account, 1)
        [slow] = await everyone(account.client.as_completed(jobs, timeout=None))
    assert slow.status is JobStatus.COMPLETED


async def test_a_handle_given_twice_comes_out_once() -> None:
    """Caught: `list(jobs)` in place of the distinct ones."""
    async with Account(lasting(20)) as account:
        [job] = await submit(account, 1)
        ended = await everyone(account.client.as_completed([job, job, job]))
    assert ended == [job]


async def test_no_handles_are_over_at_once() -> None:
    async with Account() as account:
        assert await everyone(account.client.as_completed([])) == []
        assert account.service.now == 0


async def test_a_job_that_is_known_to_be_over_is_not_asked_again() -> None:
    async with Account(lasting(20)) as account:
        [job] = await submit(account, 1)
        await job.wait_until_terminal()
        before = len(account.service.requests)
        assert await everyone(account.client.as_completed([job])) == [job]
        assert len(account.service.requests) == before


async def test_handles_may_come_from_a_generator() -> None:
    async with Account(lasting(20)) as account:
        jobs = await submit(account, 3)
        ended = await everyone(account.client.as_completed(job for job in jobs))
    assert set(ended) == set(jobs)


async def test_what_is_no_handle_is_refused_before_anything_is_asked() -> None:
    async with Account() as account:
        [job] = await submit(account, 1)
        with pytest.raises(ConfigurationError, match="handles"):
            account.client.as_completed(cast("list[BulkJob]", [job, job.id]))
        assert account.seen("read") == []


async def test_a_cancelled_anext_can_be_made_again() -> None:
    """Caught: the count of those left taken down before the handle is there."""
    async with Account(lasting(60), lasting(90)) as account:
        jobs = await submit(account, 2)
        async with account.client.as_completed(jobs) as ended:
            with anyio.move_on_after(10) as scope:
                await anext(ended)
            assert scope.cancelled_caught
            assert [job async for job in ended] == jobs


async def test_a_handle_somebody_else_waits_for_is_asked_once() -> None:
    async with Account(lasting(60)) as account:
        [job] = await submit(account, 1)
        alone = asyncio.create_task(job.wait_until_terminal())
        await everyone(account.client.as_completed([job]))
        await alone
        reads = account.seen("read")
    assert len({seen.time for seen in reads}) == len(reads)


async def test_a_client_that_is_closed_meanwhile_keeps_nobody_waiting() -> None:
    """Caught: the closing ends the waits, and none of them hands its job out."""
    async with Account(lasting(6000)) as account:
        jobs = await submit(account, 2)
        reader = asyncio.create_task(everyone(account.client.as_completed(jobs)))
        await anyio.sleep(30)
        await account.client.aclose()
        with pytest.raises(ConfigurationError, match="closed"), anyio.fail_after(60):
            await reader


async def test_a_thousand_come_out_each_once() -> None:
    def ends_at(job_id: str) -> float:
        return 5 + int(job_id) * 37 % 400

    def read(seen: Seen) -> WireReply:
        over = seen.at >= ends_at(seen.job_id)
        return job_reply("completed" if over else "running", job_id=seen.job_id)

    every = PollPolicy.fixed(20)
    async with connect(ScriptedTransport(read=read), polling=every) as client:
        jobs = [client.job(str(number)) for number in range(1000)]
        ended = await everyone(client.as_completed(jobs))
    assert len(ended) == 1000
    assert set(ended) == set(jobs)
    ends = [ends_at(job.id) for job in ended]
    assert all(b >= a - 20 for a, b in pairwise(ends))
