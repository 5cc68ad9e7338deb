"""The poll loop of a handle: each caller gets its own end, and no request too many."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from openfunnel_async import (
    AuthenticationError,
    BulkJob,
    JobSnapshot,
    OpenFunnel,
    OpenFunnelError,
    PollPolicy,
    RateLimitedError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
    TransportError,
    WaitTimeoutError,
    WireReply,
    WireRequest,
)
from tests.job.streams import names, page
from tests.support.scripted import (
    HANG,
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    broken,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)


def two_pages(
    fault: WireReply | TransportError,
) -> Callable[[Seen], WireReply | TransportError]:
    """Answer with two pages of a job that ends after a minute; the second one fails."""

    def read(seen: Seen) -> WireReply | TransportError:
        if seen.cursor is not None:
            return page(1, 10, 12, ends=True) if seen.at < 5 else fault
        if seen.at < 5:
            return page(0, 0, 10)
        status = "completed" if seen.at > 60 else "running"
        return job_reply(
            status, page="page_0000", rows=rows(0, 10), next_cursor="page_0001"
        )

    return read


async def test_a_page_that_is_refused_does_not_end_a_wait() -> None:
    """Caught: the error of a page raised in those who wait for the status."""
    fault = reply(422, {"detail": "bad cursor"})
    transport = ScriptedTransport(read=two_pages(fault))
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        waited, read = await asyncio.gather(
            job.wait_until_terminal(), names(job), return_exceptions=True
        )
    assert isinstance(read, RequestRejectedError)
    assert isinstance(waited, JobSnapshot)
    assert transport.now < 80


@pytest.mark.parametrize("fault", [reply(504), broken()], ids=["504", "broken"])
async def test_a_page_that_fails_does_not_hold_up_a_wait(
    fault: WireReply | TransportError,
) -> None:
    """Caught: the end of the job reported after 120 s of a page's outage."""
    transport = ScriptedTransport(read=two_pages(fault))
    ended: dict[str, float] = {}

    async def note(name: str, work: Awaitable[object]) -> object:
        try:
            return await work
        finally:
            ended[name] = transport.now

    async with connect(transport, polling=PACE) as client:
        job, seen = client.job(JOB), list[JobSnapshot]()
        waiting = job.wait_until_terminal(on_progress=seen.append)
        waited, read = await asyncio.gather(
            note("wait", waiting), note("rows", names(job)), return_exceptions=True
        )
    assert isinstance(waited, JobSnapshot)
    assert 60 < ended["wait"] < 80
    assert isinstance(read, ServerError | TransportError)
    assert ended["rows"] > 120


async def test_a_wait_beside_a_failing_page_survives_an_outage_of_its_own() -> None:
    """Caught: one lost status after the page's outage, raised as if it had lasted."""
    lost = [False]

    def read(seen: Seen) -> WireReply | TransportError:
        if seen.cursor is not None:
            ends = page(1, 10, 12, ends=True)
            return ends if seen.at < 5 else reply(504)
        if seen.at < 5:
            return page(0, 0, 10)
        if 135 < seen.at < 160 and not lost[0]:
            lost[0] = True
            return reply(503)
        status = "completed" if seen.at > 200 else "running"
        return job_reply(status, page="page_0000", next_cursor="page_0001")

    transport = ScriptedTransport(read=read)
    retry = RetryPolicy(attempts=1)
    async with connect(transport, polling=PACE, retry=retry) as client:
        job = client.job(JOB)
        waited, failed = await asyncio.gather(
            job.wait_until_terminal(), names(job), return_exceptions=True
        )
    assert isinstance(failed, ServerError)
    assert lost == [True]
    assert isinstance(waited, JobSnapshot)


async def test_a_slow_status_is_no_part_of_the_outage_of_a_page() -> None:
    """Caught: a page given up after one failure and a slow answer about the job."""
    transport = ScriptedTransport(
        read=[
            page(0, 0, 10),
            page(1, 10, 12, ends=True),
            reply(504),
            Later(job_reply("running", page="page_0000"), after=20),
            page(1, 10, 12, status="completed", ends=True, count=12),
        ]
    )
    retry = RetryPolicy(outage=10)
    async with connect(transport, polling=PACE, retry=retry) as client:
        job = client.job(JOB)

        async def wait() -> JobSnapshot:
            await anyio.sleep(1)
            return await job.wait_until_terminal()

        found, _ = await asyncio.gather(names(job), wait())
    assert len(found) == 12


async def test_no_page_is_read_for_a_stream_that_was_left() -> None:
    """Caught: its page read on and on, and the wait ended by the page's outage."""
    transport = ScriptedTransport(read=two_pages(reply(504)))
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)

        async def read() -> None:
            with anyio.move_on_after(20):
                await names(job)

        waited, _ = await asyncio.gather(job.wait_until_terminal(), read())
    assert waited.is_terminal
    assert transport.now < 80
    late = [seen for seen in transport.of("read") if seen.cursor and seen.at > 20]
    assert late == []


async def test_a_stream_that_leaves_does_not_undercut_a_retry_after() -> None:
    """Caught: the pause of its page forgotten, and the status read at once."""
    limited = reply(429, {"detail": "slow down"}, {"retry-after": "30"})
    transport = ScriptedTransport(read=two_pages(limited))
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)

        async def read() -> None:
            with anyio.CancelScope() as scope:
                asyncio.get_running_loop().call_later(12, scope.cancel)
                await names(job)

        await asyncio.gather(job.wait_until_terminal(), read())
    times = transport.times("read")
    limited_at = next(at for at in times if at > 5)
    assert [at for at in times if limited_at < at < limited_at + 30] == []


async def test_a_wait_that_comes_later_does_not_undercut_a_retry_after() -> None:
    """Caught: the pause forgotten with the last caller who waited."""
    limited = reply(429, {"detail": "slow down"}, {"retry-after": "30"})
    transport = ScriptedTransport(read=[limited, job_reply("completed")])
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(1, scope.cancel)
            await job.wait_until_terminal()
        with pytest.raises(RateLimitedError):
            await job.wait_until_terminal(timeout=10)
        assert transport.now == pytest.approx(1)
        await job.wait_until_terminal()
    assert transport.times("read")[1] >= 30


async def test_each_of_several_waits_survives_an_outage_of_its_own() -> None:
    """Caught: waits that begin anew after an outage, and fail at once for ever."""
    transport = ScriptedTransport(read=[reply(503)])
    failed: list[float] = []

    async def wait(job: BulkJob) -> None:
        while transport.now < 300:
            with pytest.raises(ServerError):
                await job.wait_until_terminal()
            failed.append(transport.now)

    async with connect(transport) as client:
        job = client.job(JOB)
        await asyncio.gather(wait(job), wait(job))
    assert len(failed) == 6
    assert min(failed[2:]) > 230


async def test_a_wait_that_has_ended_leaves_its_outage_to_nobody() -> None:
    """Caught: a slow on_progress that hands its outage to the next wait."""

    def read(seen: Seen) -> WireReply:
        return job_reply("running", processed=1) if seen.at < 5 else reply(503)

    async def slow(_snapshot: JobSnapshot) -> None:
        await asyncio.sleep(200)

    transport = ScriptedTransport(read=read)
    async with connect(transport, polling=PollPolicy.fixed(2)) as client:
        job = client.job(JOB)
        first = asyncio.create_task(job.wait_until_terminal(on_progress=slow))
        await asyncio.sleep(150)
        with pytest.raises(ServerError):
            await job.wait_until_terminal()
        assert transport.now > 265
        with pytest.raises(ServerError):
            await first


async def test_several_callers_do_not_share_an_error() -> None:
    """Caught: the rows of one caller replaced on the error of another."""

    def read(seen: Seen) -> WireReply:
        return page(0, 0, 10, ends=True) if seen.at < 20 else reply(401)

    transport = ScriptedTransport(read=read)
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        result, taken, waited = await asyncio.gather(
            job.result(),
            job.take(5, where=lambda _row: False),
            job.wait_until_terminal(),
            return_exceptions=True,
        )
    errors = [result, taken, waited]
    assert all(isinstance(error, AuthenticationError) for error in errors)
    assert [len(getattr(error, "rows", ())) for error in errors] == [10, 0, 0]


async def test_a_wait_that_has_ended_well_stays_so() -> None:
    """Caught: the terminal answer of a poll replaced by a later failure."""
    transport = ScriptedTransport(
        read=[
            job_reply("running"),
            Later(reply(401), after=20),
            job_reply("completed", manifest=manifest(0)),
        ]
    )

    async def slow(snapshot: JobSnapshot) -> None:
        if snapshot.is_terminal:
            await asyncio.sleep(60)

    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        wait = asyncio.create_task(job.wait_until_terminal(on_progress=slow))
        await asyncio.sleep(15)
        await job.poll()
        assert (await wait).is_terminal


@pytest.mark.parametrize("name", ["poll", "fetch_page", "credit_balance", "rows"])
async def test_a_cancellation_that_is_pending_sends_nothing(name: str) -> None:
    """Caught: a Ctrl-C during computing that the next read swallows."""
    transport = ScriptedTransport(read=[job_reply("running")])
    async with connect(transport) as client:

        async def work() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await call(client, name)

        task = asyncio.create_task(work())
        await asyncio.wait([task], timeout=300)
        assert task.cancelled()
    assert transport.count("read") == transport.count("balance") == 0


def call(client: OpenFunnel, name: str) -> Awaitable[object]:
    job = client.job(JOB)
    if name == "rows":
        return anext(job.rows())
    owner = client if name == "credit_balance" else job
    made: Awaitable[object] = getattr(owner, name)()
    return made


class OddError(TransportError):
    """An error of a user's transport, which its arguments alone do not make."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"{host}:{port} {why}", True)
        self.port = port


class OddTransport(ScriptedTransport):
    async def send(self, request: WireRequest, /) -> WireReply:
        if request.method != "GET" or self.now > 5:
            raise OddError("gateway", 8080, "is closed")
        return await super().send(request)


async def test_an_error_of_a_users_transport_reaches_every_caller() -> None:
    """Caught: an error that cannot be copied, and callers who wait for ever."""
    transport = OddTransport(read=[job_reply("running")])
    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        errors = await asyncio.gather(
            job.wait_until_terminal(timeout=1000),
            job.wait_until_terminal(timeout=1000),
            return_exceptions=True,
        )
    assert [type(error) for error in errors] == [OddError, OddError]
    assert [getattr(error, "port", None) for error in errors] == [8080, 8080]
    assert all("gateway:8080 is closed" in str(error) for error in errors)
    assert errors[0] is not errors[1]


class RudeTransport(ScriptedTransport):
    """Turns a cancellation into an error of its own."""

    async def send(self, request: WireRequest, /) -> WireReply:
        try:
            return await super().send(request)
        except asyncio.CancelledError:
            raise OSError("connection aborted") from None


async def test_a_transport_that_hides_a_cancellation_holds_nobody_up() -> None:
    """Caught: waits and cancels that repeat a request which was cancelled."""
    transport = RudeTransport(read=[job_reply("running"), HANG], cancel=[HANG])
    async with connect(transport, polling=PollPolicy.fixed(2)) as client:
        job = client.job(JOB)
        with pytest.raises(WaitTimeoutError):
            await job.wait_until_terminal(timeout=10)
        assert transport.now == pytest.approx(10)
        poll = asyncio.create_task(job.poll())
        await asyncio.sleep(1)
        poll.cancel()
        await asyncio.wait([poll])
        assert poll.cancelled()
        with pytest.raises(OpenFunnelError):
            await job.cancel(timeout=5)
        assert transport.now < 20
