"""What an export may replace, and how its file is laid out."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pytest

from openfunnel_async import Company, ConfigurationError, export
from openfunnel_async.export import _locks, _paths, _xlsx
from tests.export.readers import leave_part, list_names, read_csv, read_links, read_xlsx

LIKE_NUMBERS = ("01", "TRUE", "=1+1", "https://example.com", "1e5", "2026-01-01")


@pytest.mark.anyio
async def test_a_part_without_a_job_is_discarded_on_demand_only(tmp_path: Path) -> None:
    path, stop = tmp_path / "out.csv", RuntimeError("stopped")

    async def rows() -> AsyncIterator[Company]:
        yield Company(name="one")

    def fail(_rows: int) -> None:
        raise stop

    with pytest.raises(RuntimeError):
        await export.to_file(rows(), path, on_rows=fail)
    with pytest.raises(ConfigurationError, match="discard it with overwrite=True"):
        await export.to_file(rows(), path)
    report = await export.to_file(rows(), path, overwrite=True)
    assert report.rows == 1
    assert list_names(tmp_path) == ["out.csv"]


@pytest.mark.anyio
@pytest.mark.parametrize("has_links", [True, False])
async def test_a_file_made_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    path = tmp_path / "out.csv"

    def no_link(*_args: object) -> None:
        raise PermissionError

    if not has_links:
        monkeypatch.setattr(os, "link", no_link)

    async def rows() -> AsyncIterator[Company]:
        yield Company(linkedin_url="one")

    with pytest.raises(FileExistsError, match="meanwhile"):
        await export.to_file(rows(), path, on_rows=lambda _rows: path.write_text("x"))
    assert path.read_text() == "x"
    assert list_names(tmp_path) == ["out.csv", "out.csv.part"]
    path.unlink()
    await export.to_file(rows(), path, overwrite=True)
    assert read_links(path) == ["one"]
    other = tmp_path / "other.csv"
    await export.to_file(rows(), other)
    assert read_links(other) == ["one"]
    assert list_names(tmp_path) == ["other.csv", "out.csv"]


def test_every_text_of_csv_is_quoted_and_no_number_is(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    company = Company(name='a "b"', domain="", employee_count=5, rerank_score=0.5)
    columns = ["name", "domain", "employee_count", "rerank_score", "tagline"]
    export.write([company], path, columns=columns)
    lines = path.read_bytes().split(b"\r\n")
    assert lines[1:] == [b'"a ""b""","",5,0.5,', b""]


def test_a_row_of_one_empty_cell_is_a_row(tmp_path: Path) -> None:
    """Caught: an empty line, which readers skip."""
    path = tmp_path / "out.csv"
    export.write([Company(), Company()], path, columns=["name"])
    assert len(read_csv(path)) == 2


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x; @a", "x; '@a"),
        ("x\n=1+1\ny", "x\n'=1+1\ny"),
        ("a\t-1", "a\t'-1"),
        (" =1", " '=1"),
        ("a = b; c-d", "a = b; c-d"),
    ],
)
def test_a_formula_inside_of_a_text_is_guarded(
    tmp_path: Path, text: str, guarded: str
) -> None:
    """Caught: a formula behind a line break, which LibreOffice computed with `;`."""
    path = tmp_path / "out.csv"
    company = Company(name=text, industries=("a", "=b"), extra={"k": "x;=1"})
    export.write([company], path, list_separator="|")
    [row] = read_csv(path)
    assert (row["name"], row["industries"]) == (guarded, "a|'=b")
    assert row["extra"] == '{"k": "x;\\u003d1"}'


def test_the_layout_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    company = Company(name="Ś", industries=("a", "b"))
    columns = {"industries": "Industry", "name": "Company name"}
    export.write(
        [company],
        path,
        columns=columns,
        bom=True,
        list_separator=";",
        line_terminator="\n",
    )
    expected = '\ufeff"Industry","Company name"\n"a;b","Ś"\n'
    assert path.read_text(encoding="utf-8") == expected


def read_as_frame(path: Path) -> pl.DataFrame:
    return pl.DataFrame(read_xlsx(path))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".xlsx"])
def test_columns_are_renamed_in_each_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    export.write([Company(name="a")], path, columns={"name": "Company name"})
    readers: dict[str, Any] = {
        ".jsonl": pl.read_ndjson,
        ".parquet": pl.read_parquet,
        ".xlsx": read_as_frame,
    }
    assert readers[suffix](path).to_dicts() == [{"Company name": "a"}]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.csv", {"bom": 1}),
        ("out.csv", {"list_separator": ""}),
        ("out.csv", {"list_separator": "\0"}),
        ("out.csv", {"list_separator": None}),
        ("out.csv", {"line_terminator": "\r"}),
        ("out.csv", {"overwrite": None}),
        ("out.csv", {"resume": 1}),
        ("out.csv", {"columns": {"name": ""}}),
        ("out.csv", {"columns": {"name": "a\nb"}}),
        ("out.csv", {"columns": {"name": "a", "domain": "a"}}),
        ("out.csv", {"columns": {"nmae": "a"}}),
        ("out.csv", {"columns": {}}),
        ("out.jsonl", {"bom": True}),
        ("out.jsonl", {"list_separator": ";"}),
        ("out.xlsx", {"line_terminator": "\n"}),
    ],
)
async def test_invalid_arguments_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        await export.to_file([], tmp_path / name, **options)
    with pytest.raises(ConfigurationError):
        export.check(tmp_path / name, **options)
    assert list_names(tmp_path) == []


def test_the_cells_of_excel_have_types(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    for text in (*LIKE_NUMBERS, "<r>a&</r>", "a\r\nb", "<r></r>"):
        company = Company(name=text, employee_count=7, revenue_usd=10**18)
        export.write([company], path, overwrite=True)
        sheet = openpyxl.load_workbook(path).worksheets[0]
        name, *_ = sheet[2]
        assert (name.value, name.data_type) == (text.replace("\r", ""), "s")
        assert name.hyperlink is None
        assert sheet["E2"].value == 7
        assert sheet["G2"].value == str(10**18)
        assert sheet["B2"].value is None


def test_no_row_and_no_text_is_lost_at_the_limits_of_excel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: rows after the last one of a sheet, and the ends of texts, dropped."""
    monkeypatch.setattr(_xlsx, "_MOST_ROWS", 4)
    path, long = tmp_path / "out.xlsx", "😀é" * 25_000
    rows = [Company(name=str(number)) for number in range(6)]
    export.write([*rows, Company(name="7", description=long)], path)
    workbook = openpyxl.load_workbook(path)
    names = ["Companies", "Companies 2", "Companies 3", "Long texts"]
    assert workbook.sheetnames == names
    read = [cell.value for name in names[:3] for cell in workbook[name]["A"][1:]]
    assert read == [*map(str, range(6)), "7"]
    cut = str(workbook["Companies 3"]["P2"].value)
    assert cut.endswith("complete on the sheet Long texts")
    assert len(cut.encode("utf-16-le")) <= 2 * 32_767
    pieces = list(workbook["Long texts"].iter_rows(min_row=2, values_only=True))
    assert "".join(str(piece[4]) for piece in pieces) == long
    assert pieces[0][:4] == ("Companies 3", 2, "description", 1)


def test_without_xlsxwriter_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigurationError, match=r"pip install .\.\[excel\]"):
        export.check(tmp_path / "out.xlsx")


@pytest.mark.parametrize("bom", [True, False])
def test_duckdb_and_polars_read_the_types_of_csv(tmp_path: Path, bom: bool) -> None:
    path = tmp_path / "out.csv"
    full = Company(name="Śnieg\n2", domain="", employee_count=7, description='a ";" b')
    export.write([full, Company()], path, bom=bom)
    read = duckdb.read_csv(str(path)).project("name, employee_count, description")
    assert read.fetchall() == [("Śnieg\n2", 7, 'a ";" b'), (None, None, None)]
    frame = pl.read_csv(path)
    assert frame["employee_count"].to_list() == [7, None]
    assert frame["name"].to_list() == ["Śnieg\n2", None]
    assert frame["domain"].to_list() == ["", None]


def test_the_presets_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for preset in (export.HUBSPOT_COMPANIES, export.SALESFORCE_ACCOUNTS):
        export.write([Company()], path, columns=preset, overwrite=True)
        assert list(read_csv(path)[0]) == list(preset.values())


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows links need a privilege")
def test_no_link_is_followed_but_that_of_the_caller(tmp_path: Path) -> None:
    path, victim = tmp_path / "out.csv", tmp_path / "victim"
    victim.touch()
    (tmp_path / "out.csv.part").symlink_to(victim)
    for call in (export.check, export.left_at):
        with pytest.raises(ConfigurationError, match="is a link"):
            call(path)
    (tmp_path / "out.csv.part").unlink()
    os.mkfifo(tmp_path / "out.csv.part")
    for call in (export.check, export.left_at):
        with pytest.raises(ConfigurationError, match="not a regular file"):
            call(path)
    assert victim.read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows links need a privilege")
def test_a_temporary_name_is_new_and_a_link_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim = tmp_path / "out.csv", tmp_path / "victim"
    assert _paths._make_new_path(path) != _paths._make_new_path(path)

    def guess(_size: int) -> str:
        return "guess"

    monkeypatch.setattr(secrets, "token_hex", guess)
    (tmp_path / "out.csv.part.guess.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        export.write([], path)
    assert not victim.exists()


def test_the_temporary_files_of_killed_exports_are_removed(tmp_path: Path) -> None:
    left = tmp_path / f"out.csv.part.{'0a' * 8}.tmp"
    mine = tmp_path / "out.csv.part.mine.tmp"
    for path in (left, mine):
        path.touch()
    export.write([], tmp_path / "out.csv")
    assert list_names(tmp_path) == ["out.csv", mine.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_the_part_is_not_readable_by_more_people_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.touch(mode=0o600)
    leave_part(path)
    assert (tmp_path / "out.csv.part").stat().st_mode & 0o777 == 0o600


def test_the_lock_of_windows_is_on_one_byte_behind_the_rows(tmp_path: Path) -> None:
    """Caught: a lock at the position of the file, which hides rows from a reader."""
    locked: dict[int, int] = {}

    def locking(descriptor: int, mode: int, size: int) -> None:
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        if mode != 2 or size != 1 or place in locked:
            raise PermissionError(13, "Permission denied")
        locked[place] = descriptor

    with (tmp_path / "x").open("w+b", buffering=0) as file:
        file.write(b"rows")
        _locks.lock_byte(file.fileno(), locking, 2)
        assert list(locked) == [_locks.LOCKED_BYTE]
        assert file.tell() == 4
        with pytest.raises(BlockingIOError):
            _locks.lock_byte(file.fileno(), locking, 2)
        assert file.tell() == 4


def test_without_extras_the_other_formats_work(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['xlsxwriter'] = sys.modules['polars'] = None\n"
        "from openfunnel_async import export\n"
        f"export.write([], {str(tmp_path / 'out.csv')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 -- our code
