"""A field that only informs never makes an answer unreadable."""

from typing import Any

import pytest

from openfunnel_async import CreditBalance, Manifest
from openfunnel_async._protocol import codec as _codec
from openfunnel_async._protocol.codec import job_answer, structure
from openfunnel_async._protocol.endpoints import Endpoints
from tests.support.scripted import JOB, job_reply, reply

ODD: dict[str, list[object]] = {
    "processed": ["5", True, -1, 5.5, 10**400, 1e300, {}],
    "error_message": [5, False, {"why": "x"}],
    "progress_message": [{}, ["retrieving"], 0],
    "manifest.page_size": ["100", -1, 0.5, True],
    "manifest.derived_query": [5, {"query": "x"}],
    "manifest.resolved_seed_domains": ["a.example", {}, 5],
    "manifest.unresolved_seed_domains": [[None], [{"domain": "a.example"}], ["a", 1]],
    "manifest.rerank_degraded": ["false", 0, 0.0],
    "manifest.partial": [0, "true", []],
}


@pytest.fixture(autouse=True)
def nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: set[str] = set()
    monkeypatch.setattr(_codec, "_warned", warned)


@pytest.mark.parametrize("field", ODD)
def test_it_reads_none_once_logged_and_the_rows_are_there(
    field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: a strict hook for such a field, which made paid rows unreadable."""
    place, _, name = field.rpartition(".")
    call = Endpoints("https://api.example").page(JOB, None)
    for value in ODD[field]:
        fields: dict[str, Any] = {place: {name: value}} if place else {name: value}
        page = call.read(job_reply("completed", rows=[{"name": "A"}], **fields))
        assert page.rows[0].name == "A"
        holder = page.manifest if place else page
        assert getattr(holder, name) is None
    (record,) = caplog.records
    assert record.getMessage() == (
        f"the answer's $.{field} has an unexpected type; it reads None"
    )


def test_null_is_no_unexpected_type(caplog: pytest.LogCaptureFixture) -> None:
    fields: dict[str, Any] = {"partial": None, "page_size": None, "count": None}
    job_answer({"job_id": JOB, "status": "completed", "manifest": fields})
    assert caplog.records == []


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    """Caught: 12.0 refused, or kept as a float."""
    numbers = {"count": 12.0, "pages": 1.0, "page_size": 1e2}
    answer = {"job_id": JOB, "status": "completed", "processed": 12.0}
    built = job_answer({**answer, "manifest": numbers})
    assert built.manifest is not None
    found = (built.manifest.count, built.manifest.pages, built.manifest.page_size)
    assert (*found, built.processed) == (12, 1, 100, 12)
    assert {type(number) for number in (*found, built.processed)} == {int}


@pytest.mark.parametrize("bill", [-0.5, -3, 0, 12.0])
def test_a_bill_may_be_negative(bill: float) -> None:
    built = structure({"credits_consumed": bill}, Manifest)
    assert built.credits_consumed == bill
    assert type(built.credits_consumed) is type(bill)


def test_a_balance_may_be_negative() -> None:
    """Caught: an overdrawn account whose balance could not be read."""
    numbers = {"total_credits": 50, "credits_used": 51.5, "credits_left": -1.5}
    read = Endpoints("https://api.example").balance().read
    assert read(reply(200, numbers)) == CreditBalance(**numbers)
