"""What several callers share runs in the context of none of them."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import anyio
import pytest

from openfunnel_async import (
    BulkJob,
    LookalikeSearch,
    OpenFunnelError,
    PollPolicy,
    RateLimitedError,
    WireReply,
    WireRequest,
)
from tests.job.streams import names, numbered, page
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

TRACE = contextvars.ContextVar("TRACE", default="nobody's")


class TracedTransport(ScriptedTransport):
    """Note in whose context each request is sent."""

    traces: list[str]

    async def send(self, request: WireRequest, /) -> WireReply:
        self.__dict__.setdefault("traces", []).append(TRACE.get())
        return await super().send(request)


async def traced(name: str, work: Callable[[], Awaitable[object]]) -> object:
    TRACE.set(name)
    return await work()


async def both(
    first: Callable[[], Awaitable[object]], then: Callable[[], Awaitable[object]]
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(traced("the first", first))
        group.create_task(traced("the second", then))


def growing(seen: Seen) -> WireReply:
    """Answer with a page that is whole after 20 seconds."""
    if seen.at < 20:
        return page(0, 0, 2, ends=True)
    return page(0, 0, 4, status="completed", ends=True, count=4)


async def test_a_poll_loop_is_nobodys() -> None:
    """Caught: a poll loop in the context of the first waiter."""
    transport = TracedTransport(read=growing)
    async with connect(transport) as client:
        job = client.job(JOB)
        await both(job.wait_until_terminal, job.wait_until_terminal)
    assert set(transport.traces) == {"nobody's"}


async def test_a_page_that_several_streams_read_again_is_nobodys() -> None:
    """Caught: a re-read in the context of the stream that was due first."""
    transport = TracedTransport(read=growing)
    async with connect(transport) as client:
        job = client.job(JOB)
        await both(lambda: names(job), lambda: names(job))
    # The first page of each stream is its own request.
    assert transport.traces[:2] == ["the first", "the second"]
    assert len(transport.traces) > 2
    assert set(transport.traces[2:]) == {"nobody's"}


async def test_a_shared_cancel_is_nobodys() -> None:
    transport = TracedTransport(cancel=[cancel_reply()])
    async with connect(transport) as client:
        job = client.job(JOB)
        await both(job.cancel, job.cancel)
    assert transport.traces == ["nobody's"]


async def test_what_is_read_ahead_is_nobodys() -> None:
    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000")[-4:])
        return job_reply(
            "completed",
            rows=rows(2 * number, 2 * number + 2),
            page=f"page_{number:04}",
            next_cursor=None if number == 3 else f"page_{number + 1:04}",
            manifest=manifest(8, pages=4),
        )

    transport = TracedTransport(read=read)
    async with connect(transport) as client:
        job = client.job(JOB)
        assert await traced("the first", lambda: names(job)) == numbered(8)
    assert transport.traces == ["the first", *["nobody's"] * 3]


async def test_a_request_of_ones_own_keeps_the_context() -> None:
    """Caught: everything run in an empty context; a submit is not shared."""
    transport = TracedTransport(
        submit=[submit_reply()], read=[page(0, 0, 2)], balance=[reply(200, {})]
    )
    async with connect(transport) as client:
        TRACE.set("mine")
        job = await client.submit(LookalikeSearch(query="voice"))
        await job.poll()
        await job.fetch_page()
    assert transport.traces == ["mine"] * 3


async def test_a_re_read_keeps_the_time_limit_of_its_caller() -> None:
    """Caught: a re-read in a task of its own, which knows no deadline."""
    busy = reply(429, {"detail": "slow down"}, {"retry-after": "50"})
    transport = ScriptedTransport(read=[page(0, 0, 2, ends=True), busy])
    async with connect(transport, polling=PollPolicy.fixed(1)) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.job(JOB).result(timeout=20)
        assert transport.now < 2
    assert len(caught.value.rows) == 2


@pytest.mark.parametrize("after", [0.5, 1.0, 1.01])
async def test_a_cancelled_re_read_ends_and_another_stream_takes_over(
    after: float,
) -> None:
    transport = ScriptedTransport(read=growing)

    async def leave(job: BulkJob) -> None:
        with anyio.move_on_after(after):
            await names(job)

    async with connect(transport, polling=PollPolicy.fixed(1)) as client:
        job = client.job(JOB)
        async with anyio.create_task_group() as group:
            group.start_soon(leave, job)
            assert await names(job) == numbered(4)


async def test_an_error_of_a_re_read_reaches_its_caller() -> None:
    transport = ScriptedTransport(read=[page(0, 0, 2, ends=True), reply(403)])
    async with connect(transport) as client:
        with pytest.raises(OpenFunnelError):
            await names(client.job(JOB))
