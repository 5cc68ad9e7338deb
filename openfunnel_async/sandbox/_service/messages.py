"""What goes into the sandbox's service and what comes out, free of sockets."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from openfunnel_async.sandbox._service.deliveries import Delivery, Whole

Kind = Literal["submit", "read", "cancel", "balance", "sign-up", "verify", "other"]


@attrs.frozen(kw_only=True)
class SandboxRequest:
    """A request as it arrived.

    Attributes:
        method: The verb, in capitals.
        path: The path as on the wire, percent-encoding and all.
        query: Decoded pairs in the order they came.
        headers: Values by lower-case name.
        body: The bytes, empty when there were none.
    """

    __module__ = "openfunnel_async.sandbox"

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = b""


@attrs.frozen(kw_only=True)
class SandboxReply:
    """An answer before it meets a socket.

    Attributes:
        status: The status code; 0 where the request was dropped before anything
            was decided.
        headers: Values by lower-case name.
        body: The bytes, not compressed.
        repeated: Further headers, lower-case name and value, whose names may be in
            ``headers`` already. Each is a header line of its own.
        delivery: How the answer goes onto the wire; `Dropped` means it does not.
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
    """One entry of a 422, with the four keys the live service sends.

    Attributes:
        type: The machine's word for what is wrong.
        loc: The place, outermost first.
        msg: The sentence for people.
        input: What the caller sent there, echoed.
    """

    type: str
    loc: tuple[str | int, ...]
    msg: str
    input: object = None


def json_reply(
    status: int, content: object, *, headers: Mapping[str, str] | None = None
) -> SandboxReply:
    """Answer with JSON, non-ASCII text written as it is."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A caller's lone surrogate, echoed, has no UTF-8 form; the escape has.
    body = text.encode("utf-8", "backslashreplace")
    return SandboxReply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=body,
    )


def validation_reply(issues: Iterable[Issue]) -> SandboxReply:
    """Answer 422 in the shape of contract/facts.md, "Rows"."""
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
    """Answer with the product's ``error_code`` shape."""
    error = {"error_code": error_code, "message": message, "details": details or {}}
    return json_reply(status, {"detail": error} if nesting == "detail" else error)
