"""What a submit sends, and what each of its replies means for money."""

import json
from typing import Any

import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    InsufficientCreditsError,
    LookalikeSearch,
    RateLimitedError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
    TransportError,
    WireReply,
)
from openfunnel_async._protocol.endpoints import Call, Endpoints, Kind
from openfunnel_async._protocol.replies import Submitted
from tests.support.scripted import reply, submit_reply

SEARCH = LookalikeSearch(query="voice", limit=50)


def submit(search: LookalikeSearch = SEARCH) -> Call[Submitted]:
    return Endpoints("https://api.example").submit(search)


def unknown(answer: WireReply) -> SubmitOutcomeUnknownError:
    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        submit().read(answer)
    assert caught.value.search is SEARCH
    assert caught.value.max_exposure == 50
    return caught.value


def sent(**fields: Any) -> object:
    return json.loads(submit(LookalikeSearch(**fields)).request.body or b"")


def test_it_is_a_post_over_a_connection_of_its_own() -> None:
    call = submit()
    assert call.kind is Kind.SUBMIT
    assert (call.request.method, call.request.fresh_connection) == ("POST", True)
    assert call.request.url == (
        "https://api.example/api/v1/account/search-lookalikes-bulk"
    )
    assert call.request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "voice"},
        {"seed_domains": ["a.example", "b.example"]},
        {"query": "v", "limit": 1, "min_employees": 0, "max_employees": 0},
        {"query": "v", "funding_stages": ["Seed"], "locations": ["EU"]},
        {"query": "Gesundheit für 猫 🎙", "search_type": "agentic"},
    ],
)
def test_the_body_holds_only_what_was_set(fields: dict[str, Any]) -> None:
    """Caught: `if value` in place of `not in (None, ())`, which drops a 0."""
    assert sent(**fields) == fields


def test_the_query_goes_out_as_utf_8() -> None:
    body = submit(LookalikeSearch(query="猫")).request.body
    assert body == '{"query":"猫"}'.encode()


def test_the_key_is_not_in_a_call() -> None:
    assert "x-api-key" not in submit().request.headers


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_with_an_id_is_a_job(status: int) -> None:
    answer = submit().read(reply(status, {"job_id": "job-9"}))
    assert answer == Submitted(job_id="job-9", requested_limit=None)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (50, 50),
        (None, None),
        ("50", None),
        (True, None),
        (50.0, 50),
        (50.5, None),
        (-1, None),
        (0, None),
        (0.0, None),
        (1e300, None),
    ],
)
def test_the_echoed_limit_is_kept_if_it_is_one(limit: object, kept: int | None) -> None:
    answer = submit().read(submit_reply(requested_limit=limit))
    assert answer.requested_limit == kept


@pytest.mark.parametrize(
    "body",
    [
        b'{"job_id": "job-9", "status": "pend',
        b'\xef\xbb\xbf{"job_id":"job-9"}',
        b'{"job_id" : "job-9", "n": NaN}',
        b'[{"job_id": "job-9"}]',
        b'{"data": {"job_id": "job-9"}}',
        b'{"job_id":"job-9"}{"job_id":"job-9"}',
        b'{"job_id": "job-9", "x": "\xff"}',
    ],
)
def test_an_accepted_submit_in_a_broken_answer_keeps_its_id(body: bytes) -> None:
    error = unknown(reply(202, body))
    assert (error.accepted, error.job_id) == (True, "job-9")
    assert "attach to it and cancel it" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"{}",
        b"null",
        b"[]",
        b'{"id": "job-9"}',
        b'{"job_id": ',
        b'{"job_id": 7}',
        b'{"job_id": null}',
        b'{"job_id": "job-8", "x": {"job_id": "job-9"',
        b'{"job_id": "a/../b"}',
        b'{"job_id": ".."}',
        b'{"job_id": "."',
        b'{"job_id": ""}',
        b'{"job_id": "' + b"a" * 129 + b'"}',
        b'{"job_id": "a\\u002fb"}',
        b'{"job_id": "job 9"',
    ],
)
def test_an_accepted_submit_without_one_sound_id_has_none(body: bytes) -> None:
    """Caught: the first of two different ids taken for the job's."""
    error = unknown(reply(200, body))
    assert (error.accepted, error.job_id) == (True, None)
    assert "its id is lost" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 408, 500, 502, 503, 504])
def test_an_answer_that_proves_nothing_leaves_the_outcome_open(status: int) -> None:
    """Caught: 408 read as any other 4xx."""
    error = unknown(reply(status, {"job_id": "job-9"}))
    assert (error.accepted, error.job_id) == (False, None)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejectedError),
        (401, AuthenticationError),
        (402, InsufficientCreditsError),
        (403, AuthenticationError),
        (404, APIError),
        (405, APIError),
        (409, APIError),
        (413, APIError),
        (422, RequestRejectedError),
        (429, RateLimitedError),
    ],
)
def test_any_other_4xx_is_a_typed_refusal(status: int, kind: type[APIError]) -> None:
    with pytest.raises(APIError) as caught:
        submit().read(reply(status))
    assert type(caught.value) is kind


def test_a_login_page_does_not_say_that_a_job_exists() -> None:
    """Caught: "a job exists and bills", because a 200 came from a login form."""
    error = unknown(reply(200, b"<html>Log in</html>"))
    assert error.accepted
    assert "a job may be running" in str(error)
    assert "not OpenFunnel's answer" in str(error)


def lost(partial: WireReply | None) -> SubmitOutcomeUnknownError:
    """Return what is known when no more than this came of the answer."""
    call = submit(LookalikeSearch(query="voice"))
    assert call.lost is not None
    error = call.lost(TransportError("the connection was reset", True), partial)
    assert isinstance(error, SubmitOutcomeUnknownError)
    return error


def test_a_reply_that_broke_off_keeps_its_id_if_it_was_accepted() -> None:
    error = lost(reply(200, b'{"job_id": "job-9", "mess'))
    assert (error.accepted, error.job_id) == (True, "job-9")


def test_a_refusal_that_broke_off_proves_nothing() -> None:
    error = lost(reply(500, b'{"job_id": "job-9"'))
    assert (error.accepted, error.job_id) == (False, None)


def test_a_lost_answer_leaves_the_outcome_open() -> None:
    error = lost(None)
    assert (error.accepted, error.job_id, error.max_exposure) == (False, None, None)
    assert "the connection was reset" in str(error)


def test_fields_that_this_version_does_not_know_are_sent_as_they_are() -> None:
    extra = {"technologies": ["voice"], "flag": None}
    body = sent(query="voice", limit=5, extra=extra)
    assert body == {"query": "voice", "limit": 5, **extra}
