"""``companies.csv``: whole or not at all, and harmless in a spreadsheet."""

import csv
import errno
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from openfunnel_async import Company
from openfunnel_async.cli._tally import Found

COLUMNS = (
    "name", "domain", "linkedin_url", "headquarters", "employee_count",
    "funding_stage", "revenue_usd", "industries", "hq_city", "hq_region", "hq_country",
    "linkedin_follower_count", "rerank_score", "tagline", "match_reason", "description",
)  # fmt: skip
"""The fields of a company, after ``found_by``; a new field goes to the end."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_writable(path: Path) -> None:
    """Find out whether `write` can work, by making its file and taking it away.

    Raises:
        OSError: It cannot, and ``strerror`` says why.
    """
    if path.exists() and not path.is_file():
        # Replacing a device such as /dev/null would take it from everybody.
        what = "a folder" if path.is_dir() else "not a regular file"
        raise OSError(errno.EINVAL, f"it is {what}", str(path))
    with _part_of(path) as part:
        part.touch()


def write(path: Path, companies: Iterable[Found]) -> None:
    """Write one line a company, under a name of its own until it is whole.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    with _part_of(path) as part:
        with part.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("found_by", *COLUMNS))
            lines.writerows(_line(found) for found in companies)
        part.replace(path.resolve())


@contextmanager
def _part_of(path: Path) -> Generator[Path, None, None]:
    """Give a name in the folder of the real file, and see that nothing keeps it."""
    real = path.resolve()
    part = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _line(found: Found) -> list[object]:
    company = found.company
    return [_guarded("; ".join(found.by)), *(_cell(company, name) for name in COLUMNS)]


def _cell(company: Company, name: str) -> object:
    value: object = (
        "; ".join(company.industries or ())
        if name == "industries"
        else getattr(company, name)
    )
    return _guarded(value) if isinstance(value, str) else value


def _guarded(text: str) -> str:
    """Keep a spreadsheet from taking a company's text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
