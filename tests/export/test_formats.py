"""The content of the files, as other programs read it."""

import json
import math
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest

from openfunnel_async import (
    BulkResult,
    Company,
    ConfigurationError,
    JobStatus,
    export,
    merge_results,
)
from tests.export.readers import READERS, read_csv, write_and_read

FULL = Company(
    name='Śnieg "The Original", 東京',
    domain="",
    linkedin_url="https://linkedin.example/company/śnieg",
    employee_count=0,
    rerank_score=0.25,
    revenue_usd=29_938_000_000,
    industries=("Farms", "Labs; both"),
    description="two\r\nlines\n\nand \U0001f600 \u2028 and a half",
    extra={"company_size": "11-50", "deep": [{"Größe": None}]},
)
SCHEMA = {
    "name": pl.String(),
    "domain": pl.String(),
    "linkedin_url": pl.String(),
    "headquarters": pl.String(),
    "employee_count": pl.Int64(),
    "funding_stage": pl.String(),
    "revenue_usd": pl.Int64(),
    "industries": pl.List(pl.String),
    "hq_city": pl.String(),
    "hq_region": pl.String(),
    "hq_country": pl.String(),
    "linkedin_follower_count": pl.Int64(),
    "rerank_score": pl.Float64(),
    "tagline": pl.String(),
    "match_reason": pl.String(),
    "description": pl.String(),
    "extra": pl.String(),
}


def test_every_field_of_a_company_has_its_column() -> None:
    assert [field.name for field in attrs.fields(Company)] != list(export.COLUMNS)
    assert {field.name for field in attrs.fields(Company)} == set(export.COLUMNS)


def test_csv_has_every_value(tmp_path: Path) -> None:
    row = write_and_read(FULL, tmp_path / "out.csv")
    assert list(row) == list(export.COLUMNS)
    known = {name: value for name, value in row.items() if value}
    assert known == {
        "name": FULL.name,
        "linkedin_url": FULL.linkedin_url,
        "employee_count": "0",
        "rerank_score": "0.25",
        "revenue_usd": "29938000000",
        "industries": "Farms; Labs; both",
        "description": FULL.description,
        "extra": '{"company_size": "11-50", "deep": [{"Größe": null}]}',
    }


@pytest.mark.parametrize("name", ["out.jsonl", "out.ndjson"])
def test_jsonl_has_every_value(tmp_path: Path, name: str) -> None:
    row = write_and_read(FULL, tmp_path / name)
    assert list(row) == list(export.COLUMNS)
    assert row.pop("industries") == ["Farms", "Labs; both"]
    assert row == {name: getattr(FULL, name) for name in row}


def test_parquet_has_every_value(tmp_path: Path) -> None:
    row = write_and_read(FULL, tmp_path / "out.parquet")
    assert list(row) == list(export.COLUMNS)
    assert row.pop("industries") == ["Farms", "Labs; both"]
    extra = row.pop("extra")
    assert extra == '{"company_size": "11-50", "deep": [{"Größe": null}]}'
    assert row == {name: getattr(FULL, name) for name in row}


def test_an_unknown_value_is_empty_or_null(tmp_path: Path) -> None:
    assert set(write_and_read(Company(), tmp_path / "out.csv").values()) == {""}
    assert set(write_and_read(Company(), tmp_path / "out.jsonl").values()) == {None}
    assert set(write_and_read(Company(), tmp_path / "out.parquet").values()) == {None}


def test_polars_reads_the_same_from_each_format(tmp_path: Path) -> None:
    rows = [FULL, Company(name="b"), FULL]
    export.write(rows, tmp_path / "out.csv")
    export.write(rows, tmp_path / "out.jsonl")
    export.write(rows, tmp_path / "out.parquet")
    from_csv = pl.read_csv(tmp_path / "out.csv")
    from_json = pl.read_ndjson(tmp_path / "out.jsonl")
    from_parquet = pl.read_parquet(tmp_path / "out.parquet")
    for name in ("name", "revenue_usd", "description"):
        expected = [getattr(row, name) for row in rows]
        assert from_csv[name].to_list() == expected
        assert from_json[name].to_list() == expected
        assert from_parquet[name].to_list() == expected


@pytest.mark.parametrize("rows", [(), (Company(),), (FULL,), (Company(), FULL)])
def test_the_types_of_a_dataframe_are_the_same_for_all_rows(
    rows: tuple[Company, ...], tmp_path: Path
) -> None:
    assert dict(export.dataframe(rows).schema) == SCHEMA
    export.write(rows, tmp_path / "out.parquet")
    assert pl.read_parquet_schema(tmp_path / "out.parquet") == SCHEMA


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", "\uff1d", "\uff0b"])
def test_a_formula_is_quoted_in_csv_only(start: str, tmp_path: Path) -> None:
    company = Company(name=f"{start}1+1", tagline="a = b", industries=(f"{start}x",))
    row = write_and_read(company, tmp_path / "out.csv")
    assert (row["name"], row["tagline"]) == (f"'{start}1+1", "a = b")
    assert row["industries"] == f"'{start}x"
    for name in ("out.jsonl", "out.parquet"):
        assert write_and_read(company, tmp_path / name)["name"] == company.name


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, -(2**63) - 1, 10**30])
def test_a_number_of_any_size_is_written(number: int, tmp_path: Path) -> None:
    """Caught: a column of 64 bits, for which the whole file failed."""
    company = Company(revenue_usd=number)
    assert write_and_read(company, tmp_path / "out.csv")["revenue_usd"] == str(number)
    assert write_and_read(company, tmp_path / "out.jsonl")["revenue_usd"] == number
    row = write_and_read(company, tmp_path / "out.parquet")
    if number < 2**63 and number > 0:
        assert (row["revenue_usd"], row["extra"]) == (number, None)
    else:
        assert row["revenue_usd"] is None
        assert row["extra"] == f'{{"revenue_usd": {number}}}'


def test_a_value_that_does_not_fit_its_column_is_in_extra(
    tmp_path: Path,
) -> None:
    odd: Any = {"name": 5, "industries": ("a", 1), "rerank_score": 2**60, "domain": "d"}
    company = Company(**odd, extra={"more": True})
    row = write_and_read(company, tmp_path / "out.parquet")
    assert row["domain"] == "d"
    assert (row["name"], row["industries"], row["rerank_score"]) == (None, None, None)
    extra_start = '{"more": true, "name": 5, "industries": ["a", 1], "rerank_score": '
    assert row["extra"] == f"{extra_start}{2**60}}}"


def test_half_a_surrogate_pair_is_escaped(tmp_path: Path) -> None:
    company = Company(name="a\ud800b", extra={"x": "\udfff"})
    assert write_and_read(company, tmp_path / "out.csv")["name"] == "a\\ud800b"
    assert write_and_read(company, tmp_path / "out.parquet")["name"] == "a\\ud800b"
    row = write_and_read(company, tmp_path / "out.jsonl")
    assert (row["name"], row["extra"]) == ("a\ud800b", {"x": "\udfff"})


def test_a_company_is_one_line_of_jsonl_for_every_reader(tmp_path: Path) -> None:
    """Caught: U+2028, for which str.splitlines() ends a line."""
    breaks = "".join(map(chr, [*range(32), 0x85, 0x2028, 0x2029]))
    path = tmp_path / "out.jsonl"
    export.write([Company(name=breaks, extra={breaks: breaks})] * 2, path)
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first == second
    assert json.loads(first)["name"] == breaks


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_has_the_given_columns_in_their_order(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"out{suffix}"
    export.write([FULL], path, columns=["revenue_usd", "name"])
    [row] = READERS[suffix](path)
    assert list(row) == ["revenue_usd", "name"]
    assert row["name"] == FULL.name


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["nmae"], "no column 'nmae'; there are name, domain"),
        (["found_by"], "no column 'found_by'"),
        (["name", "name"], "asked for twice"),
        ([], "at least one name"),
        ("name", "a list, a tuple"),
        ([["name"]], "no column"),
        ({"name": 1}, "not a header"),
    ],
)
def test_invalid_columns_are_refused(columns: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        export.write([], tmp_path / "out.csv", columns=columns)
    with pytest.raises(ConfigurationError, match=words):
        export.check(tmp_path / "out.csv", columns)
    with pytest.raises(ConfigurationError, match=words):
        export.dataframe([], columns=columns)
    assert list(tmp_path.iterdir()) == []


def results() -> tuple[BulkResult, BulkResult]:
    one, two, three = (Company(linkedin_url=name) for name in ("1", "2", "3"))
    done = JobStatus.COMPLETED
    return (
        BulkResult(status=done, rows=(one, two), manifest=None),
        BulkResult(status=done, rows=(two, three), manifest=None),
    )


def test_merged_results_name_the_searches_that_found_a_company(tmp_path: Path) -> None:
    merged = merge_results(results())
    path = tmp_path / "out.csv"
    report = export.write(merged, path)
    assert (report.rows, report.status) == (3, None)
    assert list(read_csv(path)[0]) == ["found_by", *export.COLUMNS]
    assert [row["found_by"] for row in read_csv(path)] == ["0", "0; 1", "1"]
    export.write(merged, path, searches=["=voice", "robots"], overwrite=True)
    found = [row["found_by"] for row in read_csv(path)]
    assert found == ["'=voice", "'=voice; robots", "robots"]


def test_found_by_is_a_list_in_a_dataframe() -> None:
    merged = merge_results(results())
    frame = export.dataframe(merged, columns=["linkedin_url", "found_by"])
    assert frame["found_by"].to_list() == [["0"], ["0", "1"], ["1"]]


def test_the_report_has_the_status_of_a_result(tmp_path: Path) -> None:
    report = export.write(results()[0], tmp_path / "out.csv")
    assert (report.rows, report.status) == (2, JobStatus.COMPLETED)
    assert report.path == tmp_path / "out.csv"


@pytest.mark.parametrize("source", [None, 5, "acme", [{"name": "acme"}], [None]])
def test_a_source_of_other_items_is_refused(source: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old content")
    with pytest.raises(ConfigurationError, match=r"compan|Company"):
        export.write(source, path, overwrite=True)
    assert path.read_text() == "old content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [object(), math.nan, {1, 2}])
def test_a_value_that_json_cannot_represent_is_refused(
    value: Any, tmp_path: Path
) -> None:
    company = Company(extra={"x": value})
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        with pytest.raises(ConfigurationError, match="that JSON cannot"):
            export.write([company], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_polars_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigurationError, match=r"pip install .\.\[frames\]"):
        export.check(tmp_path / "out.parquet")
    with pytest.raises(ConfigurationError, match=r"pip install .\.\[frames\]"):
        export.dataframe([])
    export.write([FULL], tmp_path / "out.csv")


def test_write_rows_writes_the_same_as_write(tmp_path: Path) -> None:
    """Caught: another format; the file of the caller closed."""
    rows = [FULL, Company(name="plain")]
    for suffix in (".csv", ".jsonl", ".parquet"):
        path = tmp_path / f"rows{suffix}"
        export.write(rows, path, columns=["name", "extra"])
        file = BytesIO()
        columns = ["name", "extra"]
        assert export.write_rows(rows, file, suffix=suffix, columns=columns) == 2
        assert file.getvalue() == path.read_bytes()


def test_write_rows_refuses_an_unknown_ending() -> None:
    with pytest.raises(ConfigurationError, match=r"must end in one of \.csv"):
        export.write_rows([FULL], BytesIO(), suffix=".xml")
