"""From bytes to values: nothing is coerced, and what cannot be believed says where."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openfunnel_async import (
    CreditBalance,
    InvalidResponseError,
    Manifest,
)
from openfunnel_async._protocol.codec import (
    JobAnswer,
    decode,
    encode,
    job_answer,
    structure,
)
from openfunnel_async._protocol.endpoints import Endpoints
from openfunnel_async._transport.wire import MAX_BODY
from tests.support.scripted import JOB, job_reply, reply

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)

BALANCE = {"total_credits": 50.0, "credits_used": 37.5, "credits_left": 12.5}


def path_of(body: object) -> str:
    """Return where a job's answer with this body is said to be wrong."""
    call = Endpoints("https://api.example").status(JOB)
    with pytest.raises(InvalidResponseError) as caught:
        call.read(reply(200, body))
    assert caught.value.is_json
    return caught.value.path


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"{",
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b"NaN",
        b'{"count": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"name": "caf\xe9"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 5000,
        b"-" + b"9" * 5000,
        b'"a\nb"',
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        decode(body)
    assert not caught.value.is_json
    assert caught.value.path == "$"
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("body", [b"[1e999]", b"[-1e999]"])
def test_a_number_that_would_read_as_infinity_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        decode(body)


def test_a_body_over_8_mib_is_refused() -> None:
    with pytest.raises(InvalidResponseError, match="larger than 8 MiB"):
        decode(b'"' + b"x" * (MAX_BODY - 1) + b'"')


def test_a_body_of_8_mib_is_read() -> None:
    assert len(decode(b'"' + b"x" * (MAX_BODY - 2) + b'"')) == MAX_BODY - 2


@settings(deadline=None, max_examples=40)
@given(JSON)
def test_any_json_is_read_as_it_is(value: object) -> None:
    assert decode(json.dumps(value).encode()) == value


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.text(), JSON))
def test_what_is_written_reads_back(value: dict[str, object]) -> None:
    assert decode(encode(value)) == value


def test_a_request_body_is_compact_utf_8() -> None:
    assert encode({"query": "Müller"}) == '{"query":"Müller"}'.encode()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "$"),
        (None, "$"),
        ("running", "$"),
        ({"status": "running"}, "$.job_id"),
        ({"job_id": JOB}, "$.status"),
        ({"job_id": None, "status": "running"}, "$.job_id"),
        ({"job_id": JOB, "status": None}, "$.status"),
        ({"job_id": JOB, "status": 3}, "$.status"),
        ({"job_id": JOB, "status": ["running"]}, "$.status"),
        ({"job_id": 1, "status": "running"}, "$.job_id"),
        ({"job_id": "job-2", "status": "running"}, "$.job_id"),
    ],
)
def test_a_fault_at_the_top_says_where(body: object, path: str) -> None:
    assert path_of(json.dumps(body).encode()) == path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("next_cursor", 3),
        ("page", 0),
        ("manifest", []),
        ("manifest", "none"),
    ],
)
def test_a_field_of_the_wrong_type_says_where(field: str, value: object) -> None:
    """Caught: cattrs' own hooks, which read "5" as 5 and None as "None"."""
    assert path_of({"job_id": JOB, "status": "running", field: value}) == f"$.{field}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", "12"),
        ("count", 12.5),
        ("count", True),
        ("count", -1),
        ("count", -12.0),
        ("count", 2**63 + 1),
        ("count", 1e300),
        ("count", 10**400),
        ("pages", 1.5),
        ("pages", -1),
        ("credits_consumed", "12"),
        ("credits_consumed", False),
        ("credits_consumed", 10**400),
        ("credits_consumed", -(10**400)),
    ],
)
def test_a_manifest_of_wrong_types_says_where(field: str, value: object) -> None:
    body = {"job_id": JOB, "status": "completed", "manifest": {field: value}}
    assert path_of(body) == f"$.manifest.{field}"


def test_the_message_names_the_place_and_not_the_value() -> None:
    body = {"job_id": JOB, "status": "completed", "manifest": {"count": "sensitive"}}
    call = Endpoints("https://api.example").status(JOB)
    with pytest.raises(InvalidResponseError) as caught:
        call.read(reply(200, body))
    assert str(caught.value) == (
        "the answer's $.manifest.count must be a whole number of at least 0"
    )


def test_every_field_that_may_be_null_may_be_null() -> None:
    fields = ("manifest", "error_message", "page", "next_cursor", "processed")
    body = {"job_id": JOB, "status": "pending", **dict.fromkeys(fields)}
    snapshot = Endpoints("https://api.example").status(JOB).read(reply(200, body))
    assert (snapshot.manifest, snapshot.processed) == (None, None)


def test_a_manifest_of_nulls_knows_nothing() -> None:
    fields: dict[str, Any] = {"count": None, "credits_consumed": None, "new": 1}
    assert structure(fields, Manifest) == Manifest()


def test_a_whole_manifest_is_read_as_it_is() -> None:
    fields: dict[str, Any] = {
        "count": 250,
        "pages": 3,
        "page_size": 100,
        "credits_consumed": 249.5,
        "derived_query": "voice ai",
        "resolved_seed_domains": ["a.example"],
        "unresolved_seed_domains": [],
        "rerank_degraded": False,
        "partial": True,
    }
    seeds: dict[str, Any] = {
        "resolved_seed_domains": ("a.example",),
        "unresolved_seed_domains": (),
    }
    assert structure(fields, Manifest) == Manifest(**{**fields, **seeds})


def test_unknown_keys_of_an_answer_are_no_fault() -> None:
    call = Endpoints("https://api.example").page(JOB, None)
    assert call.read(job_reply(eta_seconds=5)).job_id == JOB


def test_a_balance_may_be_fractional_and_whole_numbers_stay_whole() -> None:
    read = Endpoints("https://api.example").balance().read
    assert read(reply(200, BALANCE)).credits_used == 37.5
    assert read(reply(200, {**BALANCE, "credits_left": 12})) == CreditBalance(
        total_credits=50.0, credits_used=37.5, credits_left=12
    )


@pytest.mark.parametrize("value", [None, "37.5", True, [], 10**400])
def test_a_balance_that_is_no_number_says_where(value: object) -> None:
    read = Endpoints("https://api.example").balance().read
    with pytest.raises(InvalidResponseError) as caught:
        read(reply(200, {**BALANCE, "credits_used": value}))
    assert caught.value.path == "$.credits_used"


def _converted(answer: dict[str, Any]) -> JobAnswer:
    return structure(answer, JobAnswer)


def _built(
    how: Callable[[dict[str, Any]], JobAnswer], answer: dict[str, Any]
) -> JobAnswer | str:
    """Return the snapshot, or where the answer is wrong."""
    try:
        return how(answer)
    except InvalidResponseError as exc:
        return exc.path


_NEARLY_RIGHT = st.fixed_dictionaries(
    {"job_id": st.text() | st.just(JOB), "status": st.sampled_from(["running", "odd"])},
    optional={
        name: st.none() | st.text() | st.booleans() | st.integers() | st.floats() | JSON
        for name in (
            "processed",
            "error_message",
            "progress_message",
            "manifest",
            "limit",
            "eta",
            "raw_status",
        )
    },
)


@settings(deadline=None)
@example({"job_id": JOB, "status": "running", "processed": -1})
@example({"job_id": JOB, "status": "running", "processed": True})
@example({"job_id": JOB, "status": "running", "processed": 2**64})
@given(_NEARLY_RIGHT | st.dictionaries(st.sampled_from(["job_id", "status"]), JSON))
def test_the_short_way_to_a_snapshot_is_the_converter(answer: dict[str, Any]) -> None:
    """Caught: a count below zero, and True for a count, taken over as they are."""
    assert repr(_built(job_answer, answer)) == repr(_built(_converted, answer))
