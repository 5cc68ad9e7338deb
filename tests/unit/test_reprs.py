"""A repr stays short and readable, whatever its value holds.

Asyncio logs the repr of a forgotten task's result, and a traceback that of an error.
"""

import time
from typing import Any

import pytest

from openfunnel_async import (
    APIError,
    BulkResult,
    CancelReceipt,
    Company,
    CreditBalance,
    JobCheckpoint,
    JobFailedError,
    JobOutcome,
    JobPage,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    Manifest,
    MergedCompany,
    MergedResults,
    OpenFunnelError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
    TakeResult,
    ValidationIssue,
    WireReply,
    WireRequest,
)
from openfunnel_async._transport.wire import Headers, SecretText
from openfunnel_async.agent_auth import AgentKey
from tests.support.scripted import KEY

MOST = 450
HUGE = "\x1b[2J\u202e\ud800'\"" * 1_000_000


def deep() -> object:
    nested: object = HUGE
    for _ in range(500):
        nested = {"a": [nested] * 2}
    return nested


EXTRA: dict[str, Any] = {f"key {n}": n for n in range(100_000)} | {"deep": deep()}
COMPANY = Company(name=HUGE, description=HUGE, employee_count=10**5000, extra=EXTRA)
MANIFEST = Manifest(count=10**5000, resolved_seed_domains=(HUGE,) * 1000)
SNAPSHOT = JobSnapshot(
    job_id="job-1",
    status=JobStatus.FAILED,
    raw_status=HUGE,
    manifest=MANIFEST,
    error_message=HUGE,
    progress_message=HUGE,
)
SEARCH = LookalikeSearch(query="voice " * 30, seed_domains=["a.example" * 40] * 10)
RECEIPT = CancelReceipt(
    job_id="job-1",
    accepted=True,
    already_terminal=False,
    status=JobStatus.CANCELLED,
    message=HUGE,
)
ROWS = (COMPANY,) * 300
ISSUE = ValidationIssue(loc=(HUGE,) * 100, msg=HUGE, type=HUGE)
RESULT = BulkResult(status=JobStatus.COMPLETED, rows=ROWS, manifest=MANIFEST)
FAILED = JobFailedError(HUGE, "job-1", SNAPSHOT, ROWS)
VALUES: list[object] = [
    COMPANY,
    MANIFEST,
    SNAPSHOT,
    SEARCH,
    RECEIPT,
    ISSUE,
    RESULT,
    JobPage(snapshot=SNAPSHOT, label=HUGE, rows=ROWS, next_cursor=HUGE),
    TakeResult(rows=ROWS, scanned=900, receipt=RECEIPT, status=JobStatus.CANCELLED),
    MergedCompany(company=COMPANY, found_by=tuple(range(100_000))),
    MergedResults(companies=(), new_by=tuple(range(100_000))),
    JobOutcome(search=SEARCH, result=RESULT, error=FAILED),
    CreditBalance(total_credits=1e300, credits_used=-0.5, credits_left=1),
    JobCheckpoint(job_id="job-1", page="x" * 100_000, offset=10**5000),
    WireRequest(method=HUGE, origin=HUGE, path=HUGE, query=((HUGE, HUGE),) * 1000),
    WireReply(status_code=200, headers=dict.fromkeys(EXTRA, HUGE), body=b"x" * 99),
    Headers(dict.fromkeys(EXTRA, HUGE)),
    AgentKey(email=HUGE, api_key=KEY, is_new_user=True),
    FAILED,
    APIError(HUGE, 500, EXTRA, 1.0),
    RequestRejectedError(HUGE, 422, [EXTRA] * 1000, None, (ISSUE,) * 1000),
    SubmitOutcomeUnknownError(HUGE, SEARCH, True, "job-1", 10**5000),
    OpenFunnelError("made by a test", RESULT, SecretText(KEY), object()),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_it_is_short_visible_and_quick(value: object) -> None:
    """Caught: 521 kB for 300 rows; a whole text or mapping written and then cut."""
    begun = time.perf_counter()
    shown = repr(value)
    assert time.perf_counter() - begun < 0.2
    assert len(shown) <= MOST
    assert shown.isprintable()
    assert type(value).__name__.removesuffix("Headers").lower() in shown.lower()
    assert KEY[:8] not in shown


def test_a_result_says_how_it_ended_and_counts_its_rows() -> None:
    assert repr(RESULT) == "<BulkResult completed, 300 rows>"
    one = BulkResult(status=JobStatus.CANCELLED, rows=(Company(),), manifest=None)
    assert repr(one) == "<BulkResult cancelled, 1 row>"


def test_a_page_and_what_was_taken_count_their_rows() -> None:
    page = JobPage(snapshot=SNAPSHOT, label="page_0003", rows=ROWS, next_cursor=None)
    assert repr(page) == "<JobPage page_0003, 300 rows, job failed>"
    taken = TakeResult(
        rows=ROWS, scanned=900, receipt=RECEIPT, status=JobStatus.CANCELLED
    )
    assert repr(taken) == "<TakeResult cancelled, 300 rows of 900 scanned>"


def test_merged_results_count_companies_and_searches() -> None:
    merged = MergedCompany(company=Company(name="A"), found_by=(0, 2))
    assert repr(merged) == "MergedCompany(company=Company(name='A'), found_by=(0, 2))"
    results = MergedResults(companies=(merged,) * 7, new_by=(4, 3))
    assert repr(results) == "<MergedResults 7 companies of 2 searches>"


def test_fields_that_are_known_are_shown_and_the_others_are_not() -> None:
    search = LookalikeSearch(query="voice", limit=50, locations=["DEU"])
    assert repr(search) == (
        "LookalikeSearch(query='voice', limit=50, locations=('DEU',))"
    )
    row = Company(name="A", industries=(), extra={"x": {"y": {"z": 1}}})
    assert repr(row) == "Company(name='A', extra={'x': {'y': {…}}})"


def test_a_cut_value_ends_in_an_ellipsis_and_the_next_field_is_still_there() -> None:
    row = Company(name="x" * 500, employee_count=3, industries=tuple("abcdef"))
    shown = repr(row)
    assert "xxx…" in shown
    assert shown.endswith("…', employee_count=3, industries=('a', 'b', 'c', … 3 more))")


def test_an_error_shows_its_message_and_its_facts() -> None:
    error = APIError("no such plan", 403, {"code": 7}, 2.5)
    assert repr(error) == "APIError('no such plan', 403, {'code': 7}, 2.5)"
