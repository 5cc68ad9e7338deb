"""Whatever happens once a submit may have been sent ends as a known outcome."""

import asyncio
import logging

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    LookalikeSearch,
    OpenFunnel,
    SubmitOutcomeUnknownError,
)
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


SEARCH = LookalikeSearch(query="voice", limit=50)
FOREIGN = [
    OSError(24, "Too many open files"),
    ImportError("the environment was replaced"),
    RuntimeError("can't start new thread"),
    MemoryError(),
    ExceptionGroup("several", [ValueError("one")]),
    MuteError("caused by code that is not ours"),
]


def fail_to_own(client: OpenFunnel, exception: Exception) -> None:
    """Let the first handle of a submit fail to be made."""
    handles = client._handles
    real = handles.submitted

    def submitted(*_args: object) -> BulkJob:
        handles.__dict__["submitted"] = real
        raise exception

    handles.__dict__["submitted"] = submitted


@pytest.mark.parametrize("exception", FOREIGN, ids=lambda exc: type(exc).__name__)
async def test_what_fails_after_the_answer_names_the_job(exception: Exception) -> None:
    """Caught: the seam in `_send` left out: a billing job, no handle, no orphan."""
    transport = ScriptedTransport(submit=[submit_reply()])
    async with connect(transport) as client:
        fail_to_own(client, exception)
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
    assert (caught.value.job_id, caught.value.accepted) == (JOB, True)
    assert caught.value.max_exposure == 50
    assert type(exception).__name__ in str(caught.value)
    assert transport.count("submit") == 1


async def test_for_a_cancelled_caller_the_job_is_cancelled_all_the_same() -> None:
    transport = ScriptedTransport(
        submit=[Later(submit_reply(), after=3)], cancel=[cancel_reply()]
    )
    async with connect(transport) as client:
        fail_to_own(client, FOREIGN[0])
        with anyio.move_on_after(1):
            await client.submit(SEARCH)
        assert transport.count("cancel") == 1
        assert client.orphans == ()


class _Raising(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ValueError(record.msg)


async def test_a_log_that_raises_does_not_stand_between_an_id_and_its_handle() -> None:
    """Caught: the larger limit logged before the handle is returned."""
    transport = ScriptedTransport(
        submit=[submit_reply(requested_limit=500)], read=[job_reply("completed")]
    )
    logger, raising = logging.getLogger("openfunnel_async"), _Raising()
    loop, reported = asyncio.get_running_loop(), list[object]()
    of_the_runner = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    logger.addFilter(raising)
    try:
        async with connect(transport) as client:
            job = await client.submit(SEARCH)
            await anyio.sleep(0.1)
    finally:
        logger.removeFilter(raising)
        loop.set_exception_handler(of_the_runner)
    assert len(reported) == 1
    assert (job.id, job.limit) == (JOB, 500)


async def test_a_pause_after_a_429_claims_no_billing_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: an exchange whose answer said that nothing happened counts as sent."""
    transport = ScriptedTransport(submit=[reply(429, headers={"retry-after": "30"})])
    client = connect(transport)
    with anyio.move_on_after(10):
        await client.submit(SEARCH)
    await client.aclose()
    assert "billing" not in caplog.text
