"""Whatever a transport does, its outcome is known: the first of the two seams.

Transports that raise what is not ours, at a moment when nothing was sent, when it is
not known, and when something was sent.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Any, cast

import pytest

from openfunnel_async import (
    ConfigurationError,
    OpenFunnel,
    OpenFunnelError,
    RateLimitedError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
    WireReply,
    WireRequest,
)
from openfunnel_async._protocol.endpoints import Endpoints, Kind
from openfunnel_async._protocol.retry_loop import Caller
from openfunnel_async._transport.wire import SecretText, SendProgress
from tests.support.scripted import JOB, KEY, job_reply, reply
from tests.unit.test_submit_call import SEARCH

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

ORIGIN = "https://api.example"
ENDPOINTS = Endpoints(ORIGIN)
Report = Callable[[SendProgress], object]


class ProxyError(Exception):
    """As python_socks has one."""


class SpeechlessError(Exception):
    """One whose text cannot be had."""

    def __str__(self) -> str:
        raise RecursionError


def nothing(_progress: SendProgress) -> None:
    """Report nothing, as most transports do."""


FOREIGN: list[Exception] = [
    RuntimeError("can't start new thread"),
    RuntimeError("Session is closed"),
    TypeError("object Mock can't be used in 'await' expression"),
    AttributeError("'NoneType' object has no attribute 'status'"),
    ProxyError("Host unreachable"),
    OSError(24, "Too many open files"),
    TimeoutError("read timed out"),
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    ExceptionGroup("several", [OSError(), ValueError()]),
    KeyError(5),
    AssertionError(),
    SpeechlessError("text"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    # An error of ours, but none that a transport may mean.
    RateLimitedError("too many", 429, None, 600.0),
]


class Raises:
    """Raises what it is given, after a report of how far it has come."""

    def __init__(self, outcome: object, report: Report = nothing) -> None:
        self.outcome = outcome
        self.report = report
        self.requests = 0

    async def send(self, request: WireRequest, /) -> WireReply:
        self.requests += 1
        await asyncio.sleep(0)
        self.report(request.progress)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return cast("WireReply", self.outcome)

    async def aclose(self) -> None:
        pass


def client_over(transport: Raises) -> OpenFunnel:
    retry = RetryPolicy(attempts=3)
    return OpenFunnel(KEY, base_url=ORIGIN, transport=transport, retry=retry)


@pytest.mark.parametrize("report", [nothing, SendProgress.sent])
@pytest.mark.parametrize("exc", FOREIGN, ids=repr)
async def test_a_submit_that_may_be_sent_is_unknown_and_not_sent_again(
    exc: Exception, report: Report
) -> None:
    """Caught: a foreign exception that passes through; an unreported one repeated."""
    transport = Raises(exc, report)
    async with client_over(transport) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
    assert transport.requests == 1
    assert type(exc).__name__ in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("exc", FOREIGN, ids=repr)
async def test_a_submit_that_was_not_sent_is_sent_again(exc: Exception) -> None:
    transport = Raises(exc, SendProgress.waiting)
    async with client_over(transport) as client:
        with pytest.raises(TransportError) as caught:
            await client.submit(SEARCH)
    assert not caught.value.request_sent
    assert transport.requests == 3


@pytest.mark.parametrize("exc", FOREIGN, ids=repr)
async def test_a_read_and_a_cancel_are_repeated(exc: Exception) -> None:
    transport = Raises(exc)
    async with client_over(transport) as client:
        with pytest.raises(TransportError):
            await client.job(JOB).poll()
        assert transport.requests == 3
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).cancel(timeout=30)
    assert transport.requests > 6


async def test_a_timeout_of_the_transports_own_is_not_taken_for_ours() -> None:
    """Caught: "no complete answer within 30 s" after a millisecond."""
    async with client_over(Raises(TimeoutError("read timed out"))) as client:
        with pytest.raises(TransportError, match="TimeoutError: read timed out"):
            await client.job(JOB).poll()


@pytest.mark.parametrize(
    "outcome", [None, b"{}", {}, (200, {}, b""), WireReply], ids=repr
)
async def test_what_is_no_reply_is_no_answer(outcome: object) -> None:
    transport = Raises(outcome)
    async with client_over(transport) as client:
        with pytest.raises(SubmitOutcomeUnknownError, match="no WireReply"):
            await client.submit(SEARCH)
    assert transport.requests == 1


@pytest.mark.parametrize(
    "error", [ConfigurationError("the client is closed"), TransportError("no", True)]
)
async def test_what_a_transport_may_raise_is_raised_as_it_is(
    error: OpenFunnelError,
) -> None:
    async with client_over(Raises(error)) as client:
        with pytest.raises(type(error)) as caught:
            await client.job(JOB).poll()
    assert caught.value is error


class HollowError(TransportError):
    """An error of a user's transport that has none of the facts of its base."""

    def __init__(self) -> None:
        Exception.__init__(self, "it broke")


async def test_an_error_without_its_facts_is_one_like_any_foreign_exception() -> None:
    """Caught: an AttributeError in place of the id in the part of the answer."""

    class Breaks(Raises):
        async def send(self, request: WireRequest, /) -> WireReply:
            request.progress.sent()
            body = {"job_id": JOB, "status": "pending"}
            request.progress.partial = reply(202, body)
            return await super().send(request)

    async with client_over(Breaks(HollowError())) as client:
        with pytest.raises(SubmitOutcomeUnknownError, match="it broke") as caught:
            await client.submit(SEARCH)
        assert caught.value.job_id == JOB
        with pytest.raises(TransportError, match="it broke"):
            await client.job(JOB).poll()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_what_ends_the_program_is_not_held_up(kind: type[BaseException]) -> None:
    caller = caller_over(Raises(kind()))
    with pytest.raises(kind):
        await caller._once(ENDPOINTS.status(JOB), SendProgress())


def caller_over(transport: Raises) -> Caller:
    return Caller(transport, SecretText(KEY), RetryPolicy(), 30.0)


async def test_a_reader_that_fails_unforeseen_leaves_the_answer() -> None:
    """Caught: the id of a job lost to an exception while its answer is read."""

    def read(_reply: WireReply) -> Any:
        raise MemoryError

    call = ENDPOINTS.submit(SEARCH)._replace(read=read)
    answered = reply(202, {"job_id": JOB, "status": "pending"})
    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        await caller_over(Raises(answered))._once(call, SendProgress())
    assert (caught.value.accepted, caught.value.job_id) == (True, JOB)


async def test_a_reader_that_fails_on_purpose_is_believed() -> None:
    async with client_over(Raises(reply(429, {"detail": "slow down"}))) as client:
        with pytest.raises(RateLimitedError):
            await client.job(JOB).poll()


@pytest.mark.parametrize(
    "text",
    [
        f"headers: {{'x-api-key': '{KEY}'}}",
        "line\nline\x1b[31m\u202e",
        "x" * 100_000,
        r"\u006f\u0066" + KEY[2:],
    ],
)
async def test_the_message_is_one_bounded_line_without_the_key(text: str) -> None:
    """Caught: the text of a foreign exception as it is; its object as the cause."""
    async with client_over(Raises(RuntimeError(text, SecretText(KEY)))) as client:
        with pytest.raises(TransportError) as caught:
            await client.job(JOB).poll()
    shown = str(caught.value)
    assert shown.isprintable()
    assert len(shown) < 500
    assert KEY not in shown
    assert KEY[2:] not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    gc.collect()


async def test_each_kind_of_request_has_its_own_hundred() -> None:
    """Caught: one gate for all; a time limit that counts while a request waits."""
    began = list[Kind]()

    class Hangs(Raises):
        async def send(self, request: WireRequest, /) -> WireReply:
            began.append(Kind.READ if request.method == "GET" else Kind.CANCEL)
            await asyncio.sleep(29)
            return job_reply()

    caller = caller_over(Hangs(None))
    calls = [ENDPOINTS.status(JOB), ENDPOINTS.cancel(JOB)]
    async with asyncio.TaskGroup() as tasks:
        for _ in range(150):
            for call in calls:
                once = caller._once(cast("Any", call), SendProgress())
                tasks.create_task(once)
        await asyncio.sleep(1)
        counts = [began.count(kind) for kind in (Kind.READ, Kind.CANCEL)]
    # Those that waited took 58 s in all, and none of them was timed out.
    assert counts == [100, 100]
    assert len(began) == 300


async def test_a_custom_transport_that_reports_nothing_has_a_total_limit() -> None:
    class Slow(Raises):
        async def send(self, request: WireRequest, /) -> WireReply:
            for _ in range(10):
                await asyncio.sleep(5)
                self.report(request.progress)
            return job_reply()

    def kib(progress: SendProgress) -> None:
        progress.received(1024)

    read, cancel = ENDPOINTS.status(JOB), ENDPOINTS.cancel(JOB)
    with pytest.raises(TransportError, match="within 30 s"):
        await caller_over(Slow(None))._once(read, SendProgress())
    await caller_over(Slow(None, kib))._once(read, SendProgress())
    # Only reads: the answers to submits and cancels are small.
    with pytest.raises(TransportError, match="within 30 s"):
        await caller_over(Slow(None, kib))._once(cancel, SendProgress())
