"""The cells of the decision table that are about moments: waits, cancellations, 409."""

import asyncio
import logging
from typing import Literal

import anyio
import pytest

from openfunnel_async import (
    CancelReceipt,
    JobStatus,
    RateLimitedError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import (
    CompletesUnderCancel,
    EmptyAnswer,
    LostAnswer,
    ResetConnection,
    SlowAnswer,
    StatusFault,
    TrickledBody,
    VanishedJob,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.stage import Asked, Stage, Strike, fault, stage_for

pytestmark = pytest.mark.anyio


def _nothing_strikes(*_: object) -> None:
    """Let all go well."""


nothing_left = leftovers.nothing_young_left

A_LITTLE = fault(StatusFault, status=429, retry_after=9)
LONG = fault(StatusFault, status=429, retry_after=20)
KINDS = pytest.mark.parametrize("kind", ["submit", "cancel", "read"])


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


async def cancelled_once_sent(stage: Stage, kind: Asked) -> None:
    """Cancel a call when its request has arrived, and see the cancellation out."""
    asking = asyncio.create_task(stage.ask(kind))
    await stage.arrived()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@KINDS
async def test_a_retry_comes_not_before_its_retry_after(kind: Asked) -> None:
    """Caught: `max(pause, asked)` without the `asked`."""
    async with stage_for(A_LITTLE, kind, times=1) as stage:
        began = anyio.current_time()
        await stage.ask(kind)
        assert anyio.current_time() - began >= 9
        assert stage.requests == 2


async def test_a_retry_after_beyond_the_rest_of_a_wait_ends_it_at_once() -> None:
    async with stage_for(LONG, "read") as stage:
        with pytest.raises(RateLimitedError):
            await stage.client.job(stage.job_id).wait_until_terminal(timeout=15)
        assert stage.requests == 1


async def test_a_retry_after_beyond_the_rest_of_a_cancel_ends_it_at_once() -> None:
    async with stage_for(LONG, "cancel") as stage:
        with pytest.raises(RateLimitedError):
            await stage.client.job(stage.job_id).cancel(timeout=15)
        assert stage.requests == 1


@pytest.mark.parametrize("kind", ["cancel", "read"])
@pytest.mark.parametrize("page", ["json", "html", "text"])
async def test_a_404_of_a_job_that_was_read_is_an_outage(
    kind: Asked, page: Literal["json", "html", "text"]
) -> None:
    """Caught: a cancel that ends at the 404 of a gateway, or of a stale replica."""
    async with stage_for(_nothing_strikes, kind) as stage:
        await stage.client.job(stage.job_id).poll()
        stage.sandbox.requests.clear()
        stage.sandbox.faults.append(VanishedJob(on=kind, page=page))
        await stage.ask(kind)
        asked = [seen.status for seen in stage.sandbox.requests]
    assert asked == [404, 200]


async def test_a_cancel_that_no_answer_accepts_is_continued_after_its_time() -> None:
    """Caught: a cancel that is given up with its caller's time."""
    async with stage_for(fault(EmptyAnswer, status=204), "cancel") as stage:
        with pytest.raises(WaitTimeoutError):
            await stage.client.job(stage.job_id).cancel(timeout=9)
        assert stage.sandbox.jobs[stage.job_id].status == "running"
        stage.sandbox.faults.clear()
        await anyio.sleep(60)
        assert stage.sandbox.jobs[stage.job_id].status == "cancelling"
        assert stage.client.orphans == ()


async def test_a_job_whose_caller_has_gone_is_read_and_cancelled() -> None:
    """Caught: `submit` without its `except asyncio.CancelledError`."""
    async with stage_for(fault(SlowAnswer, delay=3), "submit") as stage:
        await cancelled_once_sent(stage, "submit")
        made = list(stage.sandbox.jobs.values())[1:]
        assert [job.status for job in made] == ["cancelling"]
        assert (stage.requests, stage.client.orphans) == (1, ())


async def test_a_job_that_cannot_be_cancelled_for_its_caller_is_an_orphan() -> None:
    async with stage_for(fault(SlowAnswer, delay=1), "submit") as stage:
        stage.sandbox.faults.append(StatusFault(on="cancel", times=50))
        await cancelled_once_sent(stage, "submit")
        assert stage.client.orphans == tuple(stage.sandbox.jobs)[1:]
        assert stage.requests == 1


@pytest.mark.parametrize(
    "strike",
    [
        fault(LostAnswer),
        fault(ResetConnection),
        fault(SlowAnswer, delay=1000),
        fault(TrickledBody, pause=1000),
        fault(StatusFault, processed=True),
    ],
    ids=["closed", "reset", "silent", "trickled", "503"],
)
async def test_a_job_that_may_be_there_when_its_caller_has_gone_is_logged(
    strike: Strike, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage_for(strike, "submit") as stage:
        with caplog.at_level(logging.WARNING, "openfunnel_async"):
            await cancelled_once_sent(stage, "submit")
        assert stage.requests == 1
    assert "may be billing up to 250 credits" in caplog.text


@pytest.mark.parametrize("kind", ["cancel", "read"])
async def test_a_caller_who_goes_takes_the_request_along(kind: Asked) -> None:
    async with stage_for(fault(SlowAnswer, delay=1000), kind) as stage:
        await cancelled_once_sent(stage, kind)
        assert stage.requests == 1


async def test_a_409_of_a_job_that_got_there_first_is_looked_into() -> None:
    """Caught: a status that is inferred from the 409, as cancelled."""
    async with stage_for(_nothing_strikes, "cancel") as stage:
        stage.sandbox.faults.append(CompletesUnderCancel())
        receipt = await stage.ask("cancel")
        asked = [(seen.kind, seen.status) for seen in stage.sandbox.requests]
    assert asked == [("cancel", 409), ("read", 200)]
    assert isinstance(receipt, CancelReceipt)
    assert (receipt.already_terminal, receipt.status) == (True, JobStatus.COMPLETED)


async def test_a_409_that_follows_a_lost_answer_is_looked_into() -> None:
    """The first cancel did it; the second is refused, and nothing is raised."""
    async with stage_for(fault(LostAnswer), "cancel", times=1) as stage:
        receipt = await stage.ask("cancel")
        asked = [(seen.kind, seen.status) for seen in stage.sandbox.requests]
    assert asked == [("cancel", 200), ("cancel", 409), ("read", 200)]
    assert isinstance(receipt, CancelReceipt)
    assert (receipt.accepted, receipt.already_terminal) == (True, False)
    assert receipt.status is JobStatus.CANCELLING


async def test_a_certain_refusal_of_a_lost_cancel_is_not_taken_for_an_answer() -> None:
    async with stage_for(fault(LostAnswer), "cancel") as stage:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await stage.ask("cancel")
        assert stage.client.job(stage.job_id).status is JobStatus.UNKNOWN
