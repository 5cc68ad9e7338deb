"""The events of a client, which ``OpenFunnel(on_event=)`` and the logger receive."""

from typing import Any

import attrs

from openfunnel_async._text import brief, brief_repr, escaped
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.status import JobStatus

_LONGEST_TEXT = 300


@attrs.frozen(kw_only=True)
class Event(Value):
    """What all events have in common. No event has the key or rows.

    Attributes:
        at: When it happened: seconds of the event loop's monotonic clock
            (``loop.time()``), not of the calendar.
        job_id: The job; None where there is none or its id is not known.
        label: What ``OpenFunnel.with_options(label=)`` gave, else None.
    """

    __module__ = "openfunnel_async"

    at: float
    job_id: str | None = None
    label: str | None = None

    __repr__ = brief_repr

    def __str__(self) -> str:
        """Return one line for a log, without ``at``, which a log has itself."""
        names = [name for name in attrs.fields_dict(type(self)) if name != "at"]
        facts = ((name, getattr(self, name)) for name in names)
        shown = (f"{name}={_shown(fact)}" for name, fact in facts if fact is not None)
        return " ".join((type(self).__name__, *shown))

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the event as ``"event"``, and the fields."""
        # super() without arguments does not work in classes with slots before 3.14.
        return {"event": type(self).__name__, **Value.to_dict(self)}


@attrs.frozen(kw_only=True, repr=False)
class JobSubmitted(Event):
    """A submit was answered and its job exists; it bills what it delivers.

    Attributes:
        limit: The most rows that it may bill; None where that is not known.
    """

    __module__ = "openfunnel_async"

    limit: int | None = None


@attrs.frozen(kw_only=True, repr=False)
class JobChanged(Event):
    """The status of a handle changed.

    Attributes:
        before: The status before; ``unknown`` for a handle that had not polled.
        status: The status now.
        processed: Companies processed so far, where an answer stated it.
    """

    __module__ = "openfunnel_async"

    before: JobStatus
    status: JobStatus
    processed: int | None = None


@attrs.frozen(kw_only=True, repr=False)
class JobSettled(Event):
    """A handle read a terminal status for the first time.

    Attributes:
        status: Cancelled, completed or failed.
        delivered: Companies delivered; None where the answer did not state it.
        credits_consumed: The bill; None where the answer did not state it.
        error: The service's message about a failed job.
    """

    __module__ = "openfunnel_async"

    status: JobStatus
    delivered: int | None = None
    credits_consumed: float | None = None
    error: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class CancelAccepted(Event):
    """The service accepted a cancel; the job stops at its next checkpoint.

    Attributes:
        status: The status now.
    """

    __module__ = "openfunnel_async"

    status: JobStatus


@attrs.frozen(kw_only=True, repr=False)
class RequestSent(Event):
    """A request is given to the transport.

    Attributes:
        kind: ``"submit"``, ``"cancel"`` or ``"read"``.
        method: ``GET`` or ``POST``.
        path: The path of the request.
        attempt: 1 for the first time that this call sends it, then 2, 3, ...
    """

    __module__ = "openfunnel_async"

    kind: str
    method: str
    path: str
    attempt: int


@attrs.frozen(kw_only=True, repr=False)
class RequestFailed(Event):
    """A request failed, or its answer was an error; it may be sent again.

    Attributes:
        kind: ``"submit"``, ``"cancel"`` or ``"read"``.
        attempt: The attempt that failed.
        seconds: Seconds from ``RequestSent`` to the failure; None if it was not sent.
        error: The text of the error.
        status_code: The HTTP status; None if no answer came.
    """

    __module__ = "openfunnel_async"

    kind: str
    attempt: int
    seconds: float | None
    error: str
    status_code: int | None = None


@attrs.frozen(kw_only=True, repr=False)
class RetryScheduled(Event):
    """A request that failed will be sent again.

    Attributes:
        kind: ``"submit"``, ``"cancel"`` or ``"read"``.
        seconds: Seconds until then, without a random addition to a Retry-After.
        error: The text of the error that is to be cured.
    """

    __module__ = "openfunnel_async"

    kind: str
    seconds: float
    error: str


@attrs.frozen(kw_only=True, repr=False)
class Throttled(Event):
    """The service asks to wait, so nothing of this kind is sent for a while.

    Emitted when a request is repeated after a 429 or an answer with a Retry-After, and
    when a submit waits because another one was refused. A wait under
    ``max_polls_per_second`` is no event.

    Attributes:
        kind: ``"submit"``, ``"cancel"`` or ``"read"``.
        seconds: Seconds to wait, without the random addition.
        error: The text of the refusal.
    """

    __module__ = "openfunnel_async"

    kind: str
    seconds: float
    error: str


@attrs.frozen(kw_only=True, repr=False)
class OutageBegan(Event):
    """A wait or a stream met a failure that a retry may cure.

    Attributes:
        error: The text of the failure.
    """

    __module__ = "openfunnel_async"

    error: str


@attrs.frozen(kw_only=True, repr=False)
class OutageEnded(Event):
    """The outage of a wait or a stream ended; each ``OutageBegan`` has one.

    Attributes:
        seconds: Seconds since its first failure.
        has_recovered: Whether an answer ended it. False if the wait or the stream
            ended first: by its error, its time limit or a cancellation.
    """

    __module__ = "openfunnel_async"

    seconds: float
    has_recovered: bool


def _shown(fact: object) -> str:
    """Return a fact for a log; texts with spaces in quotes."""
    if isinstance(fact, JobStatus):
        return fact.value
    if isinstance(fact, str):
        shown = escaped(fact, _LONGEST_TEXT)
        return f'"{shown}"' if " " in shown else shown
    return f"{round(fact, 3):g}" if isinstance(fact, float) else brief(fact)
