"""The file of ``book known add``: companies of a CRM, as CSV or as JSON lines."""

import csv
import io
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.cli._plan_file import BrokenLine, BrokenPlanError, read_text

_DOMAIN, _PAGE = "domain", "linkedin_url"
_COLUMNS = {
    _DOMAIN: (
        "domain",
        "company domain",
        "company domain name",
        "domain name",
        "website",
        "website url",
        "company website",
        "website domain",
        "homepage",
        "homepage url",
        "url",
    ),
    _PAGE: (
        "linkedin url",
        "linkedin",
        "linkedin page",
        "linkedin company page",
        "linkedin company url",
        "company linkedin url",
        "company linkedin",
        "linkedin profile",
        "company linkedin page",
    ),
}
"""The names of columns, without capitals, and with a space for ``_`` and ``-``."""
_FIELDS = {name: field for field, names in _COLUMNS.items() for name in names}
_SEPARATORS = ",;\t"


class KnownLine(NamedTuple):
    """A company of the file.

    Attributes:
        number: The line on which it begins, from 1.
        company: ``domain``, ``linkedin_url`` or both.
    """

    number: int
    company: Mapping[str, str]


_Records = Iterable[tuple[int, Mapping[str, str] | str]]


def read_known(path: Path) -> tuple[list[KnownLine], int]:
    """Return the companies of a file, if every line of it is valid.

    Whether a text is a domain or a page is not checked here.

    Returns:
        The companies, and the number of lines whose cells for both are empty.

    Raises:
        CommandError: The file cannot be read, or is of another kind.
        BrokenPlanError: Lines are broken, or it has no company.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        records: _Records = _read_csv(read_text(path))
    elif suffix in {".jsonl", ".ndjson"}:
        records = _read_json_lines(read_text(path))
    else:
        raise CommandError(f"{path} must be a .csv or a .jsonl file", path=str(path))
    lines: list[KnownLine] = []
    broken: list[BrokenLine] = []
    skipped = 0
    for number, found in records:
        if isinstance(found, str):
            broken.append(BrokenLine(number, found))
        elif not found:
            skipped += 1
        else:
            lines.append(KnownLine(number, found))
    if not (lines or broken):
        broken.append(BrokenLine(0, "it has no company with a domain or a page"))
    if broken:
        raise BrokenPlanError(broken)
    return lines, skipped


def _find_field(name: str) -> str | None:
    """Return the field that a column or a key is about, if it is one."""
    plain = name.strip().lower().replace("_", " ").replace("-", " ")
    return _FIELDS.get(" ".join(plain.split()))


# CSV


def _read_csv(text: str) -> Generator[tuple[int, Mapping[str, str] | str], None, None]:
    """Yield the companies, or what is wrong with a line.

    Raises:
        BrokenPlanError: The first line names no column that is needed.
    """
    columns: Sequence[str | None] | None = None
    for number, cells in _split_csv(text):
        if columns is None:
            columns = _check_header(number, cells)
        elif isinstance(cells, str):
            yield number, cells
        elif len(cells) != len(columns):
            yield number, f"it has {len(cells)} cells for {len(columns)} columns"
        else:
            yield number, _join(zip(columns, cells, strict=True))


def _split_csv(text: str) -> Generator[tuple[int, list[str] | str], None, None]:
    """Yield the cells of each line that is not empty, or what is wrong with it."""
    head = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            is_open = str(error) == "unexpected end of data"
            yield number, "a double quote is not closed" if is_open else str(error)
        else:
            if any(cell.strip() for cell in cells):
                yield number, cells


def _check_header(number: int, cells: list[str] | str) -> list[str | None]:
    """Return the field of each column; None for a column that is not needed.

    Raises:
        BrokenPlanError: No column is needed, or the line is broken.
    """
    if isinstance(cells, str):
        raise BrokenPlanError([BrokenLine(number, cells)])
    columns = [_find_field(cell) for cell in cells]
    if not any(columns):
        text = (
            "no column is a domain or a LinkedIn page; name one of them domain or "
            "linkedin_url"
        )
        raise BrokenPlanError([BrokenLine(number, text)])
    return columns


def _join(cells: Iterable[tuple[str | None, str]]) -> dict[str, str]:
    """Return the fields that have a text; the first column of a field counts."""
    company: dict[str, str] = {}
    for field, cell in cells:
        if field is not None and cell.strip():
            company.setdefault(field, cell.strip())
    return company


# JSON lines


def _read_json_lines(
    text: str,
) -> Generator[tuple[int, Mapping[str, str] | str], None, None]:
    """Yield the companies of the lines that are not empty, or what is wrong."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _read_object(line)


def _read_object(line: str) -> Mapping[str, str] | str:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"it is not JSON: {error.msg} at character {error.colno}"
    except (ValueError, RecursionError) as error:
        return f"it cannot be read: {error}"
    if not isinstance(found, dict):
        return 'it must be an object, such as {"domain": "acme.com"}'
    pairs = [
        (_find_field(name), value)
        for name, value in cast("dict[str, object]", found).items()
    ]
    needed = [(name, value) for name, value in pairs if name is not None]
    for name, value in needed:
        if value is not None and not isinstance(value, str):
            return f"{name} must be a text"
    return _join((name, value) for name, value in needed if isinstance(value, str))
