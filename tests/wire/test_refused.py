"""Nobody listens: nothing was sent, so even a submit is tried again.

The clock jumps through the pauses here, as no socket stays open.
"""

from itertools import pairwise

import aiohttp
import anyio
import pytest

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    RetryPolicy,
    TransportError,
)
from tests.support.raw_server import refused_url
from tests.wire.clients import JOB_ID, KEY, SEARCH, client_of

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    async with client_of(refused_url()) as client:
        for call in (client.submit(SEARCH), client.job(JOB_ID).poll()):
            with pytest.raises(TransportError) as caught:
                await call
            assert not caught.value.request_sent


async def test_a_submit_is_tried_again_while_nothing_was_sent() -> None:
    tries: list[float] = []

    async def on_connect(*_: object) -> None:
        tries.append(anyio.current_time())

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(on_connect)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = OpenFunnel(
            KEY,
            base_url=refused_url(),
            transport=AiohttpTransport(session=session),
            retry=RetryPolicy(attempts=4),
        )
        async with client:
            with pytest.raises(TransportError):
                await client.submit(SEARCH)
    assert len(tries) == 4
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert all(0.25 <= pause < 2.1 for pause in pauses)


async def test_the_error_does_not_carry_the_key() -> None:
    async with client_of(refused_url()) as client:
        with pytest.raises(TransportError) as caught:
            await client.job(JOB_ID).poll()
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
