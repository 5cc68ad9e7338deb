"""How each format is written.

CSV and JSONL are written row by row. Parquet and the dataframe consist of columns, so
all rows are needed before the first one can be written.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from openfunnel_async import MergedResults
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import (
    LISTS,
    NUMBERS,
    WHOLES,
    Entry,
    Rows,
    choose,
    entries,
    to_json,
)

if TYPE_CHECKING:
    import polars as pl

Write = Callable[[Iterable[Entry], BinaryIO, Sequence[str]], None]

# What spreadsheets read as the start of a formula: also in full width, and after a
# character that they drop.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 -- meant
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def writer(path: Path) -> Write:
    """Return the function that writes a file of this name.

    Raises:
        ConfigurationError: No format has that ending, or its extra is missing.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        endings = ", ".join(SUFFIXES)
        msg = f"the name of a file to export to must end in one of {endings}"
        raise ConfigurationError(msg)
    if write is _write_parquet:
        _check_polars()
    return write


def dataframe(
    source: Rows, *, columns: Sequence[str] | None = None, searches: Sequence[str] = ()
) -> "pl.DataFrame":
    """Return a polars dataframe of companies; its types do not depend on the rows.

    Whole numbers are 64 bits wide, ``industries`` and ``found_by`` are lists, and
    ``extra`` is JSON. A value that its column cannot hold is in ``extra``.

    Args:
        source: A result, merged results, or companies.
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default.
        searches: For merged results, the names of the searches in order, for
            ``found_by``; their numbers by default.

    Raises:
        ConfigurationError: The extra ``frames`` is missing; an unknown column; the
            source has something else than companies.
    """
    chosen = choose(columns, merged=isinstance(source, MergedResults))
    _check_polars()
    return _frame(entries(source, searches), chosen)


def _write_csv(rows: Iterable[Entry], file: BinaryIO, columns: Sequence[str]) -> None:
    # csv ends the lines itself, as RFC 4180 says.
    text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
    lines = csv.writer(text)
    lines.writerow(columns)
    lines.writerows([_cell(row.value(name)) for name in columns] for row in rows)
    text.detach()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, tuple):
        return _cell("; ".join(cast("tuple[str, ...]", value)))
    if isinstance(value, Mapping):
        return to_json(cast("Mapping[str, object]", value))
    return value


def _write_jsonl(rows: Iterable[Entry], file: BinaryIO, columns: Sequence[str]) -> None:
    for row in rows:
        line = to_json({name: row.value(name) for name in columns})
        # What UTF-8 cannot encode becomes the escape that JSON has for it.
        file.write(line.encode(errors="backslashreplace") + b"\n")


def _write_parquet(
    rows: Iterable[Entry], file: BinaryIO, columns: Sequence[str]
) -> None:
    _frame(rows, columns).write_parquet(file)


def _check_polars() -> None:
    if find_spec("polars") is None:
        raise ConfigurationError(
            "Parquet and dataframes need polars: pip install 'openfunnel-async[frames]'"
        )


def _frame(rows: Iterable[Entry], columns: Sequence[str]) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 -- an extra, and slow to import

    kinds = dict.fromkeys(columns, pl.String()) | {
        name: kind
        for names, kind in (
            (WHOLES, pl.Int64()),
            (NUMBERS, pl.Float64()),
            (LISTS, pl.List(pl.String)),
        )
        for name in names.intersection(columns)
    }
    series: dict[str, list[object]] = {name: [] for name in columns}
    for row in rows:
        for name, value in _typed(row, columns).items():
            series[name].append(value)
    return pl.DataFrame(series, schema=kinds)


def _typed(row: Entry, columns: Sequence[str]) -> dict[str, object]:
    """Return the values by column; one that does not fit its column is in ``extra``."""
    typed = {name: row.value(name) for name in columns}
    unfit = {name: value for name, value in typed.items() if not _fits(name, value)}
    for name, value in typed.items():
        if name in unfit:
            typed[name] = None
        elif isinstance(value, str):
            typed[name] = _encodable(value)
        elif isinstance(value, tuple):
            typed[name] = [_encodable(text) for text in cast("tuple[str, ...]", value)]
    if "extra" in typed and (row.company.extra or unfit):
        typed["extra"] = _encodable(to_json({**row.company.extra, **unfit}))
    return typed


def _fits(column: str, value: object) -> bool:
    if value is None or column == "extra":
        return True
    if column in WHOLES:
        return type(value) is int and _LOWEST <= value <= _HIGHEST
    if column in NUMBERS:
        return isinstance(value, float) or _is_exact(value)
    if column in LISTS:
        return isinstance(value, tuple) and all(
            isinstance(text, str) for text in cast("tuple[object, ...]", value)
        )
    return isinstance(value, str)


def _is_exact(value: object) -> bool:
    """Whether a whole number is the same as a float."""
    return type(value) is int and abs(value) <= 2**53


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


_WRITERS: dict[str, Write] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
    ".parquet": _write_parquet,
}
SUFFIXES: tuple[str, ...] = tuple(_WRITERS)
"""How the name of a file may end; upper case does as well."""
