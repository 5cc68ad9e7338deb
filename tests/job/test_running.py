"""`running()`: a job that is cancelled when its block is left."""

import asyncio
import gc
from typing import Any, Literal

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    ConfigurationError,
    LookalikeSearch,
    OpenFunnel,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    WaitTimeoutError,
)
from tests.support.scripted import (
    HANG,
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

OnExit = Literal["cancel_on_error", "cancel", "leave"]
SEARCH = LookalikeSearch(query="voice", limit=50)


def scripted(**routes: Any) -> ScriptedTransport:
    return ScriptedTransport(
        **{"submit": [submit_reply()], "cancel": [cancel_reply()], **routes}
    )


async def fail_inside(client: OpenFunnel, on_exit: OnExit = "cancel_on_error") -> None:
    with pytest.raises(LookupError, match="inside"):
        async with client.running(SEARCH, on_exit=on_exit):
            raise LookupError("inside")


async def stay_inside(client: OpenFunnel, on_exit: OnExit = "cancel_on_error") -> None:
    async with client.running(SEARCH, on_exit=on_exit):
        await anyio.sleep(3600)


@pytest.mark.parametrize(
    ("on_exit", "cancels"), [("cancel_on_error", 0), ("cancel", 1), ("leave", 0)]
)
async def test_leaving_without_an_error(on_exit: OnExit, cancels: int) -> None:
    transport = scripted()
    async with connect(transport) as client:
        async with client.running(SEARCH, on_exit=on_exit) as job:
            assert (type(job), job.id) == (BulkJob, JOB)
        assert client.orphans == ()
    assert transport.count("cancel") == cancels


@pytest.mark.parametrize(
    ("on_exit", "cancels"), [("cancel_on_error", 1), ("cancel", 1), ("leave", 0)]
)
async def test_leaving_with_an_error(on_exit: OnExit, cancels: int) -> None:
    transport = scripted()
    async with connect(transport) as client:
        await fail_inside(client, on_exit)
        assert client.orphans == ()
    assert transport.count("cancel") == cancels


@pytest.mark.parametrize(
    ("on_exit", "cancels"), [("cancel_on_error", 1), ("cancel", 1), ("leave", 0)]
)
@pytest.mark.parametrize("times", [1, 2])
async def test_leaving_cancelled(on_exit: OnExit, cancels: int, times: int) -> None:
    """Caught: the cancel on the way out awaited without a task of its own."""
    transport = scripted(cancel=[Later(cancel_reply(), after=2)])
    async with connect(transport) as client:
        task = asyncio.create_task(stay_inside(client, on_exit))
        for _ in range(times):
            await anyio.sleep(1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert transport.count("cancel") == cancels
    assert client.orphans == ()


async def test_leaving_by_an_anyio_scope() -> None:
    transport = scripted(cancel=[Later(cancel_reply(), after=2)])
    async with connect(transport) as client:
        with anyio.move_on_after(1):
            await stay_inside(client)
        assert transport.now == pytest.approx(3)
    assert (transport.count("cancel"), client.orphans) == (1, ())


async def test_a_job_known_to_be_over_is_left_alone() -> None:
    transport = scripted(read=[job_reply("completed")])
    async with (
        connect(transport) as client,
        client.running(SEARCH, on_exit="cancel") as job,
    ):
        await job.wait_until_terminal()
    assert transport.count("cancel") == 0


async def test_a_cancel_that_fails_on_a_way_out_without_an_error_is_raised() -> None:
    async with connect(scripted(cancel=[reply(503)])) as client:
        with pytest.raises(WaitTimeoutError, match="while the client is open"):
            async with client.running(SEARCH, on_exit="cancel"):
                pass
        assert client.orphans == (JOB,)


async def test_a_cancel_that_fails_on_a_way_out_continues_in_the_background() -> None:
    """Caught: a cancel given up after the ten seconds, or after four tries."""
    transport = scripted(cancel=[*[reply(503)] * 20, cancel_reply()])
    async with connect(transport) as client:
        await fail_inside(client)
        assert transport.now == pytest.approx(10)
        assert client.orphans
        await anyio.sleep(200)
        assert client.orphans == ()


async def test_a_cancel_that_fails_does_not_hide_the_error_of_the_block() -> None:
    async with connect(scripted(cancel=[reply(503)])) as client:
        await fail_inside(client)
        assert client.orphans == (JOB,)


async def test_the_way_out_takes_ten_seconds_at_most() -> None:
    transport = scripted(cancel=[HANG])
    async with connect(transport) as client:
        with pytest.raises(WaitTimeoutError):
            async with client.running(SEARCH, on_exit="cancel"):
                pass
        assert transport.now == pytest.approx(10)
        assert client.orphans == (JOB,)


async def test_a_way_out_cut_off_by_a_closing_is_no_cancellation() -> None:
    """Caught: the end of the client's own task raised to a caller nobody cancelled."""
    transport = scripted(submit=[submit_reply(), HANG], cancel=[HANG])
    async with connect(transport) as client:

        async def leave_late() -> None:
            async with client.running(SEARCH, on_exit="cancel"):
                await anyio.sleep(15)

        leaving = asyncio.create_task(leave_late())
        await anyio.sleep(1)
        # Keeps the closing waiting for all of its twenty seconds.
        hanging = asyncio.create_task(client.submit(SEARCH))
        await anyio.sleep(1)
        await client.aclose()
        await asyncio.wait([leaving, hanging])
        assert isinstance(hanging.exception(), SubmitOutcomeUnknownError)
        assert not leaving.cancelled()
        with pytest.raises(OpenFunnelError, match="closed"):
            leaving.result()
        assert client.orphans == (JOB,)


async def test_another_policy_is_refused_before_anything_is_sent() -> None:
    transport, policy = scripted(), "never"
    options: dict[str, Any] = {"on_exit": policy}
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError, match="on_exit"):
            client.running(SEARCH, **options)
    assert transport.seen == []


async def test_a_refused_submit_is_raised_on_the_way_in() -> None:
    transport = scripted(submit=[reply(500)])
    async with connect(transport) as client:
        with pytest.raises(Exception, match="unknown"):
            await stay_inside(client)
    assert transport.count("cancel") == 0


async def test_a_block_that_was_never_left_cancels_nothing() -> None:
    """Caught: a job cancelled because only its handle was kept."""
    transport = scripted(read=[job_reply("running")])
    async with connect(transport) as client:
        job = await client.running(SEARCH).__aenter__()
        gc.collect()
        await anyio.sleep(60)
        assert transport.count("cancel") == 0
        assert not job.cancel_requested
