"""`to_dict()` and `to_json()` of every value, and results as sequences of rows."""

import json
from typing import Any, cast

import attrs
import pytest

from openfunnel_async import (
    BulkResult,
    CancelReceipt,
    Company,
    ConfigurationError,
    CreditBalance,
    JobCheckpoint,
    JobOutcome,
    JobPage,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    Manifest,
    PollPolicy,
    RateLimitedError,
    RetryPolicy,
    TakeResult,
    ValidationIssue,
    merge_results,
)

ROWS = (
    Company(name="Ä", industries=("a", "b"), extra={"deep": [{"x": None}]}),
    Company(rerank_score=0.5),
)
MANIFEST = Manifest(count=2, pages=1, credits_consumed=2.0)
SNAPSHOT = JobSnapshot(
    job_id="job-1",
    status=JobStatus.COMPLETED,
    raw_status="completed",
    manifest=MANIFEST,
)
RECEIPT = CancelReceipt(
    job_id="job-1", accepted=True, already_terminal=False, status=JobStatus.CANCELLED
)
RESULT = BulkResult(status=JobStatus.COMPLETED, rows=ROWS, manifest=MANIFEST)
TAKEN = TakeResult(rows=ROWS, scanned=3, receipt=RECEIPT, status=JobStatus.CANCELLED)
SEARCH = LookalikeSearch(query="voice", limit=5, extra={"new_field": [1, {"a": None}]})
VALUES = [
    *ROWS,
    MANIFEST,
    SNAPSHOT,
    RECEIPT,
    RESULT,
    TAKEN,
    SEARCH,
    JobPage(snapshot=SNAPSHOT, label="page_0001", rows=ROWS, next_cursor=None),
    CreditBalance(total_credits=10.0, credits_used=2.5, credits_left=7.5),
    JobCheckpoint(job_id="job-1", offset=3),
    PollPolicy(),
    RetryPolicy(),
    ValidationIssue(loc=("body", 0), msg="too big", type="less_than"),
    merge_results([RESULT]),
]


def is_json(form: object) -> bool:
    """Whether JSON has exactly this: a tuple or an enum would come back as another."""
    return repr(json.loads(json.dumps(form, allow_nan=False))) == repr(form)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_value_has_a_form_in_json(value: Any) -> None:
    """Caught: an enum, a tuple or a nested value that json.dumps refuses."""
    form = value.to_dict()
    assert is_json(form)
    assert list(form) == list(attrs.fields_dict(cast("Any", type(value))))
    assert json.loads(value.to_json()) == form


def test_an_extra_key_stays_beside_the_fields() -> None:
    form = ROWS[0].to_dict()
    assert (form["name"], form["industries"]) == ("Ä", ["a", "b"])
    assert form["extra"] == {"deep": [{"x": None}]}


def test_an_outcome_names_the_job_and_the_error() -> None:
    error = RateLimitedError("too many", 429)
    form = JobOutcome(search=SEARCH, error=error).to_dict()
    assert is_json(form)
    assert (form["job_id"], form["result"], form["credits_consumed"]) == (None,) * 3
    assert form["error"] == {"type": "RateLimitedError", "message": "too many"}


def test_a_result_is_the_sequence_of_its_rows() -> None:
    for result in (RESULT, TAKEN):
        assert len(result) == 2
        assert list(result) == list(ROWS)
        assert (result[0], result[-1], result[:1]) == (ROWS[0], ROWS[1], ROWS[:1])


def test_a_result_without_rows_is_still_true() -> None:
    """Caught: `if outcome.result:` that takes an empty result for none."""
    assert BulkResult(status=JobStatus.COMPLETED, rows=(), manifest=None)


def test_a_result_states_its_bill() -> None:
    assert RESULT.credits_consumed == 2.0
    assert attrs.evolve(RESULT, manifest=None).credits_consumed is None


@pytest.mark.parametrize(
    "extra",
    [
        {"query": "other"},
        {"limit": 5},
        {"": 1},
        {5: 1},
        {"x": object()},
        {"x": float("nan")},
        {"x": {1, 2}},
        [("x", 1)],
        "x",
    ],
)
def test_an_extra_that_cannot_be_sent_is_refused(extra: Any) -> None:
    """Caught: a known field overwritten; a submit that fails while it is encoded."""
    with pytest.raises(ConfigurationError, match="extra"):
        LookalikeSearch(query="voice", extra=extra)


def test_an_extra_is_the_callers_no_more() -> None:
    """Caught: a search that changes after it was checked."""
    inner: dict[str, Any] = {"a": 1}
    search = LookalikeSearch(query="voice", extra={"x": inner})
    inner["a"] = object()
    assert search.extra == {"x": {"a": 1}}
    assert hash(search) == hash(LookalikeSearch(query="voice"))
