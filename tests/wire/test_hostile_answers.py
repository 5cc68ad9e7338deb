"""Answers that are HTTP and yet cannot be believed, and those that must be."""

import asyncio
import json
from typing import Any

import pytest

from openfunnel_async import (
    InvalidResponseError,
    JobStatus,
    OpenFunnelError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, said
from tests.wire.clients import JOB_ID, SEARCH, client_of

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

OTHER = JOB_ID.replace("0", "f")
DEEP = 200_000
MANY = "9" * 5000
GOOD: dict[str, Any] = {
    "job_id": JOB_ID,
    "status": "running",
    "page": "page_0000",
    "rows": [{"name": "A"}],
    "next_cursor": None,
    "manifest": None,
    "processed": 1,
    "progress_message": None,
    "error_message": None,
}

NOT_JSON: dict[str, bytes] = {
    "HTML": b"<!doctype html><title>Service</title>",
    "nothing": b"",
    "cut": json.dumps(GOOD).encode()[:-9],
    "two": json.dumps(GOOD).encode() * 2,
    "NaN": b'{"processed": NaN}',
    "Infinity": b'{"processed": -Infinity}',
    "a float too large": b'{"processed": 1e999}',
    "a number of 5,000 digits": f'{{"processed": {MANY}}}'.encode(),
    "bad UTF-8": b'{"status": "\xff\xfe"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "lists without end": b"[" * DEEP,
    "objects without end": b'{"rows":' * DEEP,
    "deep but whole": b'{"rows":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a control character": b'{"status": "run\nning"}',
    "a trailing comma": b'{"status": "running",}',
    "single quotes": b"{'status': 'running'}",
}
NO_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'"running"',
    "a number": b"7",
    "true": b"true",
}
# Fields of the envelope, and where the error must point.
UNBELIEVED: list[tuple[dict[str, object], str]] = [
    ({"job_id": OTHER}, "$.job_id"),
    ({"job_id": JOB_ID.upper()}, "$.job_id"),
    ({"job_id": None}, "$.job_id"),
    ({"job_id": 5}, "$.job_id"),
    ({"status": None}, "$.status"),
    ({"status": 2}, "$.status"),
    ({"status": True}, "$.status"),
    ({"status": ["running"]}, "$.status"),
    ({"status": {"name": "running"}}, "$.status"),
    ({"manifest": []}, "$.manifest"),
    ({"manifest": "none"}, "$.manifest"),
    ({"manifest": 0}, "$.manifest"),
    ({"manifest": {"count": "12"}}, "$.manifest.count"),
    ({"manifest": {"count": -1}}, "$.manifest.count"),
    ({"manifest": {"count": 12.5}}, "$.manifest.count"),
    ({"manifest": {"pages": True}}, "$.manifest.pages"),
    ({"manifest": {"credits_consumed": "12"}}, "$.manifest.credits_consumed"),
    ({"manifest": {"credits_consumed": True}}, "$.manifest.credits_consumed"),
    ({"rows": None}, "$.rows"),
    ({"rows": None, "status": "completed"}, "$.rows"),
    ({"rows": None, "status": "cancelled"}, "$.rows"),
    ({"rows": None, "status": "cancelling"}, "$.rows"),
    ({"rows": {"0": {}}}, "$.rows"),
    ({"rows": "none"}, "$.rows"),
    ({"rows": 0}, "$.rows"),
    ({"page": 0}, "$.page"),
    ({"page": ""}, "$.page"),
    ({"page": "\ud800"}, "$.page"),
    ({"next_cursor": 1}, "$.next_cursor"),
    ({"next_cursor": ""}, "$.next_cursor"),
    ({"next_cursor": False}, "$.next_cursor"),
    ({"next_cursor": ["page_0001"]}, "$.next_cursor"),
]  # fmt: skip
ROWS: list[tuple[list[object], str]] = [
    ([{}, None], "$.rows[1]"),
    ([{}, {}, "C"], "$.rows[2]"),
    ([[]], "$.rows[0]"),
    ([1], "$.rows[0]"),
]
BELIEVED: list[tuple[dict[str, object], JobStatus]] = [
    ({"status": "pending", "rows": None, "page": None}, JobStatus.PENDING),
    ({"status": "archived", "rows": None}, JobStatus.UNKNOWN),
    ({"status": "Running"}, JobStatus.UNKNOWN),
    ({"status": ""}, JobStatus.UNKNOWN),
    ({"status": "running\u202e"}, JobStatus.UNKNOWN),
    ({"processed": None}, JobStatus.RUNNING),
    ({"processed": 10**30}, JobStatus.RUNNING),
    ({"manifest": {}}, JobStatus.RUNNING),
    ({"processed": "12"}, JobStatus.RUNNING),
    ({"processed": -1}, JobStatus.RUNNING),
    ({"progress_message": 5}, JobStatus.RUNNING),
    ({"error_message": ["no"]}, JobStatus.RUNNING),
    ({"manifest": {"count": 12.0, "credits_consumed": -0.5}}, JobStatus.RUNNING),
    ({"manifest": {"partial": "false", "page_size": {}}}, JobStatus.RUNNING),
    ({"manifest": {"resolved_seed_domains": [{"a": 1}]}}, JobStatus.RUNNING),
    ({"manifest": {"count": None, "novel": [{"deep": [1]}]}}, JobStatus.RUNNING),
    ({"novel": {"x": "y"}, "rows": []}, JobStatus.RUNNING),
    ({"error_message": "\ud800"}, JobStatus.RUNNING),
]


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


async def error_of(body: bytes | str | Said, *, page: bool = True) -> OpenFunnelError:
    """Read twice what cannot be believed; a third answer would be."""
    answer = body if isinstance(body, Said) else said(body)
    fine = said(json.dumps(GOOD))
    async with (
        RawServer(answer, answer, fine) as server,
        client_of(server.base_url, retry=RetryPolicy(attempts=2)) as client,
    ):
        job = client.job(JOB_ID)
        with pytest.raises(OpenFunnelError) as caught:
            await (job.fetch_page() if page else job.poll())
        assert len(server.received) == 2
    return caught.value


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("page", [False, True], ids=["look", "page"])
async def test_a_body_that_is_not_json(body: bytes, page: bool) -> None:
    """Caught: Python's own reading of NaN; a RecursionError that gets out."""
    error = await error_of(body, page=page)
    assert isinstance(error, InvalidResponseError)
    assert (error.path, error.is_json) == ("$", False)


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT)
async def test_json_that_is_no_object(body: bytes) -> None:
    error = await error_of(body)
    assert isinstance(error, InvalidResponseError)
    assert (error.path, error.is_json) == ("$", True)


@pytest.mark.parametrize(("fields", "path"), UNBELIEVED, ids=str)
@pytest.mark.parametrize("page", [False, True], ids=["look", "page"])
async def test_an_envelope_that_cannot_be_believed(
    fields: dict[str, object], path: str, page: bool
) -> None:
    """Caught: cattrs' coercions; another job's answer; `rows or []`."""
    error = await error_of(json.dumps(GOOD | fields), page=page)
    assert isinstance(error, InvalidResponseError)
    assert (error.path, error.is_json) == (path, True)


@pytest.mark.parametrize("missing", ["job_id", "status"])
async def test_an_envelope_without_what_it_must_have(missing: str) -> None:
    fields = {name: value for name, value in GOOD.items() if name != missing}
    error = await error_of(json.dumps(fields))
    assert isinstance(error, InvalidResponseError)
    assert error.path == f"$.{missing}"


@pytest.mark.parametrize(("rows", "path"), ROWS, ids=str)
async def test_a_row_that_is_no_object(rows: list[object], path: str) -> None:
    error = await error_of(json.dumps(GOOD | {"rows": rows}))
    assert isinstance(error, InvalidResponseError)
    assert error.path == path


@pytest.mark.parametrize(("fields", "status"), BELIEVED, ids=str)
async def test_an_envelope_that_is_odd_and_right(
    fields: dict[str, object], status: JobStatus
) -> None:
    answer = said(json.dumps(GOOD | fields))
    async with RawServer(answer) as server, client_of(server.base_url) as client:
        page = await client.job(JOB_ID).fetch_page()
    assert page.snapshot.status is status
    rows: Any = (GOOD | fields)["rows"] or ()
    assert len(page.rows) == len(rows)


@pytest.mark.parametrize(
    "body", (NOT_JSON | NO_OBJECT).values(), ids=NOT_JSON | NO_OBJECT
)
async def test_a_submit_accepted_in_such_words(body: bytes) -> None:
    async with (
        RawServer(said(body), said(body)) as server,
        client_of(server.base_url, retry=RetryPolicy(attempts=2)) as client,
    ):
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
        assert len(server.received) == 1
    assert caught.value.accepted


@pytest.mark.parametrize(
    "body", (NOT_JSON | NO_OBJECT).values(), ids=NOT_JSON | NO_OBJECT
)
async def test_a_cancel_answered_in_such_words_is_never_called_accepted(
    body: bytes,
) -> None:
    """Caught: any 2xx taken for an acceptance."""
    async with (
        RawServer(said(body)) as server,
        client_of(server.base_url, retry=RetryPolicy(attempts=2)) as client,
    ):
        job = client.job(JOB_ID)
        # The reads in between get the same words, which may end the cancel sooner.
        with pytest.raises((TimeoutError, InvalidResponseError)):
            async with asyncio.timeout(0.3):
                await job.cancel()
        assert job.status is JobStatus.UNKNOWN
