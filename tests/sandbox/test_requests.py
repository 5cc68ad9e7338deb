"""What the service refuses, and what it keeps of each request."""

import pytest

from openfunnel_async.sandbox import SandboxRequest
from tests.sandbox.caller import JOBS, Caller, by_hand


@pytest.mark.parametrize(
    ("body", "loc", "word"),
    [
        ({}, ["body"], "value_error"),
        ({"query": None, "seed_domains": []}, ["body"], "value_error"),
        ({"query": ""}, ["body", "query"], "string_too_short"),
        ({"query": "x" * 201}, ["body", "query"], "string_too_long"),
        ({"query": 7}, ["body", "query"], "string_type"),
        ({"query": "\ud800"}, ["body", "query"], "string_unicode"),
        ({"seed_domains": ["a"] * 11}, ["body", "seed_domains"], "too_long"),
        ({"seed_domains": [7]}, ["body", "seed_domains", 0], "string_type"),
        ({"query": "x", "limit": 0}, ["body", "limit"], "greater_than_equal"),
        ({"query": "x", "limit": 10_001}, ["body", "limit"], "less_than_equal"),
        ({"query": "x", "limit": "5"}, ["body", "limit"], "int_type"),
        ({"query": "x", "limit": True}, ["body", "limit"], "int_type"),
        ({"query": "x", "limit": 5.5}, ["body", "limit"], "int_from_float"),
        (
            {"query": "x", "min_employees": -1},
            ["body", "min_employees"],
            "greater_than_equal",
        ),
        (
            {"query": "x", "funding_stages": ["Series J"]},
            ["body", "funding_stages", 0],
            "enum",
        ),
        ({"query": "x", "locations": "USA"}, ["body", "locations"], "list_type"),
        ({"query": "x", "search_type": "fast"}, ["body", "search_type"], "enum"),
        ([], ["body"], "model_attributes_type"),
        (b"{", ["body", 0], "json_invalid"),
        (b'{"limit": NaN}', ["body", 0], "json_invalid"),
        (b'{"limit": 1e999}', ["body", 0], "json_invalid"),
        (b"[" * 100_000, ["body", 0], "json_invalid"),
        (b"\xff", ["body", 0], "json_invalid"),
        (b"", ["body"], "missing"),
    ],
)
def test_a_search_that_cannot_be_right_answers_422(
    body: object, loc: list[str | int], word: str
) -> None:
    answer = by_hand().post("submit", JOBS, body)
    (issue,) = answer.body["detail"]
    assert (answer.status, issue["loc"], issue["type"]) == (422, loc, word)
    assert set(issue) == {"type", "loc", "msg", "input"}


def test_a_422_lists_everything_that_is_wrong_and_echoes_it() -> None:
    answer = by_hand().submit(query="", limit=0)
    assert [issue["input"] for issue in answer.body["detail"]] == ["", 0]


@pytest.mark.parametrize(
    "fields",
    [
        {"seed_domains": ["a.example"], "query": None},
        {"limit": 5.0},
        {"funding_stages": ["Pre-Seed", "Series H", "Public"], "locations": ["EU"]},
        {"search_type": "agentic", "min_employees": 0, "max_employees": None},
        {"something_new": 1},
    ],
)
def test_a_search_within_the_contract_is_taken(fields: dict[str, object]) -> None:
    assert by_hand().post("submit", JOBS, {"query": "x", **fields}).status == 200


@pytest.mark.parametrize("limit", ["0", "101", "ten", "1.5", "", "٣", "9" * 5000])
def test_a_read_takes_a_limit_of_1_to_100(limit: str) -> None:
    caller = by_hand()
    answer = caller.read(caller.start(), limit=limit)
    assert (answer.status, answer.body["detail"][0]["loc"]) == (422, ["query", "limit"])


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_a_missing_parameter(key: str | None) -> None:
    answer = Caller(by_hand().service, key=key).balance()
    assert answer.status == 422
    assert answer.body["detail"][0]["loc"] == ["header", "X-API-Key"]


def test_a_body_that_does_not_call_itself_json_answers_422() -> None:
    service = by_hand().service
    reply = service.handle(
        SandboxRequest(
            method="POST",
            path=JOBS,
            headers={"x-api-key": service.api_key, "content-type": "text/plain"},
            body=b'{"query": "x"}',
        )
    )
    assert reply.status == 422


def test_a_job_is_unknown_to_another_key() -> None:
    """It failed with jobs looked up across accounts."""
    caller = by_hand()
    job_id = caller.start()
    other = Caller(caller.service, key=caller.service.open_account("other"))
    assert (other.read(job_id).status, other.cancel(job_id).status) == (404, 404)
    assert caller.read(job_id).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", JOBS, "POST"),
        ("DELETE", f"{JOBS}/some-job", "GET"),
        ("GET", f"{JOBS}/some-job/cancel", "POST"),
        ("POST", "/api/v1/credits/balance", "GET"),
        ("GET", "/api/v1/agent/sign-up", "POST"),
    ],
)
def test_a_wrong_method_answers_405(method: str, path: str, allowed: str) -> None:
    reply = by_hand().service.handle(SandboxRequest(method=method, path=path))
    assert (reply.status, reply.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/", "", f"{JOBS}/", f"{JOBS}//cancel", f"{JOBS}/a/b/c", "/api/v1/credits"]
)
def test_an_unknown_path_answers_404(path: str) -> None:
    reply = by_hand().service.handle(SandboxRequest(method="GET", path=path))
    assert (reply.status, reply.body) == (404, b'{"detail":"Not Found"}')


def test_an_encoded_slash_stays_within_the_job_id() -> None:
    caller = by_hand()
    assert caller.read("a%2Fcancel").status == 404
    assert caller.service.requests[0].job_id == "a/cancel"


def test_every_request_leaves_a_record() -> None:
    caller = by_hand()
    job_id = caller.start()
    caller.service.advance(3)
    caller.read(job_id, "page_0000")
    caller.cancel(job_id)
    kinds = [(seen.kind, seen.job_id, seen.time) for seen in caller.service.requests]
    assert kinds == [("submit", job_id, 0), ("read", job_id, 3), ("cancel", job_id, 3)]
    assert caller.service.requests[1].query == (("cursor", "page_0000"),)
    assert b"voice ai" in caller.service.requests[0].body


def test_a_record_has_whether_the_key_was_right_but_not_the_key() -> None:
    """It failed with the headers kept as they came."""
    caller = by_hand()
    caller.balance()
    Caller(caller.service, key="of_wrong").balance()
    Caller(caller.service, key=None).balance()
    words = [seen.key for seen in caller.service.requests]
    assert words == ["right", "wrong", None]
    evidence = repr(caller.service.requests) + repr(caller.service)
    assert caller.service.api_key not in evidence
    assert "of_wrong" not in evidence
