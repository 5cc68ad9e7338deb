"""Take what is needed and stop the spend."""

import asyncio
from typing import Literal

import anyio
import pytest

from openfunnel_async import (
    AuthenticationError,
    CancelConflictError,
    Company,
    ConfigurationError,
    JobError,
    JobFailedError,
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    RequestRejectedError,
    WaitTimeoutError,
    WireReply,
)
from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.job.streams import numbered, page
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.scripted import (
    HANG,
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    Step,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)


def stoppable(delivered: int = 6, bill: int = 7) -> ScriptedTransport:
    """Script a running job that settles 15 s after a cancel, one row further on."""

    def read(seen: Seen) -> WireReply:
        cancels = transport.times("cancel")
        if cancels and seen.at >= cancels[0] + 15:
            stated = manifest(bill)
            return job_reply("cancelled", rows=rows(0, bill), manifest=stated)
        return page(0, 0, delivered, ends=True)

    transport = ScriptedTransport(read=read, cancel=[cancel_reply()])
    return transport


def is_even(company: Company) -> bool:
    return int((company.name or "").removeprefix("Company ")) % 2 == 0


def has_a_domain(company: Company) -> bool:
    return bool(company.domain)


def taken_names(taken: tuple[Company, ...]) -> list[str | None]:
    return [company.name for company in taken]


async def test_enough_rows_cancel_the_job_and_wait_for_the_settling() -> None:
    """Caught: a cancel that is not waited for: the receipt then had no bill."""
    transport = stoppable()
    async with connect(transport) as client:
        taken = await client.job(JOB, limit=100).take(4)
        assert 15 <= transport.now <= 22
    assert taken_names(taken.rows) == numbered(4)
    assert (taken.scanned, taken.status) == (4, JobStatus.CANCELLED)
    receipt = taken.receipt
    assert (receipt.accepted, receipt.already_terminal) == (True, False)
    assert (receipt.delivered, receipt.credits_consumed) == (7, 7)
    assert receipt.credits_avoided == 93
    assert transport.times("cancel") == [0.0]


async def test_only_rows_that_match_are_taken_and_all_are_counted() -> None:
    """Caught: `scanned` that counts the matches."""
    async with connect(stoppable()) as client:
        taken = await client.job(JOB).take(3, where=is_even)
    assert taken_names(taken.rows) == ["Company 0", "Company 2", "Company 4"]
    assert taken.scanned == 5


async def test_a_job_that_finished_first_loses_nothing() -> None:
    last = page(0, 0, 5, status="completed", ends=True, count=5)
    transport = ScriptedTransport(read=[last])
    async with connect(transport) as client:
        taken = await client.job(JOB, limit=5).take(9)
    assert taken_names(taken.rows) == numbered(5)
    assert (taken.scanned, taken.status) == (5, JobStatus.COMPLETED)
    assert (taken.receipt.accepted, taken.receipt.already_terminal) == (False, True)
    assert taken.receipt.credits_consumed == 5
    assert transport.count("cancel") == 0


async def test_a_job_that_finishes_under_the_cancel_is_told_by_the_receipt() -> None:
    transport = ScriptedTransport(
        read=[page(0, 0, 5, ends=True), job_reply("completed", manifest=manifest(5))],
        cancel=[reply(409)],
    )
    async with connect(transport) as client:
        taken = await client.job(JOB, limit=5).take(2)
    assert (len(taken.rows), taken.status) == (2, JobStatus.COMPLETED)
    assert taken.receipt.already_terminal
    assert taken.receipt.credits_avoided == 0


async def test_fewer_matches_than_wanted_are_the_result() -> None:
    last = page(0, 0, 5, status="completed", ends=True, count=5)
    async with connect(ScriptedTransport(read=[last])) as client:
        taken = await client.job(JOB).take(4, where=is_even)
    assert (len(taken.rows), taken.scanned) == (3, 5)


async def test_a_job_that_somebody_cancelled_gives_what_there_is() -> None:
    last = page(0, 0, 5, status="cancelled", ends=True, count=5)
    async with connect(ScriptedTransport(read=[last])) as client:
        taken = await client.job(JOB).take(9)
    assert (len(taken.rows), taken.status) == (5, JobStatus.CANCELLED)


async def test_a_job_that_failed_is_raised_with_the_matches() -> None:
    """Caught: the error raised as the stream raised it, without the rows."""
    last = job_reply("failed", rows=rows(0, 5), error_message="out of memory")
    transport = ScriptedTransport(read=[last])
    async with connect(transport) as client:
        with pytest.raises(JobFailedError, match="out of memory") as caught:
            await client.job(JOB).take(4, where=is_even)
    assert taken_names(caught.value.rows) == ["Company 0", "Company 2", "Company 4"]
    assert transport.count("cancel") == 0


async def test_enough_rows_of_a_failed_job_are_enough() -> None:
    last = job_reply("failed", rows=rows(0, 5), manifest=manifest(5))
    async with connect(ScriptedTransport(read=[last])) as client:
        taken = await client.job(JOB).take(2)
    assert (len(taken.rows), taken.status) == (2, JobStatus.FAILED)


async def test_what_where_raises_goes_through_and_leaves_the_job() -> None:
    def complain(_company: Company) -> bool:
        raise LookupError("mine")

    transport = stoppable()
    async with connect(transport) as client:
        with pytest.raises(LookupError, match="mine"):
            await client.job(JOB).take(1, where=complain)
    assert transport.count("cancel") == 0


async def test_a_timeout_keeps_the_matches_and_leaves_the_job() -> None:
    transport = stoppable()
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="it continues") as caught:
            await client.job(JOB).take(9, where=is_even, timeout=45)
        assert transport.now == pytest.approx(45)
    assert taken_names(caught.value.rows) == ["Company 0", "Company 2", "Company 4"]
    assert transport.count("cancel") == 0


async def test_a_timeout_while_it_settles_keeps_the_matches() -> None:
    transport = stoppable()
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError, match="was accepted, but after") as caught:
            await client.job(JOB).take(2, timeout=10)
        assert transport.now == pytest.approx(10)
    assert taken_names(caught.value.rows) == numbered(2)


async def test_the_timeout_is_the_total_of_reading_and_settling() -> None:
    """Caught: a second full time-out until the terminal status."""
    first, later = page(0, 0, 1, ends=True), page(0, 0, 4, ends=True)
    transport = ScriptedTransport(
        read=lambda seen: first if seen.at < 20 else later, cancel=[HANG]
    )
    async with connect(transport, polling=PACE) as client:
        with pytest.raises(WaitTimeoutError) as caught:
            await client.job(JOB).take(3, timeout=25)
        assert transport.now == pytest.approx(25)
    assert len(caught.value.rows) == 3


async def test_the_clients_timeout_is_the_default() -> None:
    transport = stoppable()
    async with connect(transport, wait_timeout=40) as client:
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).take(9)
        assert transport.now == pytest.approx(40)


async def test_a_cancel_that_is_refused_is_an_error_with_the_rows() -> None:
    """Caught: the cancel's own error let through: the paid rows were lost."""
    read = [page(0, 0, 4, ends=True)]
    transport = ScriptedTransport(read=read, cancel=[reply(422)])
    async with connect(transport) as client:
        with pytest.raises(JobError, match="may still be billing") as caught:
            await client.job(JOB).take(3)
    assert taken_names(caught.value.rows) == numbered(3)
    assert isinstance(caught.value.__cause__, RequestRejectedError)


@pytest.mark.parametrize("answer", [reply(503), reply(404, {"detail": "no"}), HANG])
async def test_a_cancel_that_is_not_accepted_continues_in_the_background(
    answer: Step,
) -> None:
    """Caught: `take` giving up its cancel after four tries; its rows lost."""
    read = [page(0, 0, 4, ends=True)]
    transport = ScriptedTransport(
        read=read, cancel=[answer, *[answer] * 7, cancel_reply()]
    )
    async with connect(transport, request_timeout=5) as client:
        with pytest.raises(
            WaitTimeoutError, match="while the client is open"
        ) as caught:
            await client.job(JOB).take(3)
        assert transport.now < 12
        assert client.orphans
        await anyio.sleep(120)
        assert not client.orphans
    assert taken_names(caught.value.rows) == numbered(3)
    assert transport.count("cancel") == 9


async def test_a_settling_that_cannot_be_seen_does_not_make_the_cancel_fail() -> None:
    """Caught: the cancel said to have failed although it was accepted."""
    transport = ScriptedTransport(
        read=[page(0, 0, 4, ends=True), reply(403)], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        with pytest.raises(JobError, match="cancel after them was accepted") as caught:
            await client.job(JOB).take(3)
    assert taken_names(caught.value.rows) == numbered(3)
    assert isinstance(caught.value.__cause__, AuthenticationError)


async def test_a_cancel_in_conflict_keeps_the_rows_too() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 4, ends=True)], cancel=[reply(409)])
    async with connect(transport) as client:
        with pytest.raises(CancelConflictError) as caught:
            await client.job(JOB).take(3)
    assert taken_names(caught.value.rows) == numbered(3)


@pytest.mark.parametrize("n", [0, -1, 1.0, True, "5", None])
async def test_what_is_no_number_of_rows_is_refused_at_once(n: int) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="n must be"):
            await client.job(JOB).take(n)
    assert transport.seen == []


async def test_a_cancelled_take_leaves_the_job() -> None:
    transport = stoppable()
    async with connect(transport) as client:
        job = client.job(JOB)
        task = asyncio.create_task(job.take(9))
        await anyio.sleep(30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not job.cancel_requested
    assert transport.count("cancel") == 0


async def test_a_take_cancelled_in_its_cancel_finishes_the_cancel() -> None:
    """Caught: the cancel of a job dropped with the task that awaited it."""
    transport = ScriptedTransport(
        read=[page(0, 0, 4, ends=True)], cancel=[Later(cancel_reply(), after=5)]
    )
    async with connect(transport) as client:
        task = asyncio.create_task(client.job(JOB).take(2))
        await anyio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.now == pytest.approx(2)
        await anyio.sleep(5)
        assert transport.in_flight == 0
        assert not client.orphans


@pytest.mark.parametrize("settle", [0.0, 2.0, 9.0, "next_page"])
@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("wanted", [1, 60, 150, 400])
async def test_the_bill_lies_between_what_was_scanned_and_the_limit(
    wanted: int, grows: bool, settle: float | Literal["next_page"]
) -> None:
    """Caught: a receipt whose bill is what was scanned."""
    unknowns = Unknowns(newest_page_grows=grows, settle=settle)
    clock = asyncio.get_running_loop().time
    service = Service(clock=clock, lives=[JobLife()], unknowns=unknowns)
    transport = SandboxTransport(service, latency=lambda: 0.1)
    async with OpenFunnel(
        service.api_key, base_url=ORIGIN, transport=transport
    ) as client:
        job = await client.submit(LookalikeSearch(query="voice ai", limit=300))
        taken = await job.take(wanted, where=has_a_domain)
    billed = service.ledger.credits_of(job.id)
    assert len(taken.rows) <= taken.scanned <= billed <= 300
    assert taken.receipt.credits_consumed == billed
    assert taken.receipt.credits_avoided == 300 - billed
    truth = service.jobs[job.id].rows[: taken.scanned]
    assert [company.linkedin_url for company in taken.rows] == [
        row["linkedin_url"] for row in truth if row["domain"]
    ]
