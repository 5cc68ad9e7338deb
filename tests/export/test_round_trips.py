"""Any company is written and read again without a loss or a change."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async import Company, export
from openfunnel_async.export._csv import guard
from tests.export.readers import READERS
from tests.support.hypothesis_settings import bounded

# A cell, or a line or a part of it, that a spreadsheet reads as a formula.
FORMULA = re.compile(r"(^|[;\t\r\n]) *[=+\-@]|^[\t\r\n]")
# With halves of surrogate pairs, which are possible in JSON.
TEXTS = st.text(max_size=12) | st.text(
    st.sampled_from("=+-@'\",;\r\n\t\\\x00\x1f\x85\u2028\ud83d\ude00é東"), max_size=8
)
NUMBERS = st.integers() | st.sampled_from([2**63, -(2**63), 10**40])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, width=32) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner),
    max_leaves=5,
).filter(lambda value: "inf" not in repr(value).lower())
COMPANIES = st.builds(
    Company,
    name=TEXTS | st.none(),
    domain=TEXTS | st.none(),
    description=TEXTS | st.none(),
    employee_count=NUMBERS | st.none(),
    rerank_score=st.none() | st.floats(allow_nan=False, allow_infinity=False) | NUMBERS,
    industries=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    extra=st.dictionaries(TEXTS, JSON, max_size=2),
)
ROWS = st.lists(COMPANIES, max_size=4)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory() as created,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Thousands of calls, and this computer loses no power.
        patch.setattr(os, "fsync", id)
        yield Path(created)


def as_json(value: object) -> Any:
    """Return a value after JSON, which joins the two halves of a surrogate pair."""
    return json.loads(json.dumps(value))


def escaped(text: str | None) -> str | None:
    return text and text.encode(errors="backslashreplace").decode()


@bounded(150)
@given(rows=ROWS)
def test_jsonl_returns_every_value(folder: Path, rows: list[Company]) -> None:
    path = folder / "out.jsonl"
    export.write(rows, path, overwrite=True)
    read = READERS[path.suffix](path)
    assert len(read) == len(rows)
    for row, company in zip(read, rows, strict=True):
        fields = {name: getattr(company, name) for name in export.COLUMNS}
        assert row == as_json({**fields, "extra": company.extra or None})


@bounded(150)
@given(rows=ROWS)
def test_csv_returns_every_value(folder: Path, rows: list[Company]) -> None:
    path = folder / "out.csv"
    export.write(rows, path, overwrite=True)
    read = READERS[path.suffix](path)
    assert len(read) == len(rows)
    for row, company in zip(read, rows, strict=True):
        name = escaped(company.name) or ""
        assert row["name"] == guard(name)
        assert not FORMULA.search(row["name"])
        number = company.employee_count
        assert row["employee_count"] == ("" if number is None else str(number))
        assert json.loads(row["extra"] or "{}") == as_json(company.extra)


@bounded(150)
@given(rows=ROWS)
def test_parquet_returns_every_value(folder: Path, rows: list[Company]) -> None:
    path = folder / "out.parquet"
    export.write(rows, path, overwrite=True)
    read = READERS[path.suffix](path)
    assert len(read) == len(rows)
    for row, company in zip(read, rows, strict=True):
        assert row["name"] == escaped(company.name)
        assert row["description"] == escaped(company.description)
        extra = json.loads(row["extra"] or "{}")
        unfit = extra if row["employee_count"] is None else row
        assert unfit.get("employee_count") == company.employee_count
        known = company.industries
        expected = None if known is None else [escaped(text) for text in known]
        assert row["industries"] == expected
        for key, value in as_json(company.extra).items():
            assert extra[key] == value
