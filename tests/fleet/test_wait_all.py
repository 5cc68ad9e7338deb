"""A value for every id: how it ended, or why that is not known."""

import asyncio
from typing import cast

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    ConfigurationError,
    JobNotFoundError,
    JobSnapshot,
    JobStatus,
    OpenFunnelError,
    TransportError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import StatusFault
from tests.fleet.account import Account, lasting, search
from tests.support.sandbox_transport import Fate
from tests.support.scripted import ScriptedTransport, broken, connect

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


def named(outcome: JobSnapshot | OpenFunnelError) -> str:
    if isinstance(outcome, JobSnapshot):
        return outcome.status.value
    return type(outcome).__name__


async def test_every_id_has_its_value() -> None:
    """Caught: only those that ended well."""
    lives = [lasting(20), lasting(30, ends="failed"), lasting(600), lasting(9000)]
    async with Account(*lives) as account:
        jobs = [await account.client.submit(search(number)) for number in range(4)]
        await jobs[2].cancel()
        jobs.append(account.client.job("no-such-job"))
        outcomes = await account.client.wait_all(jobs, timeout=60)
    assert [job.id for job in jobs] == list(outcomes)
    assert [named(outcome) for outcome in outcomes.values()] == [
        "completed",
        "failed",
        "cancelled",
        "WaitTimeoutError",
        "JobNotFoundError",
    ]


async def test_a_job_that_has_ended_well_shows_its_bill() -> None:
    async with Account(lasting(20, rows=7)) as account:
        job = await account.client.submit(search())
        outcomes = await account.client.wait_all([job])
    ended = outcomes[job.id]
    assert isinstance(ended, JobSnapshot)
    assert ended.manifest is not None
    assert ended.manifest.credits_consumed == 7


async def test_a_time_out_names_those_still_going() -> None:
    """Caught: a time-out raised for all of them."""
    async with Account(lasting(20), lasting(9000)) as account:
        jobs = [await account.client.submit(search(number)) for number in range(5)]
        outcomes = await account.client.wait_all(jobs, timeout=60)
        late = [one for one in outcomes.values() if isinstance(one, WaitTimeoutError)]
        assert {one.job_id for one in late} == set(account.going())
        assert all(one.snapshot is not None for one in late)


async def test_an_outage_is_its_jobs_value() -> None:
    transport = ScriptedTransport(read=[broken()])
    async with connect(transport) as client:
        outcomes = await client.wait_all([client.job("a"), client.job("b")])
    assert [named(outcome) for outcome in outcomes.values()] == ["TransportError"] * 2
    assert all(isinstance(one, TransportError) for one in outcomes.values())


async def test_no_handles_are_no_values() -> None:
    async with Account() as account:
        assert await account.client.wait_all([]) == {}


async def test_a_handle_given_twice_is_one_value() -> None:
    async with Account(lasting(20)) as account:
        job = await account.client.submit(search())
        assert len(await account.client.wait_all([job, job])) == 1


async def test_somebody_elses_wait_does_not_take_a_value_away() -> None:
    """Caught: `job.error` read at the end, when another wait has reset it."""

    async def wait_again(job: BulkJob) -> None:
        while True:
            with pytest.raises(JobNotFoundError):
                await job.wait_until_terminal()

    async with Account(lasting(50), latency=(1,)) as account:
        job = await account.client.submit(search())
        gone = account.client.job("no-such-job")
        task = asyncio.create_task(wait_again(gone))
        outcomes = await account.client.wait_all([gone, job])
        task.cancel()
        await asyncio.wait([task])
    assert set(outcomes) == {gone.id, job.id}
    assert isinstance(outcomes[gone.id], JobNotFoundError)


async def test_what_one_handle_of_a_job_saw_stands_above_the_others_time_out() -> None:
    """Caught: the last handle of an id decides its value."""
    async with Account(lasting(20)) as account:
        job = await account.client.submit(search())
        await job.wait_until_terminal()
        account.transport.fates.extend([Fate.LOST] * 100)
        blind = account.client.job(job.id)
        outcomes = await account.client.wait_all([job, blind], timeout=10)
    assert named(outcomes[job.id]) == "completed"


async def test_faults_that_a_retry_cures_change_no_value() -> None:
    faults = [StatusFault(on="read", status=502, times=10)]
    async with Account(lasting(20), lasting(50), faults=faults) as account:
        jobs = [await account.client.submit(search(number)) for number in range(6)]
        outcomes = await account.client.wait_all(jobs)
    assert {named(outcome) for outcome in outcomes.values()} == {"completed"}
    assert len(outcomes) == 6


async def test_what_is_no_handle_is_refused() -> None:
    async with Account() as account:
        with pytest.raises(ConfigurationError, match="handles"):
            await account.client.wait_all(cast("list[BulkJob]", ["an-id"]))


async def test_the_values_come_when_the_last_has_ended() -> None:
    async with Account(lasting(20), lasting(90)) as account:
        jobs = [await account.client.submit(search(number)) for number in range(2)]
        await account.client.wait_all(jobs)
        assert 90 < account.service.now < 97
        assert all(job.status is JobStatus.COMPLETED for job in jobs)


async def test_all_wait_at_the_same_time() -> None:
    """Caught: a time-out for each in turn, so that two take twice as long."""
    async with Account(lasting(9000)) as account:
        jobs = [await account.client.submit(search(number)) for number in range(3)]
        with anyio.fail_after(61):
            await account.client.wait_all(jobs, timeout=60)


async def test_the_time_is_the_clients_unless_told_otherwise() -> None:
    async with Account(lasting(9000), wait_timeout=50) as account:
        job = await account.client.submit(search())
        outcomes = await account.client.wait_all([job])
        assert account.service.now == pytest.approx(50, abs=1)
    assert named(outcomes[job.id]) == "WaitTimeoutError"


async def test_a_client_that_is_closed_meanwhile_keeps_nobody_waiting() -> None:
    """Caught: what the closing cut off left out of the values."""
    async with Account(lasting(9000)) as account:
        jobs = [await account.client.submit(search(number)) for number in range(2)]
        waiter = asyncio.create_task(account.client.wait_all(jobs))
        await anyio.sleep(30)
        await account.client.aclose()
        with pytest.raises(ConfigurationError, match="closed"), anyio.fail_after(60):
            await waiter
