"""The file of companies: stable, whole, and harmless in a spreadsheet."""

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from openfunnel_async import Company
from openfunnel_async.cli._csv_file import COLUMNS, check_writable, write
from openfunnel_async.cli._tally import Found


def _found(name: str, tagline: str | None = None) -> Found:
    return Found(company=Company(name=name, tagline=tagline), by=("a search",))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_field_of_a_company_has_its_column() -> None:
    assert {field.name for field in attrs.fields(Company)} == {*COLUMNS, "extra"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_formula_is_guarded(start: str, tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"
    write(path, [_found(f"{start}1+1", "a = b")])
    assert [(row["name"], row["tagline"]) for row in _read(path)] == [
        (f"'{start}1+1", "a = b")
    ]


def test_values_are_spelled_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"
    company = Company(
        name='Śnieg "The Original", 東京', industries=("Farms", "Labs"), revenue_usd=5
    )
    write(path, [Found(company=company, by=("one", "two"))])
    row = _read(path)[0]
    assert (row["name"], row["found_by"]) == (company.name, "one; two")
    assert (row["industries"], row["revenue_usd"]) == ("Farms; Labs", "5")
    assert row["domain"] == ""


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def breaking_off() -> Iterator[Found]:
        yield _found("one")
        raise KeyboardInterrupt

    path = tmp_path / "companies.csv"
    path.write_text("of yesterday")
    with pytest.raises(KeyboardInterrupt):
        write(path, breaking_off())
    assert path.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_checking_leaves_nothing_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("of yesterday")
    check_writable(path)
    assert path.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").touch()
    link = tmp_path / "companies.csv"
    link.symlink_to("real.csv")
    write(link, [_found("one")])
    assert link.is_symlink()
    assert "one" in (tmp_path / "real.csv").read_text(encoding="utf-8")


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OSError, match="not a regular file"):
        check_writable(Path(os.devnull))
