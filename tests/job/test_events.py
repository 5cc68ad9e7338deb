"""What `on_event` and the logger receive, and that neither can break anything."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from openfunnel_async import (
    CancelAccepted,
    ConfigurationError,
    Event,
    JobChanged,
    JobSettled,
    JobStatus,
    JobSubmitted,
    LookalikeSearch,
    OpenFunnel,
    OutageBegan,
    OutageEnded,
    RateLimitedError,
    RequestFailed,
    RequestSent,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    SubmitOutcomeUnknownError,
    Throttled,
)
from openfunnel_async._protocol.event_emitter import EventEmitter
from tests.support.scripted import (
    JOB,
    KEY,
    ScriptedTransport,
    broken,
    cancel_reply,
    connect,
    job_reply,
    manifest,
    reply,
    row,
    submit_reply,
    unsent,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice ai", limit=250)
PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
CANCELLING, CANCELLED = JobStatus.CANCELLING, JobStatus.CANCELLED
DONE = job_reply("completed", rows=[row(1)], manifest=manifest(1))


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def of(kind: type[Event], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_job_reports_its_life_in_order() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(
        submit=[submit_reply()],
        read=[
            job_reply("running", processed=3),
            job_reply("running", processed=4),
            DONE,
        ],
    )
    async with connect(transport, on_event=events.append) as client:
        job = await client.submit(SEARCH)
        await job.wait_until_terminal()
        await job.poll()
    sent = {"method": "GET", "kind": "read", "attempt": 1}
    assert names(events) == [
        "RequestSent",
        "JobSubmitted",
        "RequestSent",
        "JobChanged",
        "RequestSent",
        "RequestSent",
        "JobChanged",
        "JobSettled",
        "RequestSent",
    ]
    assert {event.job_id for event in events[1:]} == {JOB}
    assert of(JobSubmitted, events)[0].limit == 250
    assert {**events[2].to_dict(), **sent} == events[2].to_dict()
    changes = [(e.before, e.status, e.processed) for e in of(JobChanged, events)]
    assert changes == [(PENDING, RUNNING, 3), (RUNNING, JobStatus.COMPLETED, None)]
    (settled,) = of(JobSettled, events)
    assert (settled.status, settled.delivered, settled.credits_consumed) == (
        JobStatus.COMPLETED,
        1,
        1,
    )


async def test_at_is_the_time_of_the_loop() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(submit=[submit_reply()], read=[DONE])
    async with connect(transport, on_event=events.append) as client:
        before = asyncio.get_running_loop().time()
        await (await client.submit(SEARCH)).wait_until_terminal()
        after = asyncio.get_running_loop().time()
    times = [event.at for event in events]
    assert times == sorted(times)
    assert before == times[0] < times[-1] == after


async def test_a_cancel_is_reported_once() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(
        cancel=[cancel_reply()],
        read=[job_reply("cancelled", manifest=manifest(0))],
    )
    async with connect(transport, on_event=events.append) as client:
        job = client.job(JOB)
        await job.cancel(wait=True)
        await job.cancel()
    assert names(events) == [
        "RequestSent",
        "CancelAccepted",
        "JobChanged",
        "RequestSent",
        "JobChanged",
        "JobSettled",
    ]
    assert cast("CancelAccepted", events[1]).status is CANCELLING
    changes = [(e.before, e.status) for e in of(JobChanged, events)]
    assert changes == [(JobStatus.UNKNOWN, CANCELLING), (CANCELLING, CANCELLED)]


async def test_failures_and_retries_of_one_call_are_counted() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(read=[reply(503), unsent("refused"), DONE])
    async with connect(transport, on_event=events.append) as client:
        await client.job(JOB).poll()
    assert names(events)[:7] == [
        "RequestSent",
        "RequestFailed",
        "RetryScheduled",
        "RequestSent",
        "RequestFailed",
        "RetryScheduled",
        "RequestSent",
    ]
    first, second = of(RequestFailed, events)
    assert (first.attempt, first.status_code, first.seconds) == (1, 503, 0.0)
    assert (second.attempt, second.status_code) == (2, None)
    assert "refused" in second.error
    assert [e.attempt for e in of(RequestSent, events)] == [1, 2, 3]
    assert all(e.seconds > 0 for e in of(RetryScheduled, events))


async def test_an_error_that_is_raised_is_a_failure_without_a_retry() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(submit=[broken("the line broke")])
    async with connect(transport, on_event=events.append) as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            await client.submit(SEARCH)
    assert names(events) == ["RequestSent", "RequestFailed"]
    assert "the line broke" in of(RequestFailed, events)[0].error


async def test_a_429_is_a_pause_and_a_retry() -> None:
    events: list[Event] = []
    limited = reply(429, {"detail": "slow"}, {"retry-after": "7"})
    transport = ScriptedTransport(submit=[limited, submit_reply()])
    async with connect(transport, on_event=events.append) as client:
        await client.submit(SEARCH)
        await asyncio.sleep(0)
    throttled = of(Throttled, events)
    assert {event.kind for event in throttled} == {"submit"}
    assert throttled[0].seconds == 7
    assert of(RetryScheduled, events)[0].seconds >= 7
    assert names(events)[-2:] == ["RequestSent", "JobSubmitted"]


async def test_a_submit_that_waits_for_the_refusal_of_another_is_a_pause() -> None:
    events: list[Event] = []
    limited = reply(429, {"detail": "slow"}, {"retry-after": "7"})
    transport = ScriptedTransport(submit=[limited, submit_reply()])
    async with connect(transport, on_event=events.append) as client:
        first = asyncio.create_task(client.submit(SEARCH))
        await asyncio.sleep(1)
        events.clear()
        await client.submit(SEARCH)
        await first
    assert names(events)[0] == "Throttled"
    assert 5 < of(Throttled, events)[0].seconds <= 6


async def test_an_outage_has_a_beginning_and_an_end() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(
        read=lambda seen: reply(503) if 0 < seen.at < 40 else _going_or_done(seen.at)
    )
    async with connect(transport, on_event=events.append) as client:
        await client.job(JOB).wait_until_terminal()
    (began,), (ended,) = of(OutageBegan, events), of(OutageEnded, events)
    assert (began.job_id, ended.job_id) == (JOB, JOB)
    assert "503" in began.error
    assert ended.has_recovered
    assert ended.seconds == ended.at - began.at > 30


async def test_an_outage_that_is_raised_ends_without_an_answer() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(read=[reply(503)])
    async with connect(transport, on_event=events.append) as client:
        with pytest.raises(ServerError):
            await client.job(JOB).wait_until_terminal()
    (ended,) = of(OutageEnded, events)
    assert len(of(OutageBegan, events)) == 1
    assert not ended.has_recovered
    assert ended.seconds >= RetryPolicy().outage


async def test_an_outage_whose_wait_is_cancelled_ends_without_an_answer() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(read=[reply(503)])
    async with connect(transport, on_event=events.append) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await client.job(JOB).wait_until_terminal()
    assert [e.has_recovered for e in of(OutageEnded, events)] == [False]


async def test_a_job_that_is_not_visible_yet_is_read_again() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(
        submit=[submit_reply()], read=[reply(404, {"detail": "Job not found"}), DONE]
    )
    async with connect(transport, on_event=events.append) as client:
        await (await client.submit(SEARCH)).poll()
    assert names(events)[2:6] == [
        "RequestSent",
        "RequestFailed",
        "RetryScheduled",
        "RequestSent",
    ]


async def test_a_refusal_is_no_outage() -> None:
    events: list[Event] = []
    transport = ScriptedTransport(read=[reply(401, {"detail": "no"})])
    async with connect(transport, on_event=events.append) as client:
        with pytest.raises(Exception, match="401"):
            await client.job(JOB).wait_until_terminal()
    assert names(events) == ["RequestSent", "RequestFailed"]


def _going_or_done(at: float) -> Any:
    return DONE if at else job_reply("running")


RAISED: list[Callable[[], BaseException]] = [
    lambda: ValueError("broken callback"),
    asyncio.CancelledError,
    GeneratorExit,
    lambda: BaseException("odd"),
]


@pytest.mark.parametrize("make", RAISED)
async def test_what_a_callback_raises_breaks_nothing_and_is_logged_once(
    make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: an event of a submit that costs the id of its job."""

    def fail(_event: Event) -> None:
        raise make()

    transport = ScriptedTransport(
        submit=[reply(429), submit_reply()],
        read=[reply(503), job_reply("running"), DONE],
        cancel=[cancel_reply()],
    )
    with caplog.at_level(logging.WARNING, "openfunnel_async"):
        async with connect(transport, on_event=fail) as client:
            job = await client.submit(SEARCH)
            await job.cancel(wait=True)
    assert job.id == JOB
    assert job.is_terminal
    assert len(caplog.records) == 1
    assert "receiver of events failed" in caplog.text


async def test_a_handler_of_the_log_that_raises_breaks_nothing() -> None:
    """Caught: an INFO record of a submit that costs the id of its job."""
    events: list[Event] = []

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise asyncio.CancelledError(record.msg)

    logger, handler = logging.getLogger("openfunnel_async"), Failing()
    transport = ScriptedTransport(submit=[submit_reply()], read=[DONE])
    logger.addHandler(handler)
    level, before = logging.DEBUG, logger.level
    logger.setLevel(level)
    try:
        async with connect(transport, on_event=events.append) as client:
            job = await client.submit(SEARCH)
            await job.wait_until_terminal()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert names(events)[-1] == "JobSettled"


async def test_an_event_that_cannot_be_built_breaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: an event built outside of the guard."""
    events: list[Event] = []
    EventEmitter(events.append).emit("JobSubmitted", JOB, no_such_fact=1)
    assert events == []
    assert "failed with a JobSubmitted" in caplog.text


async def test_a_callback_that_is_a_coroutine_by_accident_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def later(_event: Event) -> None:
        """Never awaited."""

    def hidden(event: Event) -> object:
        return later(event)

    transport = ScriptedTransport(read=[DONE])
    async with connect(transport, on_event=hidden) as client:
        await client.job(JOB).poll()
    assert "must be a plain function" in caplog.text


async def test_only_a_plain_function_is_a_callback() -> None:
    async def later(_event: Event) -> None:
        """Never awaited."""

    for wrong in (later, "events", 3):
        with pytest.raises(ConfigurationError, match="on_event must be"):
            OpenFunnel(KEY, on_event=cast("Any", wrong))


async def test_the_logger_writes_the_same_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[Event] = []
    transport = ScriptedTransport(
        submit=[reply(429), submit_reply()],
        read=[reply(503), job_reply("running"), DONE],
        cancel=[cancel_reply()],
    )
    with caplog.at_level(logging.DEBUG, "openfunnel_async"):
        async with connect(transport, on_event=events.append) as client:
            job = await client.submit(SEARCH)
            await job.cancel()
            await job.wait_until_terminal()
    assert [r.getMessage() for r in caplog.records] == [str(e) for e in events]
    at_info = [r.getMessage().split()[0] for r in caplog.records if r.levelno >= 20]
    assert at_info == [
        "JobSubmitted",
        "CancelAccepted",
        "OutageBegan",
        "OutageEnded",
        "JobSettled",
    ]
    assert {r.levelno for r in caplog.records} == {logging.INFO, logging.DEBUG}
    assert KEY not in caplog.text


async def test_no_event_has_the_key_or_a_row(caplog: pytest.LogCaptureFixture) -> None:
    """Caught: an error's text that quotes an answer with the key in it."""
    events: list[Event] = []
    transport = ScriptedTransport(
        submit=[submit_reply()],
        read=[
            reply(500, {"detail": f"your key {KEY} is odd"}),
            job_reply("running", rows=[row(1)], progress_message=KEY),
            DONE,
        ],
    )
    with caplog.at_level(logging.DEBUG, "openfunnel_async"):
        async with connect(transport, on_event=events.append) as client:
            await (await client.submit(SEARCH)).result(timeout=None)
    text = "\n".join([*map(repr, events), *(e.to_json() for e in events), caplog.text])
    assert KEY not in text
    assert "Company 1" not in text


async def test_a_withdrawn_request_is_no_retry() -> None:
    events: list[Event] = []
    limited = reply(429, {"detail": "slow"}, {"retry-after": "3000"})
    transport = ScriptedTransport(submit=[limited])
    async with connect(transport, on_event=events.append) as client:
        with pytest.raises(RateLimitedError):
            await client.submit(SEARCH)
    assert names(events) == ["RequestSent", "RequestFailed"]
