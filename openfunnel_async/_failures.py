"""Read a reply that says no into the error it means.

An error body may echo what was sent (facts.md, "Rows": ``input`` of the live 422),
so echoed input is dropped and the key is hidden before anything keeps the text.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from openfunnel_async._codec import decode
from openfunnel_async._models import ValidationIssue
from openfunnel_async._retry_after import retry_after
from openfunnel_async._wire import WireReply
from openfunnel_async.errors import (
    APIError,
    AuthenticationError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobNotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)

_ECHOES = frozenset({"input", "ctx", "body"})
_LONGEST_TEXT = 500
_DEEPEST = 6
_REDIRECT, _REFUSED, _SERVER_FAULT = 3, 4, 5

_ADVICE = {
    400: "the service refused the request",
    401: "the API key was not accepted; check OPENFUNNEL_API_KEY or api_key",
    402: "the account has too few credits",
    403: "the API key may not do this; check OPENFUNNEL_API_KEY or api_key",
    404: "there is nothing at this address; check base_url",
    408: "the service gave up waiting for the request",
    422: "the service refused the request",
    429: "too many requests; wait before asking again",
}

Hide = Callable[[str], str]


def failure(reply: WireReply, hide: Hide, *, job_id: str | None = None) -> APIError:
    """Return the error that a reply outside 2xx means.

    Args:
        reply: The reply.
        hide: Takes the API key out of a text.
        job_id: The job the request was about, if it was about one.
    """
    status = reply.status_code
    body = _parsed(reply)
    wait = retry_after(reply.headers, body)
    detail: object = _scrubbed(_detail(body), hide)
    issues = _issues(detail)
    message = _message(status, detail, issues, job_id)
    if status == HTTPStatus.PAYMENT_REQUIRED or _lacks_credits(status, body):
        return InsufficientCreditsError(message, status, detail, wait)
    if status in {400, 422}:
        return RequestRejectedError(message, status, detail, wait, issues)
    return _kind(status, job_id)(message, status, detail, wait)


def _kind(status: int, job_id: str | None) -> type[APIError]:
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
        advice = "the service redirects, which is not followed; check base_url"
    if status == HTTPStatus.NOT_FOUND and job_id is not None:
        advice = f"this key has no job with the id {job_id}"
    said = "; ".join(
        f"{'.'.join(map(str, issue.loc))}: {issue.msg}" for issue in issues
    ) or (detail if isinstance(detail, str) else "")
    return f"{advice} (HTTP {status}{': ' if said else ''}{said})"


def _parsed(reply: WireReply) -> object:
    """Return the JSON of an error body, else its text."""
    if not reply.body:
        return None
    try:
        return cast("object", decode(reply.body))
    except InvalidResponseError:
        return reply.body.decode(errors="replace")


def _detail(body: object) -> object:
    """Return what stands under ``detail``, else the body."""
    if isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        return fields.get("detail", fields)
    return body


def _scrubbed(value: object, hide: Hide, depth: int = 0) -> Any:  # noqa: ANN401 -- JSON is anything
    """Copy JSON without echoed input, without the key, and not without end."""
    if isinstance(value, str):
        return hide(value)[:_LONGEST_TEXT]
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {
            hide(key): _scrubbed(item, hide, depth + 1)
            for key, item in items
            if key not in _ECHOES
        }
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return [_scrubbed(item, hide, depth + 1) for item in entries]
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
    """Whether CREDITS_EXCEEDED stands at the top or inside detail of a refusal."""
    if status // 100 != _REFUSED or not isinstance(body, dict):
        return False
    top = cast("dict[str, object]", body)
    places = [top, top.get("detail")]
    return any(
        isinstance(place, dict)
        and cast("dict[str, object]", place).get("error_code") == "CREDITS_EXCEEDED"
        for place in places
    )


def is_from_service(error: APIError) -> bool:
    """Whether the service itself wrote the answer that the error is about."""
    return getattr(error, "is_from_service", True)
