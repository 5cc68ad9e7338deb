"""Requests and replies of the service, independent of sockets."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from openfunnel_async.sandbox._service.deliveries import Delivery, Whole

KEY_HEADER = "x-api-key"
Kind = Literal["submit", "read", "cancel", "balance", "sign-up", "verify", "other"]


@attrs.frozen(kw_only=True)
class SandboxRequest:
    """A request as it arrived.

    Attributes:
        method: The method, in capitals.
        path: The path, percent-encoded.
        query: Decoded pairs in their order.
        headers: Values by lower-case name.
        body: The bytes; empty without a body.
    """

    __module__ = "openfunnel_async.sandbox"

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = b""


@attrs.frozen(kw_only=True)
class SandboxReply:
    """An answer before it is sent.

    Attributes:
        status: The status code; 0 if the connection is reset before the request takes
            effect.
        headers: Values by lower-case name.
        body: The bytes, not compressed.
        repeated: Further header lines, as lower-case name and value. Their names may
            be in ``headers`` too.
        delivery: How the answer is sent; with `Dropped` it is not.
    """

    __module__ = "openfunnel_async.sandbox"

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    body: bytes = b""
    repeated: tuple[tuple[str, str], ...] = ()
    delivery: Delivery = attrs.field(factory=Whole)

    @property
    def header_lines(self) -> tuple[tuple[str, str], ...]:
        """Return every header as name and value, the repeated ones last."""
        return (*self.headers.items(), *self.repeated)


@attrs.frozen(kw_only=True)
class Issue:
    """One entry of a 422, with the four keys that the live service sends.

    Attributes:
        type: The identifier of the problem.
        loc: The path of the invalid value, outermost key first.
        msg: The description for people.
        input: The invalid value.
    """

    type: str
    loc: tuple[str | int, ...]
    msg: str
    input: object = None


def json_reply(
    status: int, content: object, *, headers: Mapping[str, str] | None = None
) -> SandboxReply:
    """Return an answer with a JSON body; non-ASCII text is not escaped."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # An echoed lone surrogate cannot be encoded as UTF-8, but its escape can.
    body = text.encode("utf-8", "backslashreplace")
    return SandboxReply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=body,
    )


def validation_reply(issues: Iterable[Issue]) -> SandboxReply:
    """Return a 422 in the form of docs/reference/contract.md, "Rows"."""
    detail = [attrs.asdict(issue) for issue in issues]
    return json_reply(422, {"detail": detail})


def error_reply(
    status: int,
    error_code: str,
    message: str,
    *,
    nesting: Literal["top", "detail"],
    details: Mapping[str, object] | None = None,
) -> SandboxReply:
    """Return an error with an ``error_code``."""
    error = {"error_code": error_code, "message": message, "details": details or {}}
    return json_reply(status, {"detail": error} if nesting == "detail" else error)
