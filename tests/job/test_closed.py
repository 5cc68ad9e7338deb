"""A closed client sends nothing, also over a transport that does not mind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    LookalikeSearch,
    OpenFunnel,
    OpenFunnelError,
    TransportError,
)
from tests.support.scripted import (
    HANG,
    JOB,
    ScriptedTransport,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice", limit=50)
CALLS: dict[str, Callable[[OpenFunnel, BulkJob], Awaitable[object]]] = {
    "submit": lambda client, _job: client.submit(SEARCH),
    "balance": lambda client, _job: client.credit_balance(),
    "poll": lambda _client, job: job.poll(),
    "wait": lambda _client, job: job.wait_until_terminal(),
    "overdue": lambda _client, job: job.wait_until_terminal(
        timeout=0, on_timeout="cancel"
    ),
    "cancel": lambda _client, job: job.cancel(),
    "page": lambda _client, job: job.fetch_page(),
    "rows": lambda _client, job: anext(job.rows()),
    "take": lambda _client, job: job.take(1),
}


def scripted() -> ScriptedTransport:
    return ScriptedTransport(
        submit=[submit_reply()], read=[job_reply("running")], cancel=[cancel_reply()]
    )


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_nothing_is_sent(
    call: Callable[[OpenFunnel, BulkJob], Awaitable[object]],
) -> None:
    """Caught: a submit that a transport of the user's own carried all the same."""
    transport = scripted()
    async with connect(transport) as client:
        job = client.job(JOB)
    with pytest.raises(OpenFunnelError, match=r"client (is|was) closed"):
        await call(client, job)
    assert transport.seen == []


async def test_a_cancel_that_begins_too_late_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: a cancel in the background of a closed client, without an end."""
    transport = scripted()
    async with connect(transport) as client:
        job = client.job(JOB)
    with caplog.at_level(logging.WARNING):
        outcome = await client._background.cancel_in_background(job, None)
    assert "the client was closed; job job-1 may be running" in str(outcome)
    assert "could not be cancelled and may be billing" in caplog.text
    assert client.orphans == (JOB,)
    assert transport.seen == []


async def test_the_end_of_a_block_sends_no_cancel_once_the_client_is_closed() -> None:
    transport = scripted()
    client = connect(transport)
    with pytest.raises(OpenFunnelError, match="the client was closed"):
        async with client.running(SEARCH, on_exit="cancel"):
            await client.aclose()
    assert transport.count("cancel") == 0
    assert client.orphans == (JOB,)


async def test_a_submit_that_waits_after_a_429_is_not_sent_while_closing() -> None:
    """Caught: a job that begins after its client has begun to close."""
    limited = reply(429, {"detail": "slow down"}, {"retry-after": "5"})
    transport = ScriptedTransport(submit=[limited, submit_reply(), HANG])
    async with connect(transport) as client:
        waiting = asyncio.create_task(client.submit(SEARCH))
        await anyio.sleep(1)
    with pytest.raises(TransportError, match="nothing was sent") as caught:
        await waiting
    assert not caught.value.request_sent
    assert transport.count("submit") == 1
