"""With the extra speed an answer means what it means without it, also an odd one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import InvalidResponseError
from openfunnel_async._protocol import codec as _codec
from openfunnel_async._protocol.codec import JobAnswer
from openfunnel_async._protocol.endpoints import Endpoints
from openfunnel_async.book import _records
from tests.support.scripted import JOB, reply

CALLS = Endpoints("https://api.example")
# What one may find in the place of a value; the first ones orjson reads in another way.
ODD = [
    str(2**64),
    str(-(2**63) - 1),
    "1" * 300,
    "1" * 400,
    "1" * 5000,
    "1e999",
    "-1e999",
    "1e300",
    "-0",
    "-0.0",
    "1E2",
    "NaN",
    "-Infinity",
    r'"\ud800"',
    r'"\udc00\ud800"',
    r'"\ud83c\udf99"',
    r'"\u0000"',
    '"\x7f"',
    '"a\tb"',
    '{"a":1,"b":2,"a":3}',
    "[" * 500 + "]" * 500,
    "[" * 1100 + "]" * 1100,
    '{"a":' * 1100 + "1" + "}" * 1100,
    "[[1.5]]",
    f'{{"a":{2**70}}}',
    f'[{{"a":{2**70}}}]',
    "01",
    "1.",
    "[1,]",
    "nul",
    "",
]
SOUND = [
    "null",
    "true",
    "0",
    "12",
    "12.0",
    "0.5",
    '"a"',
    "[]",
    '["a"]',
    '["a",1]',
    "{}",
]
FIELDS = ["name", "employee_count", "rerank_score", "industries", "extra", "new"]
ANSWER = ["status", "processed", "error_message", "page", "next_cursor", "new"]
MANIFEST = ["count", "pages", "page_size", "credits_consumed", "derived_query", "new"]


@st.composite
def objects(draw: st.DrawFn, keys: list[str]) -> str:
    """Draw the text of an object, mostly of sound values; a key may come twice."""
    chosen = draw(st.lists(st.sampled_from(keys), max_size=5))
    value = st.sampled_from(SOUND * 4 + ODD)
    return "{" + ",".join(f'"{key}":{draw(value)}' for key in chosen) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw the body of an answer about a job."""
    same = draw(objects(FIELDS))
    rows = draw(st.lists(st.just(same) | objects(FIELDS), max_size=4))
    parts = [
        f'"job_id":"{JOB}","status":"completed"',
        f'"rows":[{",".join(rows)}]',
        f'"manifest":{draw(st.just("null") | objects(MANIFEST))}',
        draw(objects(ANSWER))[1:-1],
    ]
    return f"{{{','.join(filter(None, parts))}}}".encode()


def without_orjson(_value: object) -> None:
    """Do what the functions of orjson do if it is not installed."""


def outcome(read: Callable[[Any], JobAnswer], body: bytes) -> object:
    """Return what is read, with the types of all values, or the error."""
    try:
        answer = read(reply(200, body))
    except InvalidResponseError as exc:
        return str(exc), exc.path, exc.is_json
    raw, manifest = json.dumps(answer.raw_rows), answer.manifest
    rows = [sorted(vars(row).items(), key=repr) for row in answer.rows]
    facts = None if manifest is None else manifest.to_dict()
    return raw, repr(rows), repr(facts), repr(answer)


def compare(body: bytes) -> None:
    """Check that a body means the same with orjson and without."""
    for call in (CALLS.page(JOB, None), CALLS.status(JOB)):
        quick = outcome(call.read, body)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_codec, "try_loads", without_orjson)
            assert outcome(call.read, body) == quick


@settings(deadline=None, max_examples=400)
@given(bodies())
def test_an_answer_means_the_same_without_orjson(body: bytes) -> None:
    """Caught: an integer beyond 64 bits that became a float in a row or the bill."""
    compare(body)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("field", [*FIELDS, "manifest"])
def test_one_odd_value_means_the_same_without_orjson(field: str, value: str) -> None:
    row = f'{{"name":"A","{field}":{value}}}'
    manifest = f'{{"count":1,"credits_consumed":{value}}}'
    body = (
        f'{{"job_id":"{JOB}","status":"completed","rows":[{row},{row}],'
        f'"manifest":{manifest if field == "manifest" else "null"}}}'
    )
    compare(body.encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"\xef\xbb\xbf{}", b'"\xff"', "{}".encode("utf-16"), b"{} {}"],
)
def test_a_body_that_is_no_answer_is_the_same_without_orjson(body: bytes) -> None:
    compare(body)


def test_an_integer_of_any_size_stays_what_it_is() -> None:
    """Caught: 2**64 in a row, which orjson reads as 18446744073709551616.0."""
    body = f'{{"job_id":"{JOB}","status":"running","rows":[{{"revenue_usd":{2**64}}}]}}'
    (row,) = CALLS.page(JOB, None).read(reply(200, body.encode())).rows
    assert (row.revenue_usd, type(row.revenue_usd)) == (2**64, int)


@pytest.mark.parametrize("value", [*SOUND, *ODD[:4], ODD[7], r'"\ud800"', '[{"a":1}]'])
@pytest.mark.parametrize("can_write", [True, False])
@pytest.mark.parametrize("can_read", [True, False])
def test_a_page_of_a_book_is_the_same_without_orjson(
    value: str, can_write: bool, can_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: an integer beyond 64 bits read as a float from a page packed by json."""
    rows = json.loads(f'[{{"name":"A","new":{value}}},{{"revenue_usd":{value}}}]')
    if not can_write:
        monkeypatch.setattr(_records, "try_dumps", without_orjson)
    if not can_read:
        monkeypatch.setattr(_records, "try_loads", without_orjson)
    assert repr(_records.unpack_rows(_records.pack_rows(rows))) == repr(rows)
