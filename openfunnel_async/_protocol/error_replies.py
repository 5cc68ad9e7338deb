"""Turn a reply outside 2xx into the error that it means.

An error body may repeat what was sent, such as the ``input`` of a 422
(docs/reference/contract.md, "Rows"). Repeated input is dropped; the caller has already
removed the key. OpenFunnel did not write a body that is not JSON: such a body is
described, not quoted, and its status proves nothing about the key or the job.
"""

from http import HTTPStatus
from itertools import islice
from typing import Any, cast

from openfunnel_async._protocol.codec import decode
from openfunnel_async._protocol.retry_after import retry_after
from openfunnel_async._text import escaped
from openfunnel_async._transport.wire import WireReply
from openfunnel_async._values.models import ValidationIssue
from openfunnel_async.errors import (
    APIError,
    AuthenticationError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobNotFoundError,
    OpenFunnelError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)

_ECHOES = frozenset({"input", "ctx", "body"})
_LONGEST_TEXT = 500
_LONGEST_QUOTE = 300
_LONGEST_SERVER = 40
_LONGEST_ID = 128
_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id", "cf-ray")
_MOST_ISSUES = 5
_MOST_ENTRIES = 100
_DEEPEST = 6
_REDIRECT, _REFUSED, _SERVER_FAULT = 3, 4, 5

_ADVICE = {
    400: "the service refused the request",
    401: "the API key was not accepted; check OPENFUNNEL_API_KEY or api_key",
    402: "the account has too few credits",
    403: "the API key may not do this; check OPENFUNNEL_API_KEY or api_key",
    404: "there is nothing at this address; check base_url",
    407: "a proxy asks for credentials",
    408: "the service did not receive the request in time",
    422: "the service refused the request",
    429: "too many requests; wait before the next request",
}
# For the answer of a gateway, which knows neither the key nor the job.
_FOREIGN_ADVICE = {
    401: "it proves nothing about the API key; check the network and base_url",
    403: "it proves nothing about the API key; check the network and base_url",
    404: "check the network and base_url",
    407: "a proxy asks for credentials",
    429: "too many requests; wait before the next request",
}


def failure(reply: WireReply, *, job_id: str | None = None) -> APIError:
    """Return the error that a reply outside 2xx means.

    Args:
        reply: The reply.
        job_id: The job that the request concerns, if any.
    """
    body, is_json = _parse(reply)
    detail: object = _without_input(_detail(body))
    issues = _issues(detail)
    if is_json:
        message = _message(reply.status_code, detail, issues, job_id)
    else:
        message = _foreign_message(reply, job_id)
    error = _build_error(reply, body, detail, issues, message, job_id)
    if not is_json:
        vars(error)["_from_service"] = False
    vars(error)["request_id"] = _request_id(reply)
    return error


def _request_id(reply: WireReply) -> str | None:
    values = (reply.headers.get(name) for name in _REQUEST_IDS)
    found = next(filter(None, values), None)
    return None if found is None else escaped(found.strip(), _LONGEST_ID)


def _build_error(  # noqa: PLR0913, PLR0917 -- the arguments of every kind of error
    reply: WireReply,
    body: object,
    detail: object,
    issues: tuple[ValidationIssue, ...],
    message: str,
    job_id: str | None,
) -> APIError:
    status, wait = reply.status_code, retry_after(reply.headers, body)
    if status == HTTPStatus.PAYMENT_REQUIRED or _lacks_credits(status, body):
        return InsufficientCreditsError(message, status, detail, wait)
    if status in {400, 422}:
        return RequestRejectedError(message, status, detail, wait, issues)
    return _error_type(status, job_id)(message, status, detail, wait)


def is_from_service(error: OpenFunnelError) -> bool:
    """Whether the answer was JSON, as all answers of OpenFunnel are."""
    if isinstance(error, InvalidResponseError):
        return error.is_json
    return bool(getattr(error, "_from_service", True))


def replace_message(error: APIError, message: str) -> APIError:
    """Return the same error with another message."""
    replaced = type(error)(message, *error.args[1:])
    vars(replaced).update(
        _from_service=is_from_service(error), request_id=error.request_id
    )
    return replaced


def error_objects(body: object) -> list[dict[str, object]]:
    """Return the objects of an error body that have an ``error_code``.

    How deep it is nested is not certain: see docs/reference/contract.md, "Access".
    """
    if not isinstance(body, dict):
        return []
    top = cast("dict[str, object]", body)
    places = [top, top.get("detail"), top.get("error")]
    objects = [cast("dict[str, object]", p) for p in places if isinstance(p, dict)]
    return [fields for fields in objects if "error_code" in fields]


def description(reply: WireReply) -> str:
    """Describe an answer that is not JSON, without quoting it."""
    server = escaped(reply.headers.get("server", "").strip(), _LONGEST_SERVER)
    named = f" ({server})" if server else ""
    status = _status_line(reply.status_code)
    return f"{status}, {_describe_body(reply)}{named}, not OpenFunnel's answer"


def _status_line(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _describe_body(reply: WireReply) -> str:
    kind = reply.headers.get("content-type", "").strip().lower()
    start = reply.body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start and len(reply.body) < 1000:  # noqa: PLR2004 -- all of it was read
        return "an empty body"
    if start.startswith((b"<!doctype html", b"<html")) or kind.startswith("text/html"):
        return "an HTML page"
    if kind.startswith("text/plain") or (not kind and start.isascii()):
        return "plain text"
    return f"{len(reply.body):,} bytes that are not JSON"


def _error_type(status: int, job_id: str | None) -> type[APIError]:
    if status in {401, 403}:
        return AuthenticationError
    if status == HTTPStatus.NOT_FOUND and job_id is not None:
        return JobNotFoundError
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError
    return ServerError if status // 100 == _SERVER_FAULT else APIError


def _message(
    status: int,
    detail: object,
    issues: tuple[ValidationIssue, ...],
    job_id: str | None,
) -> str:
    advice = _ADVICE.get(status, "the service answered with an error")
    if status // 100 == _REDIRECT:
        advice = "the service redirects, and the client does not follow; check base_url"
    if status == HTTPStatus.NOT_FOUND and job_id is not None:
        advice = f"this key has no job with the id {job_id}"
    quote = _describe_issues(issues) or (detail if isinstance(detail, str) else "")
    quote = escaped(quote, _LONGEST_QUOTE)
    return f"{advice} (HTTP {status}{': ' if quote else ''}{quote})"


def _describe_issues(issues: tuple[ValidationIssue, ...]) -> str:
    shown = [
        f"{escaped('.'.join(map(str, issue.loc)), 100)}: {escaped(issue.msg, 200)}"
        for issue in issues[:_MOST_ISSUES]
    ]
    return "; ".join(shown)


def _foreign_message(reply: WireReply, job_id: str | None) -> str:
    status = reply.status_code
    advice = _FOREIGN_ADVICE.get(status)
    if status // 100 == _REDIRECT:
        advice = "it redirects, and the client does not follow; check base_url"
    if status == HTTPStatus.NOT_FOUND and job_id is not None:
        advice = f"it does not state whether the job {job_id} exists"
    return description(reply) + (f"; {advice}" if advice else "")


def _parse(reply: WireReply) -> tuple[object, bool]:
    """Return the JSON of an error body and True, else its text and False."""
    try:
        body = cast("object", decode(reply.body))
    except InvalidResponseError:
        return _text(reply.body), False
    # A body such as 404 or null is valid JSON, but not an answer of the service.
    return body, isinstance(body, (dict, list, str))


def _text(body: bytes) -> str | None:
    """Return the beginning of a body as text; None if it is empty or binary."""
    start = body[: 4 * _LONGEST_TEXT]
    return None if not start or b"\0" in start else start.decode(errors="replace")


def _detail(body: object) -> object:
    """Return the field ``detail`` of a body, else the body."""
    if isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        return fields.get("detail", fields)
    return body


def _without_input(value: object, depth: int = 0) -> Any:  # noqa: ANN401 -- JSON is anything
    """Copy JSON without repeated input, bounded in length and depth."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {
            key[:_LONGEST_TEXT]: _without_input(item, depth + 1)
            for key, item in islice(items, _MOST_ENTRIES)
            if key not in _ECHOES
        }
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return [_without_input(item, depth + 1) for item in entries[:_MOST_ENTRIES]]
    return value


def _issues(detail: object) -> tuple[ValidationIssue, ...]:
    if not isinstance(detail, list):
        return ()
    found: list[ValidationIssue] = []
    for entry in cast("list[object]", detail):
        if isinstance(entry, dict):
            issue = _issue(cast("dict[str, object]", entry))
            found += [issue] if issue else []
    return tuple(found)


def _issue(entry: dict[str, object]) -> ValidationIssue | None:
    loc, msg, kind = entry.get("loc"), entry.get("msg"), entry.get("type")
    if not (isinstance(loc, list) and isinstance(msg, str) and isinstance(kind, str)):
        return None
    steps = (step for step in cast("list[object]", loc) if isinstance(step, (str, int)))
    return ValidationIssue(loc=tuple(steps), msg=msg, type=kind)


def _lacks_credits(status: int, body: object) -> bool:
    """Whether a refusal has the error code of an account without enough credits."""
    codes = [fields["error_code"] for fields in error_objects(body)]
    return status // 100 == _REFUSED and "CREDITS_EXCEEDED" in codes
