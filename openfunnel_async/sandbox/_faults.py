"""Faults as values: what goes wrong, on which requests, how many times.

A fault stands around the service. It may let the request through, before or after
it does its harm, change what is answered, and say how the answer is delivered.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Literal, Protocol, Self, cast

import attrs
from attrs import validators

from ._jobs import Job, JobState
from ._messages import Dropped, Kind, SandboxReply, json_reply

Target = Literal["submit", "read", "cancel", "balance", "sign-up", "verify", "any"]


class Exchange(Protocol):
    """A request on its way through the service, as a fault sees it."""

    @property
    def kind(self) -> Kind:
        """Tell the operation asked for."""
        ...

    @property
    def moment(self) -> float:
        """Tell the sandbox time of the request."""
        ...

    @property
    def job(self) -> Job | None:
        """Give the job the request names, if its key has it."""
        ...

    def serve(self, *, shown: JobState | None = None) -> SandboxReply:
        """Let the request take effect; a read shows ``shown`` in place of now."""
        ...


@attrs.frozen(kw_only=True)
class Fault(ABC):
    """Something that goes wrong.

    The first fault in `Sandbox.faults` that strikes a request is the only one that
    does, and is used up once.

    Attributes:
        times: Requests it still strikes.
    """

    times: int = attrs.field(default=1, validator=validators.ge(1))

    @abstractmethod
    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this request is one of those meant."""

    @abstractmethod
    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer in place of the service, which may be let have its turn."""

    def used_once(self) -> Self | None:
        """Give what is left of the fault after a strike."""
        return attrs.evolve(self, times=self.times - 1) if self.times > 1 else None


@attrs.frozen(kw_only=True)
class TargetedFault(Fault):
    """A fault that strikes one kind of request, or any.

    Attributes:
        on: The kind; ``any`` includes requests that mean no operation.
    """

    on: Target = "any"

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether the request is of this kind."""
        return self.on in ("any", exchange.kind)


@attrs.frozen(kw_only=True)
class StatusFault(TargetedFault):
    """Answers with a status of its own.

    Attributes:
        status: The status code.
        retry_after: The Retry-After header: seconds, or any text; None for none.
        body: The body, bytes as they are or anything JSON can say; None stands for
            a short JSON object.
        processed: Whether the request took effect although its answer does not
            say so.
    """

    status: int = attrs.field(
        default=503, validator=[validators.ge(200), validators.le(599)]
    )
    retry_after: float | str | None = None
    body: object = None
    processed: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer with the status."""
        if self.processed:
            exchange.serve()
        headers = {} if self.retry_after is None else {"retry-after": self._seconds()}
        if isinstance(self.body, bytes):
            return SandboxReply(status=self.status, headers=headers, body=self.body)
        content = {"detail": "Sandbox fault"} if self.body is None else self.body
        return json_reply(self.status, content, headers=headers)

    def _seconds(self) -> str:
        given = self.retry_after
        return f"{given:g}" if isinstance(given, int | float) else str(given)


@attrs.frozen(kw_only=True)
class BodyFault(TargetedFault):
    """Lets the request take effect and answers with a body of its own.

    Attributes:
        body: The bytes.
        status: The status code.
        content_type: What the answer claims the bytes are.
    """

    body: bytes
    status: int = attrs.field(
        default=200, validator=[validators.ge(200), validators.le(599)]
    )
    content_type: str = "application/json"

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer with the bytes."""
        exchange.serve()
        headers = {"content-type": self.content_type}
        return SandboxReply(status=self.status, headers=headers, body=self.body)


@attrs.frozen(kw_only=True)
class LostAnswer(TargetedFault):
    """Lets the request take effect and closes the connection without an answer."""

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and drop what was to be said."""
        return attrs.evolve(exchange.serve(), delivery=Dropped())


@attrs.frozen(kw_only=True)
class UnknownStatus(Fault):
    """Says an unheard-of word in place of a job's status.

    Strikes reads of jobs that are still going: facts.md, "Read", takes any other
    word for that.

    Attributes:
        word: The word.
    """

    word: str

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this reads a job that is still going."""
        if exchange.kind != "read" or exchange.job is None:
            return False
        return not exchange.job.at(exchange.moment).is_terminal

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and put the word in."""
        reply = exchange.serve()
        if reply.status != 200:
            return reply
        content = cast("dict[str, object]", json.loads(reply.body))
        return json_reply(200, content | {"status": self.word})


@attrs.frozen(kw_only=True)
class StaleRead(Fault):
    """Answers a read with the job as it was just before its status changed.

    Strikes reads of jobs that have been something else before, so the status
    always goes backwards.
    """

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this reads a job that has a past."""
        return self._past(exchange) is not None

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve the past."""
        return exchange.serve(shown=self._past(exchange))

    def _past(self, exchange: Exchange) -> JobState | None:
        if exchange.kind != "read" or exchange.job is None:
            return None
        return exchange.job.previous_state(exchange.moment)


@attrs.frozen(kw_only=True)
class CompletesUnderCancel(Fault):
    """Lets a job complete, all rows delivered, in the instant its cancel arrives.

    The cancel then answers 409, as for any job that got there first.
    """

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this cancels a job nobody cancelled yet."""
        if exchange.kind != "cancel" or exchange.job is None:
            return False
        return exchange.job.at(exchange.moment).status in ("pending", "running")

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Finish the job, then serve."""
        if exchange.job is not None:
            exchange.job.finish(exchange.moment)
        return exchange.serve()
