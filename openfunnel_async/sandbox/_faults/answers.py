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
"""One or several Retry-After headers: seconds, or any text; None for none."""


@attrs.frozen(kw_only=True)
class StatusFault(TargetedFault):
    """Answers with a chosen status.

    Attributes:
        status: The status code.
        retry_after: The Retry-After header: seconds, or any text; None for none. A
            tuple sends one header line for each of its items.
        dated: Whether the answer has a Date header. Without one a client can compare
            a date in ``retry_after`` with its own clock only.
        body: The body: bytes, sent unchanged, or a value that is sent as JSON; None
            sends a short JSON object.
        processed: Whether the request takes effect in spite of the status.
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
    """Add the Retry-After headers of a fault."""
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
    """Lets the request take effect and answers with a chosen body.

    Attributes:
        body: The bytes.
        status: The status code.
        content_type: The Content-Type header.
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
    """Lets the request take effect and changes its JSON answer with a function.

    For fields of wrong types, for rows that are null or changed, for a cursor that
    repeats an earlier page:

        EditedAnswer(on="read", edit=lambda page: page | {"rows": None})

    For unexpected types in fields that are only informative:

        ODD = {"processed": 12.0, "progress_message": {"stage": "rerank"}}
        EditedAnswer(on="read", edit=lambda page: page | ODD)

    For a manifest with such fields, in the answers that have one:

        ODD = {"credits_consumed": -3.5, "unresolved_seed_domains": [{"domain": "x"}]}

        def odd(page):
            return page | {"manifest": page["manifest"] and page["manifest"] | ODD}

        EditedAnswer(on="read", edit=odd)

    For a submit whose answer states a larger limit than was requested (for a service
    that also delivers more see ``Unknowns(least_limit=...)``):

        EditedAnswer(on="submit", edit=lambda body: body | {"requested_limit": 500})

    An answer whose body is not a JSON object is not changed.

    Attributes:
        edit: Takes the object and returns the value that replaces it: any JSON value,
            and also NaN and Infinity, which are not valid JSON.
    """

    __module__ = "openfunnel_async.sandbox"

    edit: Callable[[dict[str, Any]], object]

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and edit the answer."""
        return edit_reply(exchange.serve(), self.edit)


def edit_reply(
    reply: SandboxReply, edit: Callable[[dict[str, Any]], object]
) -> SandboxReply:
    """Replace the JSON object in a reply by what a function returns for it."""
    content: object = json.loads(reply.body) if reply.body else None
    if not isinstance(content, dict):
        return reply
    changed = edit(cast("dict[str, Any]", content))
    return attrs.evolve(reply, body=json_reply(reply.status, changed).body)


@attrs.frozen(kw_only=True)
class Redirect(TargetedFault):
    """Redirects the client to another URL; the request takes no effect here.

    Attributes:
        location: The Location header.
        status: The status code.
    """

    __module__ = "openfunnel_async.sandbox"

    location: str
    status: Literal[301, 302, 303, 307, 308] = attrs.field(
        default=302, validator=validators.in_((301, 302, 303, 307, 308))
    )

    def answer(self, exchange: Exchange) -> SandboxReply:  # noqa: ARG002 -- not served
        """Answer with the redirect."""
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
