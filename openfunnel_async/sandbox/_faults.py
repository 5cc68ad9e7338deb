"""Faults as values: what goes wrong, on which requests, how many times.

A fault stands around the service. It may let the request through, before or after
it does its harm, change what is answered, and say how the answer is delivered. Here
are those that answer something else.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Protocol, Self, cast

import attrs
from attrs import validators

from ._jobs import Job, JobState
from ._messages import Kind, SandboxReply, json_reply

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

    @property
    def waits_for_body(self) -> bool:
        """Tell whether the request's body is read before the fault acts."""
        return True

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
class EditedAnswer(TargetedFault):
    """Lets the request take effect and puts its JSON answer through a function.

    For an envelope of wrong types, another job's id, rows that are null or changed,
    a cursor that leads back:

        EditedAnswer(on="read", edit=lambda page: page | {"rows": None})

    An answer whose body is no JSON object stays as it is.

    Attributes:
        edit: Takes the object and gives what is said in its place: anything JSON
            can say, and NaN and Infinity, which it cannot.
    """

    edit: Callable[[dict[str, Any]], object]

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and edit what was to be said."""
        return edited(exchange.serve(), self.edit)


def edited(
    reply: SandboxReply, edit: Callable[[dict[str, Any]], object]
) -> SandboxReply:
    """Put a JSON object in a reply through a function."""
    content: object = json.loads(reply.body) if reply.body else None
    if not isinstance(content, dict):
        return reply
    changed = edit(cast("dict[str, Any]", content))
    return json_reply(reply.status, changed, headers=reply.headers)


@attrs.frozen(kw_only=True)
class Redirect(TargetedFault):
    """Sends the client elsewhere; the request takes no effect here.

    Attributes:
        location: Where to, as the Location header has it.
        status: Which redirect.
    """

    location: str
    status: Literal[301, 302, 303, 307, 308] = attrs.field(
        default=302, validator=validators.in_((301, 302, 303, 307, 308))
    )

    def answer(self, exchange: Exchange) -> SandboxReply:  # noqa: ARG002 -- not served
        """Answer with the place to go."""
        return SandboxReply(status=self.status, headers={"location": self.location})


@attrs.frozen(kw_only=True)
class SetCookie(TargetedFault):
    """Lets the request take effect and adds a cookie to its answer.

    Attributes:
        cookie: The Set-Cookie header.
    """

    cookie: str

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and add the header."""
        reply = exchange.serve()
        headers = {**reply.headers, "set-cookie": self.cookie}
        return attrs.evolve(reply, headers=headers)
