"""The key shows nowhere, whatever goes wrong: `Secret` says where is looked.

Each test runs with asyncio's debug mode on and every step of the loop logged, so
that the records hold the repr of each callback and task as well.
"""

import asyncio
import pickle
import warnings
from collections.abc import AsyncIterator

import pytest

from openfunnel_async import AiohttpTransport, OpenFunnel, OpenFunnelError
from openfunnel_async.sandbox import (
    JobLife,
    Sandbox,
    SlowAnswer,
    TrickledBody,
)
from tests.support import leftovers
from tests.support.figures import measured
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.leaks import Secret, behind
from tests.support.raw_server import refused_url
from tests.support.stage import SEARCH, Asked, Stage, Strike, fault, stage_for
from tests.wire.test_decision_table import KINDS, TABLE

pytestmark = pytest.mark.anyio


def _nothing_strikes(*_: object) -> None:
    """Let all go well."""


nothing_left = leftovers.nothing_young_left

FINISHED = JobLife(
    queue=0, processed_after=0, first_page_after=0, seconds_per_page=0, closing=0
)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


@pytest.fixture(autouse=True)
async def everything_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    slow = loop.slow_callback_duration
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    caplog.set_level("DEBUG")
    yield
    loop.set_debug(False)
    loop.slow_callback_duration = slow


async def leaks(stage: Stage, secret: Secret, kind: Asked) -> list[str]:
    try:
        answer = await stage.ask(kind)
    except OpenFunnelError as exc:
        return secret.leaks_of(exc)
    return [repr(each) for each in behind(answer) if secret.shows_in(repr(each))]


@pytest.mark.parametrize("strike", [row[0] for row in TABLE.values()], ids=TABLE)
async def test_no_fault_brings_it_to_light(
    strike: Strike, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: aiohttp's error as the cause; headers in a local; `str` for the key."""
    async with stage_for(strike, "any") as stage:
        secret = Secret(stage.sandbox.api_key)
        with warnings.catch_warnings(record=True, action="always") as warned:
            for kind in KINDS:
                assert await leaks(stage, secret, kind) == []
    assert len(caplog.records) > 50, "the loop did not log its steps"
    shown = secret.leaks_in(caplog.records)
    measured(f"{len(shown)} of {len(caplog.records):,} log records show the key")
    assert shown == []
    assert [warning for warning in warned if secret.shows_in(str(warning))] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_listening_does_not(
    kind: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage_for(_nothing_strikes, "any") as stage:
        secret = Secret(stage.sandbox.api_key)
        async with OpenFunnel(stage.sandbox.api_key, base_url=refused_url()) as client:
            stage.client = client
            assert await leaks(stage, secret, kind) == []
    assert secret.leaks_in(caplog.records) == []


@pytest.mark.parametrize(
    "strike",
    [fault(SlowAnswer, delay=1000), fault(TrickledBody, pause=1000)],
    ids=["head", "body"],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancellation_in_the_middle_does_not(
    strike: Strike, kind: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: `with_traceback(None)` left out, so that the frames go along."""
    async with stage_for(strike, "any") as stage:
        secret = Secret(stage.sandbox.api_key)
        asking = asyncio.create_task(stage.ask(kind))
        await stage.arrived()
        for _ in range(20):
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asking
    assert secret.leaks_of(caught.value) == []
    assert secret.leaks_in(caplog.records) == []


async def test_nothing_that_a_client_keeps_shows_it() -> None:
    """Caught: the key kept as plain text in the caller."""
    async with (
        Sandbox(speed=0, lives=[FINISHED]) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        secret = Secret(sandbox.api_key)
        job = await client.submit(SEARCH)
        async with job.rows() as rows:
            await anext(rows)
            held = [*behind(client), *behind(job), *behind(rows), AiohttpTransport()]
    assert len(held) > 30
    # As text the key is the key; its repr, and whatever holds it, tells nothing.
    shown = [repr(each) for each in held]
    shown += [str(each) for each in held if not isinstance(each, str)]
    assert [text for text in shown if secret.shows_in(text)] == []


async def test_no_checkpoint_and_no_result_holds_it() -> None:
    async with (
        Sandbox(speed=0, lives=[FINISHED]) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        secret = Secret(sandbox.api_key)
        job = await client.submit(SEARCH)
        result = await job.result()
        checkpoint = job.checkpoint()
    for value in (result, checkpoint, job.snapshot):
        assert not secret.shows_in(pickle.dumps(value).decode("latin-1"))
    assert not secret.shows_in(str(checkpoint))


@pytest.mark.parametrize("what", ["client", "job", "stream", "transport"])
async def test_what_holds_it_cannot_be_pickled(what: str) -> None:
    transport = AiohttpTransport()
    async with OpenFunnel("of_" + "0" * 64, transport=transport) as client:
        job = client.job("job-1")
        holders = {"client": client, "job": job, "stream": job.rows()}
        with pytest.raises(TypeError):
            pickle.dumps(holders.get(what, client._resources))
