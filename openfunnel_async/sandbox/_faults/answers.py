"""Faults that change what is answered."""

import json
from collections.abc import Callable
from typing import Any, Literal, cast

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.deliveries import Whole
from openfunnel_async.sandbox._service.fault import Exchange, TargetedFault
from openfunnel_async.sandbox._service.messages import SandboxReply, json_reply

RetryAfter = float | str | None | tuple[float | str, ...]
"""One Retry-After header or several: seconds, or any text; None for none."""


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

    __module__ = "openfunnel_async.sandbox"

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

    __module__ = "openfunnel_async.sandbox"

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

    __module__ = "openfunnel_async.sandbox"

    edit: Callable[[dict[str, Any]], object]

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and edit what was to be said."""
        return edit_reply(exchange.serve(), self.edit)


def edit_reply(
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

    __module__ = "openfunnel_async.sandbox"

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

    __module__ = "openfunnel_async.sandbox"

    cookie: str

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and add the header."""
        reply = exchange.serve()
        headers = {**reply.headers, "set-cookie": self.cookie}
        return attrs.evolve(reply, headers=headers)
