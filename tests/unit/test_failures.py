"""Which error a reply that says no becomes, and what of it is kept."""

import copy
from typing import Any

import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    InsufficientCreditsError,
    JobNotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    ValidationIssue,
)
from openfunnel_async._protocol.error_replies import failure
from tests.support.scripted import JOB, reply


def of(status: int, body: object = None, **headers: str) -> APIError:
    return failure(reply(status, body, headers), job_id=JOB)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, APIError),
        (307, APIError),
        (400, RequestRejectedError),
        (401, AuthenticationError),
        (402, InsufficientCreditsError),
        (403, AuthenticationError),
        (404, JobNotFoundError),
        (405, APIError),
        (408, APIError),
        (409, APIError),
        (418, APIError),
        (422, RequestRejectedError),
        (429, RateLimitedError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_each_status_is_its_error(status: int, kind: type[APIError]) -> None:
    error = of(status)
    assert type(error) is kind
    assert (error.status_code, error.detail, error.retry_after) == (status, None, None)
    assert f"HTTP {status}" in str(error)


def test_a_404_that_is_about_no_job_is_no_missing_job() -> None:
    error = failure(reply(404, {"detail": "Not Found"}))
    assert type(error) is APIError
    assert "check base_url" in str(error)


def test_a_missing_job_is_named() -> None:
    assert f"this key has no job with the id {JOB}" in str(of(404, {"detail": "no"}))


def test_a_redirect_is_said_to_be_one() -> None:
    for error in (of(302), of(302, {"detail": "moved"})):
        assert "redirects, and the client does not follow" in str(error)


@pytest.mark.parametrize("status", [400, 402, 403, 409, 422, 429])
@pytest.mark.parametrize("inside", [True, False])
def test_too_few_credits_by_their_code_at_the_top_or_inside_detail(
    status: int, *, inside: bool
) -> None:
    body: object = {"error_code": "CREDITS_EXCEEDED", "details": {"left": 3}}
    error = of(status, {"detail": body} if inside else body)
    assert type(error) is InsufficientCreditsError
    assert error.status_code == status


@pytest.mark.parametrize("body", ["CREDITS_EXCEEDED", ["CREDITS_EXCEEDED"], {}])
def test_the_code_in_another_place_proves_nothing(body: object) -> None:
    assert type(of(400, body)) is RequestRejectedError


def test_a_server_fault_stays_one_whatever_its_code() -> None:
    assert type(of(500, {"error_code": "CREDITS_EXCEEDED"})) is ServerError


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (None, None),
        ({"detail": "no such plan"}, "no such plan"),
        ({"detail": {"code": 7}}, {"code": 7}),
        ({"detail": None}, None),
        ({"error_code": "X", "details": {}}, {"error_code": "X", "details": {}}),
        ({"detail": []}, []),
        (["a", 1], ["a", 1]),
        ("text", "text"),
        (b"<h1>Oops</h1>", "<h1>Oops</h1>"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_the_detail_in_each_shape(body: object, detail: object) -> None:
    assert of(400, body).detail == detail


def test_a_text_detail_is_said() -> None:
    assert "HTTP 403: no such plan" in str(of(403, {"detail": "no such plan"}))


def test_issues_are_read_and_said() -> None:
    entry = {"loc": ["body", "limit"], "msg": "too big", "type": "value", "input": 1}
    odd: list[Any] = [None, "x", {"loc": "body"}, {"loc": [], "msg": 5, "type": "x"}]
    error = of(422, {"detail": [entry, *odd]})
    assert isinstance(error, RequestRejectedError)
    issue = ValidationIssue(loc=("body", "limit"), msg="too big", type="value")
    assert error.issues == (issue,)
    assert "body.limit: too big" in str(error)


@pytest.mark.parametrize("name", ["input", "ctx", "body"])
def test_echoed_input_is_dropped_at_any_depth(name: str) -> None:
    echo: dict[str, object] = {name: {"query": "our secret market"}}
    no_place: list[str] = []
    entry = {"loc": no_place, "msg": "m", "type": "t", **echo}
    error = of(422, {"detail": [entry], **echo})
    top = of(400, {"error": {"deep": [echo]}})
    assert "secret market" not in f"{error!r} {error} {error.args} {top!r} {top.args}"


def test_a_long_detail_is_cut() -> None:
    assert len(str(of(400, {"detail": "x" * 10_000}))) < 400
    assert len(str(of(400, {"detail": "\x1b" * 10_000}))) < 400
    assert len(str(of(400, b"x" * 10_000))) < 400


def test_a_deep_detail_is_cut() -> None:
    body: object = "bottom"
    for _ in range(50):
        body = [body]
    assert "bottom" not in str(of(400, body).detail)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_the_time_to_wait_is_kept(status: int) -> None:
    body = {"details": {"retry_after_seconds": 9}}
    assert of(status, body, **{"retry-after": "7"}).retry_after == 9.0


@pytest.mark.parametrize("body", [b"[" * 10_000, b"\x00", b"{", b"9" * 5000])
def test_a_broken_body_breaks_nothing(body: bytes) -> None:
    assert type(of(500, body)) is ServerError


@pytest.mark.parametrize(
    "header", ["x-request-id", "request-id", "x-correlation-id", "cf-ray"]
)
def test_the_id_of_a_request_is_on_its_error(header: str) -> None:
    """Caught: a support case without the one thing that the service can look up."""
    error = failure(reply(503, None, {header: " 8f2a-\x1b[31m "}))
    assert error.request_id == "8f2a-\\x1b[31m"
    assert copy.copy(error).request_id == error.request_id
    assert failure(reply(503)).request_id is None
