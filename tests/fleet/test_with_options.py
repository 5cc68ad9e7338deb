"""`client.with_options()`: other options over the same connections and limits."""

import asyncio
import traceback
from typing import Any, cast

import pytest

from openfunnel_async import (
    ConfigurationError,
    Event,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    ServerError,
    WaitTimeoutError,
)
from openfunnel_async._client.options import HandleOptions
from tests.support.scripted import (
    JOB,
    KEY,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice ai", limit=250)
RUNNING = job_reply("running")
SHARED = ("api_key", "base_url", "transport", "max_polls_per_second", "retry")


def widened(client: OpenFunnel, **options: Any) -> OpenFunnel:
    """Call it as a program without type checks does."""
    return client.with_options(**cast("HandleOptions", options))


async def test_a_wait_uses_the_options_of_the_client_that_made_its_handle() -> None:
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(transport, polling=PollPolicy.fixed(1)) as client:
        slow = client.with_options(polling=PollPolicy.fixed(5), wait_timeout=20)
        with pytest.raises(WaitTimeoutError, match="after 20 s"):
            await slow.job(JOB).wait_until_terminal()
        assert transport.times("read") == pytest.approx([0, 5, 10, 15])
        with pytest.raises(WaitTimeoutError, match="after 3 s"):
            await client.job(JOB).wait_until_terminal(timeout=3)
        assert transport.times("read")[4:] == pytest.approx([20, 21, 22])


async def test_options_that_are_not_given_stay() -> None:
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(transport, wait_timeout=7) as client:
        again = client.with_options(label="a").with_options(read_ahead=1)
        with pytest.raises(WaitTimeoutError, match="after 7 s"):
            await again.job(JOB).wait_until_terminal()


async def test_events_carry_the_label_of_the_client_that_caused_them() -> None:
    events: list[Event] = []
    others: list[Event] = []
    transport = ScriptedTransport(
        submit=[submit_reply()], read=[job_reply("completed")]
    )
    async with connect(transport, on_event=events.append) as client:
        labelled = client.with_options(label="crm-7")
        await (await labelled.submit(SEARCH)).wait_until_terminal()
        assert {event.label for event in events} == {"crm-7"}
        events.clear()
        await client.job(JOB).poll()
        assert {event.label for event in events} == {None}
        events.clear()
        await client.with_options(on_event=others.append).job(JOB).poll()
        await labelled.with_options(on_event=None).job(JOB).poll()
    assert events == []
    assert others


async def test_the_limits_are_shared() -> None:
    """Caught: a second poll limiter, a second allowance of retries."""
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(
        transport, polling=PollPolicy.fixed(0.1), max_polls_per_second=1
    ) as client:
        other = client.with_options(wait_timeout=30)

        async def wait(job: Any) -> None:
            with pytest.raises(WaitTimeoutError):
                await job.wait_until_terminal(timeout=30)

        await asyncio.gather(wait(client.job(JOB)), wait(other.job(JOB)))
    assert transport.count("read") <= 32


async def test_a_429_delays_the_submits_of_both() -> None:
    limited = reply(429, {"detail": "slow"}, {"retry-after": "7"})
    transport = ScriptedTransport(submit=[limited, submit_reply()])
    async with connect(transport) as client:
        first = asyncio.create_task(client.submit(SEARCH))
        await asyncio.sleep(1)
        await client.with_options(label="other").submit(SEARCH)
        await first
    assert min(transport.times("submit")[1:]) >= 7


async def test_the_retry_allowance_is_shared() -> None:
    transport = ScriptedTransport(read=[reply(503)])
    async with connect(transport) as client:
        other = client.with_options(wait_timeout=1)
        for at in range(12):
            with pytest.raises(ServerError):
                await (client, other)[at % 2].job(JOB).poll()
    # Twelve first tries and twenty retries.
    assert transport.count("read") == 32


async def test_a_job_that_one_has_read_is_known_to_both() -> None:
    transport = ScriptedTransport(
        read=lambda seen: reply(404) if 1 < seen.at < 60 else RUNNING
    )
    async with connect(transport) as client:
        await client.job(JOB).poll()
        await asyncio.sleep(2)
        with pytest.raises(WaitTimeoutError):
            await client.with_options().job(JOB).wait_until_terminal(timeout=90)
    assert transport.times("read")[-1] > 60


async def test_to_close_the_other_closes_nothing() -> None:
    transport = ScriptedTransport(read=[RUNNING])
    async with connect(transport) as client:
        async with client.with_options(label="a") as other:
            await other.job(JOB).poll()
        await other.aclose()
        assert transport.closings == 0
        await client.job(JOB).poll()
    assert transport.closings == 1


async def test_to_close_the_first_closes_both() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], cancel=[cancel_reply()], read=[RUNNING]
    )
    client = connect(transport)
    other = client.with_options(label="a")
    await other.submit(SEARCH)
    await client.aclose()
    await other.aclose()
    assert transport.closings == 1
    with pytest.raises(ConfigurationError, match="closed"):
        await other.wait_all([other.job(JOB)])


async def test_orphans_are_those_of_both() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], cancel=[reply(503)], read=[RUNNING]
    )
    async with connect(transport) as client:
        other = client.with_options(label="a")
        with pytest.raises(ZeroDivisionError):
            async with other.running(SEARCH):
                raise ZeroDivisionError
        assert client.orphans == other.orphans == (JOB,)


@pytest.mark.parametrize("name", [*SHARED, "request_timeout", "pollling"])
async def test_an_option_of_what_is_shared_is_refused(name: str) -> None:
    async with connect(ScriptedTransport()) as client:
        with pytest.raises(ConfigurationError, match=f"cannot change {name}: .*share"):
            widened(client, **{name: None})


async def test_a_key_that_is_refused_is_in_no_frame() -> None:
    secret = "of_" + "d00d" * 16
    async with connect(ScriptedTransport()) as client:
        with pytest.raises(ConfigurationError) as caught:
            client.with_options(**cast("Any", {"api_key": secret}))
        report = traceback.TracebackException.from_exception(
            caught.value, capture_locals=True
        )
        # The first frame is the one of this test, which has the key in a local.
        frames = [frame.locals for frame in report.stack[1:]]
        assert len(frames) >= 2
        assert secret not in str(frames)
        assert KEY not in str(frames)


@pytest.mark.parametrize(
    "option",
    [
        {"wait_timeout": -1},
        {"read_ahead": 0},
        {"label": 3},
        {"label": " "},
        {"on_event": "x"},
    ],
)
async def test_a_wrong_option_is_refused(option: dict[str, object]) -> None:
    async with connect(ScriptedTransport()) as client:
        with pytest.raises(ConfigurationError):
            widened(client, **option)


async def test_a_subclass_stays_one() -> None:
    class Own(OpenFunnel):
        team = "a"

    client = Own(KEY, transport=ScriptedTransport())
    client.team = "b"
    other = client.with_options(wait_timeout=None)
    assert type(other) is Own
    assert other.team == "b"
    await client.aclose()
