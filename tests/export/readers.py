"""Read exported files as other programs do."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl

from openfunnel_async import Company, JobCheckpoint, export
from openfunnel_async.export._part import PartFile

Row = dict[str, Any]


def read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_jsonl(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read_parquet(path: Path) -> list[Row]:
    return pl.read_parquet(path).to_dicts()


def read_xlsx(path: Path) -> list[Row]:
    sheet, *_ = openpyxl.load_workbook(path).worksheets
    headers, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, headers), row, strict=True)) for row in rows]


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
    ".xlsx": read_xlsx,
}


def read_links(path: Path) -> list[str | None]:
    """List the companies of a file, by the link that is unique."""
    return [row["linkedin_url"] for row in READERS[path.suffix](path)]


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_read(company: Company, path: Path) -> Row:
    """Write one company into a file, and read the file."""
    export.write([company], path, overwrite=True)
    [row] = READERS[path.suffix](path)
    return row


def leave_part(path: Path) -> bytes:
    """Leave an unfinished export of job-1, with one row."""
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-1"))
        part.append([Company(name="paid")], JobCheckpoint(job_id="job-1", offset=1))
    return path.with_name(f"{path.name}.part").read_bytes()
