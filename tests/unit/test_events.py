"""The values of events: their text, their form in JSON, their limits."""

import asyncio
import json
import pickle
from typing import get_args

import attrs
import pytest

from openfunnel_async import (
    CancelAccepted,
    Event,
    JobChanged,
    JobSettled,
    JobStatus,
    JobSubmitted,
    LookalikeSearch,
    OutageBegan,
    OutageEnded,
    RequestFailed,
    RequestSent,
    RetryScheduled,
    Throttled,
)
from openfunnel_async._protocol.event_emitter import EventName
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    cancel_reply,
    connect,
    submit_reply,
)

HUGE = "\x1b[2J\u202e" * 100_000
RUNNING, DONE = JobStatus.RUNNING, JobStatus.COMPLETED
EVENTS = [
    JobSubmitted(at=1.0, job_id="job-1", label="crm 7", limit=5),
    JobChanged(at=1.0, job_id="job-1", before=JobStatus.PENDING, status=RUNNING),
    JobSettled(at=1.0, job_id="job-1", status=DONE, credits_consumed=5.0, error=HUGE),
    CancelAccepted(at=1.0, job_id="job-1", status=JobStatus.CANCELLING),
    RequestSent(at=1.0, kind="read", method="GET", path="/api", attempt=1),
    RequestFailed(at=1.0, kind="read", attempt=1, seconds=0.5, error=HUGE),
    RetryScheduled(at=1.0, kind="read", seconds=0.5, error=HUGE),
    Throttled(at=1.0, kind="submit", seconds=7.0, error="HTTP 429"),
    OutageBegan(at=1.0, error=HUGE),
    OutageEnded(at=1.0, seconds=3.25, has_recovered=True),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_a_frozen_value_with_bounded_texts(event: Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 -- our own value
    assert type(event).__module__ == "openfunnel_async"
    assert len(repr(event)) <= 450
    assert len(str(event)) <= 450
    assert str(event).isprintable()
    assert str(event).startswith(type(event).__name__)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(event, "at", 2.0)  # noqa: B010 -- type checkers refuse the plain form
    form = json.loads(event.to_json())
    assert form == event.to_dict()
    assert list(form) == ["event", *attrs.fields_dict(type(event))]


def test_the_text_of_an_event_is_made_for_a_log() -> None:
    assert str(EVENTS[0]) == 'JobSubmitted job_id=job-1 label="crm 7" limit=5'
    assert str(EVENTS[1]) == "JobChanged job_id=job-1 before=pending status=running"
    assert str(EVENTS[9]) == "OutageEnded seconds=3.25 has_recovered=True"


def test_a_ctrl_c_in_a_callback_reaches_the_loop_and_not_the_submit() -> None:
    """Caught: a KeyboardInterrupt that is swallowed, or that costs the id.

    It ends the loop while the submit has a caller, so the job is cancelled.
    """
    transport = ScriptedTransport(submit=[submit_reply()], cancel=[cancel_reply()])

    def interrupt(event: Event) -> None:
        if isinstance(event, JobSubmitted):
            raise KeyboardInterrupt

    async def main() -> None:
        async with connect(transport, on_event=interrupt) as client:
            await client.submit(LookalikeSearch(query="ai"))

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert [seen.job_id for seen in transport.of("cancel")] == [JOB]


def test_the_names_of_events_are_those_of_their_classes() -> None:
    """Caught: an event that cannot be emitted, because its name is misspelt."""
    classes = {event_type.__name__ for event_type in Event.__subclasses__()}
    assert {*get_args(EventName)} == classes
