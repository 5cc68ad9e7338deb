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

from ._deliveries import Whole
from ._jobs import Job, JobState
from ._messages import Kind, SandboxReply, json_reply

RetryAfter = float | str | None | tuple[float | str, ...]
"""One Retry-After header or several: seconds, or any text; None for none."""

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
        retry_after: The Retry-After header: seconds, or any text; None for none. A
            tuple sends one header line for each of its items.
        dated: Whether the answer has a Date header. Without one a date in
            ``retry_after`` can be read against the client's clock only.
        body: The body, bytes as they are or anything JSON can say; None stands for
            a short JSON object.
        processed: Whether the request took effect although its answer does not
            say so.
    """

    status: int = attrs.field(
        default=503, validator=[validators.ge(200), validators.le(599)]
    )
    retry_after: RetryAfter = None
    body: object = None
    processed: bool = False
    dated: bool = True

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer with the status."""
        if self.processed:
            exchange.serve()
        reply = with_retry_after(self._plain(), self.retry_after)
        return attrs.evolve(reply, delivery=Whole(dated=self.dated))

    def _plain(self) -> SandboxReply:
        if isinstance(self.body, bytes):
            return SandboxReply(status=self.status, body=self.body)
        content = {"detail": "Sandbox fault"} if self.body is None else self.body
        return json_reply(self.status, content)


def with_retry_after(reply: SandboxReply, given: RetryAfter) -> SandboxReply:
    """Add the Retry-After headers that a fault was given."""
    items = given if isinstance(given, tuple) else (given,)
    lines = [_header_text(item) for item in items if item is not None]
    if not lines:
        return reply
    return attrs.evolve(
        reply,
        headers={**reply.headers, "retry-after": lines[0]},
        repeated=(*reply.repeated, *(("retry-after", line) for line in lines[1:])),
    )


def _header_text(given: float | str) -> str:
    return f"{given:g}" if isinstance(given, int | float) else given


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

    For an envelope of wrong types, rows that are null or changed, a cursor that
    leads back:

        EditedAnswer(on="read", edit=lambda page: page | {"rows": None})

    For fields of unexpected types that only inform:

        ODD = {"processed": 12.0, "progress_message": {"stage": "rerank"}}
        EditedAnswer(on="read", edit=lambda page: page | ODD)

    For a manifest with such fields, in answers that have one:

        ODD = {"credits_consumed": -3.5, "unresolved_seed_domains": [{"domain": "x"}]}

        def odd(page):
            return page | {"manifest": page["manifest"] and page["manifest"] | ODD}

        EditedAnswer(on="read", edit=odd)

    For a submit whose answer names a larger limit than was asked for (a service
    that also delivers more is ``Unknowns(least_limit=...)``):

        EditedAnswer(on="submit", edit=lambda body: body | {"requested_limit": 500})

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
    return attrs.evolve(reply, body=json_reply(reply.status, changed).body)


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
