"""The file of ``batch plan``: searches, one a line, as CSV or as JSON lines."""

import csv
import io
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, cast

import attrs

from openfunnel_async import LookalikeSearch
from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.errors import ConfigurationError

MOST_NAMED = 20
"""The most broken lines that are named."""
COLUMNS = (
    "query",
    "seed_domains",
    "limit",
    "min_employees",
    "max_employees",
    "funding_stages",
    "locations",
    "search_type",
    "label",
)
"""The columns of a CSV file; lists are separated by ``;``."""
_LISTS = frozenset({"seed_domains", "funding_stages", "locations"})
_NUMBERS = frozenset({"limit", "min_employees", "max_employees"})
_KEYS = (*COLUMNS, "extra")
_LONGEST_LABEL = 200
_LONGEST_DIGITS = 18


@attrs.frozen(kw_only=True)
class PlanLine:
    """A search of the file.

    Attributes:
        number: The line on which it begins, from 1.
        search: The search.
        label: The user's own name for it.
    """

    number: int
    search: LookalikeSearch
    label: str | None


class BrokenLine(NamedTuple):
    """What is wrong with a line.

    Attributes:
        number: The line, from 1; 0 for the whole file.
        text: What is wrong.
    """

    number: int
    text: str


class BrokenPlanError(Exception):
    """The file has broken lines; nothing of it may be used.

    Attributes:
        lines: All broken lines, in their order.
    """

    def __init__(self, lines: Sequence[BrokenLine]) -> None:
        super().__init__(lines)
        self.lines: Sequence[BrokenLine] = lines


class _BadLineError(Exception):
    """What is wrong with the line that is being read."""


_Fields = Mapping[str, object]
_Record = tuple[int, Callable[[], _Fields]]


def read_plan(path: Path, *, needs_limits: bool) -> list[PlanLine]:
    """Return the searches of a file, if every line of it is valid.

    Args:
        path: A ``.csv`` file, or a ``.jsonl`` or ``.ndjson`` file.
        needs_limits: Whether a search without a limit is refused.

    Raises:
        CommandError: The file cannot be read, or is of another kind.
        BrokenPlanError: Lines are broken, or it has no search.
    """
    records = _get_reader(path)(read_text(path))
    lines: list[PlanLine] = []
    broken: list[BrokenLine] = []
    for number, read in records:
        try:
            lines.append(_build_line(number, read(), needs_limits=needs_limits))
        except _BadLineError as error:
            broken.append(BrokenLine(number, str(error)))
    if not (lines or broken):
        broken.append(BrokenLine(0, "it has no search"))
    if broken:
        raise BrokenPlanError(broken)
    return lines


def _get_reader(path: Path) -> Callable[[str], Iterable[_Record]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _read_csv
    if suffix in {".jsonl", ".ndjson"}:
        return _read_json_lines
    raise CommandError(f"{path} must be a .csv or a .jsonl file", path=str(path))


def read_text(path: Path) -> str:
    """Return the text of the file, without its byte order mark.

    Raises:
        CommandError: It cannot be read.
        BrokenPlanError: It is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        text = f"cannot read {path}: {error.strerror}"
        raise CommandError(text, path=str(path)) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        text = "it is not UTF-8; save the file with that encoding"
        raise BrokenPlanError([BrokenLine(number, text)]) from None


def _build_line(number: int, fields: _Fields, *, needs_limits: bool) -> PlanLine:
    """Return the search of a line.

    Raises:
        _BadLineError: It is invalid.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    label = given.pop("label", None)
    if label is not None:
        _check_label(label)
    try:
        search = LookalikeSearch(**cast("dict[str, Any]", given))
    except ConfigurationError as error:
        raise _BadLineError(str(error)) from None
    if needs_limits and search.limit is None:
        raise _BadLineError("under --max-credits every search needs a limit")
    return PlanLine(number=number, search=search, label=cast("str | None", label))


def _check_label(label: object) -> None:
    is_text = isinstance(label, str) and label.strip() and label.isprintable()
    if not is_text or len(cast("str", label)) > _LONGEST_LABEL:
        raise _BadLineError(
            f"label must be printable text of 1 to {_LONGEST_LABEL} characters, on "
            "one line"
        )


def _describe_unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """Describe an unknown name, with the nearest known one, or all of them."""
    similar = get_close_matches(name.lower(), known, n=1)
    advice = f"did you mean {similar[0]}?" if similar else f"use {', '.join(known)}"
    return f"there is no {kind} {name!r:.60}: {advice}"


# CSV


def _read_csv(text: str) -> Generator[_Record, None, None]:
    """Yield the lines that are not empty, without the first one.

    Raises:
        BrokenPlanError: The first line does not name the columns.
    """
    columns: Sequence[str] | None = None
    for number, cells in _split_csv(text):
        if columns is None:
            columns = _check_header(number, cells)
        else:
            yield number, _CsvLine(columns, cells)


def _split_csv(text: str) -> Generator[tuple[int, list[str] | str], None, None]:
    """Yield the cells of each line that is not empty, or what is wrong with it."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        # A line with line breaks between quotes is several lines of the file.
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


def _check_header(number: int, cells: list[str] | str) -> list[str]:
    """Return the names of the columns.

    Raises:
        BrokenPlanError: A name is unknown, or there twice, or the line is broken.
    """
    if isinstance(cells, str):
        raise BrokenPlanError([BrokenLine(number, cells)])
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        text = "the columns must be separated by commas"
        raise BrokenPlanError([BrokenLine(number, text)])
    faults = [
        _describe_unknown("column", name, COLUMNS)
        for name in names
        if name not in COLUMNS
    ]
    faults += [
        f"the column {name} is there twice" for name in COLUMNS if names.count(name) > 1
    ]
    if not (faults or {"query", "seed_domains"} & set(names)):
        faults.append("there must be a column query or seed_domains")
    if faults:
        raise BrokenPlanError([BrokenLine(number, fault) for fault in faults])
    return names


@attrs.frozen
class _CsvLine:
    """The cells of a line, or what is wrong with it; a call returns its fields."""

    columns: Sequence[str]
    cells: list[str] | str

    def __call__(self) -> _Fields:
        if isinstance(self.cells, str):
            raise _BadLineError(self.cells)
        if len(self.cells) != len(self.columns):
            raise _BadLineError(
                f"it has {len(self.cells)} cells for {len(self.columns)} columns; put "
                "a text with a comma between double quotes"
            )
        pairs = zip(self.columns, self.cells, strict=True)
        return {name: _read_cell(name, cell.strip()) for name, cell in pairs}


def _read_cell(name: str, cell: str) -> object:
    """Return the value of a cell; None for an empty one."""
    if not cell:
        return None
    if name in _LISTS:
        return [item.strip() for item in cell.split(";") if item.strip()]
    if name in _NUMBERS:
        is_number = cell.isascii() and cell.isdigit() and len(cell) < _LONGEST_DIGITS
        if not is_number:
            raise _BadLineError(f"{name} must be a whole number, not {cell!r:.40}")
        return int(cell)
    return cell


# JSON lines


def _read_json_lines(text: str) -> Generator[_Record, None, None]:
    """Yield the lines that are not empty."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _JsonLine(line)


@attrs.frozen
class _JsonLine:
    """The text of a line; a call returns its fields."""

    text: str

    def __call__(self) -> _Fields:
        try:
            fields = json.loads(
                self.text, object_pairs_hook=_join_pairs, parse_constant=_refuse
            )
        except json.JSONDecodeError as error:
            text = f"it is not JSON: {error.msg} at character {error.colno}"
            raise _BadLineError(text) from None
        except (ValueError, RecursionError) as error:
            raise _BadLineError(f"it cannot be read: {error}") from None
        if not isinstance(fields, dict):
            raise _BadLineError('it must be an object, such as {"query": "..."}')
        found = cast("dict[str, object]", fields)
        unknown = [name for name in found if name not in _KEYS]
        if unknown:
            faults = [_describe_unknown("key", name, _KEYS) for name in unknown]
            raise _BadLineError("; ".join(faults))
        return found


def _join_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON whose keys differ."""
    joined = dict(pairs)
    if len(joined) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _BadLineError(f"the key {twice!r:.60} is there twice")
    return joined


def _refuse(constant: str) -> object:
    raise _BadLineError(f"it is not JSON: {constant}")
