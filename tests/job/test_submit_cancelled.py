"""A caller who goes while a submit is under way leaves no job behind."""

import asyncio
import logging

import anyio
import pytest

from openfunnel_async import LookalikeSearch, OpenFunnel
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
    unsent,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice", limit=50)
SLOW = Later(submit_reply(), after=3)


async def submit_and_go(client: OpenFunnel, after: float, times: int = 1) -> None:
    """Cancel a submit `after` a number of seconds, and wait for its end."""
    task = asyncio.create_task(client.submit(SEARCH))
    for _ in range(times):
        await anyio.sleep(after)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_the_job_it_made_is_cancelled_before_the_caller_goes() -> None:
    """Caught: `submit` without its `except asyncio.CancelledError`."""
    transport = ScriptedTransport(submit=[SLOW], cancel=[cancel_reply()])
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert transport.times("cancel") == [3.0]
        assert client.orphans == ()
    assert transport.count("submit") == 1


async def test_an_anyio_scope_is_no_different() -> None:
    transport = ScriptedTransport(submit=[SLOW], cancel=[cancel_reply()])
    async with connect(transport) as client:
        with anyio.move_on_after(1) as scope:
            await client.submit(SEARCH)
        assert scope.cancelled_caught
        assert transport.count("cancel") == 1
        assert client.orphans == ()


async def test_a_second_cancellation_does_not_stop_the_rescue() -> None:
    """Caught: the rescue in the caller's own task, behind anyio's shield alone."""
    transport = ScriptedTransport(submit=[SLOW], cancel=[cancel_reply()])
    async with connect(transport) as client:
        await submit_and_go(client, after=1, times=2)
    assert transport.count("cancel") == 1
    assert client.orphans == ()


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_job_that_is_over_by_then_is_no_orphan(status: str) -> None:
    transport = ScriptedTransport(
        submit=[SLOW], cancel=[reply(409)], read=[job_reply(status)]
    )
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert client.orphans == ()


@pytest.mark.parametrize("step", [reply(503), reply(422), HANG])
async def test_an_id_that_could_not_be_cancelled_is_an_orphan(
    step: Later, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ScriptedTransport(submit=[SLOW], cancel=[step])
    async with connect(transport) as client:
        with caplog.at_level(logging.WARNING):
            await submit_and_go(client, after=1)
        assert client.orphans == (JOB,)
        assert transport.now < 3 + 10.5
    assert f"job {JOB} could not be cancelled" in caplog.text


async def test_nothing_is_sent_for_a_caller_who_went_before() -> None:
    transport = ScriptedTransport(submit=[Later(submit_reply(), connecting=5)])
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert transport.now == pytest.approx(1)
    assert (transport.seen, client.orphans) == ([], ())


async def test_nothing_is_sent_for_a_caller_who_went_at_once() -> None:
    transport = ScriptedTransport(submit=[submit_reply()])
    async with connect(transport) as client:
        task = asyncio.create_task(client.submit(SEARCH))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert transport.seen == []


async def test_nothing_is_sent_again_for_a_caller_who_went_between_two_tries() -> None:
    limited = reply(429, headers={"retry-after": "30"})
    transport = ScriptedTransport(submit=[limited, submit_reply()])
    async with connect(transport) as client:
        await submit_and_go(client, after=10)
        assert transport.now == pytest.approx(10)
    assert transport.count("submit") == 1


@pytest.mark.parametrize(
    "step", [reply(429), reply(429, headers={"retry-after": "1"}), unsent()]
)
async def test_an_answer_to_repeat_is_not_repeated_for_a_caller_who_went(
    step: Later,
) -> None:
    """Caught: a rescue that lets the retries run on, to a second billed POST."""
    transport = ScriptedTransport(
        submit=[Later(step, after=2), Later(submit_reply(), after=60)]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
    assert transport.count("submit") == 1


async def test_an_answer_that_never_comes_is_waited_for_five_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = ScriptedTransport(submit=[HANG])
    async with connect(transport) as client:
        with caplog.at_level(logging.WARNING):
            await submit_and_go(client, after=1)
        assert transport.now == pytest.approx(6)
        assert transport.in_flight == 0
    assert "may be billing up to 50 credits" in caplog.text


async def test_a_broken_acceptance_is_cancelled_by_its_id() -> None:
    cut = Later(reply(200, b'{"job_id": "job-9", '), after=2)
    transport = ScriptedTransport(submit=[cut], cancel=[cancel_reply("job-9")])
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert client.orphans == ()
    assert [seen.job_id for seen in transport.of("cancel")] == ["job-9"]


async def test_a_job_not_yet_visible_to_the_cancel_is_cancelled_all_the_same() -> None:
    cut = Later(reply(200, b'{"job_id": "job-1", '), after=2)
    transport = ScriptedTransport(submit=[cut], cancel=[reply(404), cancel_reply()])
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert client.orphans == ()


async def test_a_refusal_leaves_nothing_to_cancel() -> None:
    transport = ScriptedTransport(submit=[Later(reply(422), after=2)])
    async with connect(transport) as client:
        await submit_and_go(client, after=1)
        assert client.orphans == ()
    assert transport.count("cancel") == 0


async def test_closing_the_client_waits_for_the_rescue() -> None:
    transport = ScriptedTransport(submit=[SLOW], cancel=[cancel_reply()])
    client = connect(transport)
    await submit_and_go(client, after=0.5, times=2)
    assert transport.count("cancel") == 0
    await client.aclose()
    assert (transport.count("cancel"), transport.closings) == (1, 1)


async def test_a_cancelled_closing_still_closes() -> None:
    transport = ScriptedTransport(submit=[SLOW], cancel=[cancel_reply()])
    client = connect(transport)
    await submit_and_go(client, after=0.5, times=2)
    closing = asyncio.create_task(client.aclose())
    await anyio.sleep(0.5)
    closing.cancel()
    await asyncio.wait([closing])
    await anyio.sleep(10)
    assert (transport.count("cancel"), transport.closings) == (1, 1)
