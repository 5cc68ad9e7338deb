"""The function that writes each format.

CSV and JSONL are written row by row. Parquet and the dataframe consist of columns, so
all rows are needed before the first one can be written.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, cast

from openfunnel_async import MergedResults
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import (
    FLOAT_COLUMNS,
    INTEGER_COLUMNS,
    LIST_COLUMNS,
    ExportRow,
    Source,
    choose_columns,
    iterate_rows,
    to_json,
)

if TYPE_CHECKING:
    import polars as pl

WriteFormat = Callable[[Iterable[ExportRow], BinaryIO, Sequence[str]], None]

# A spreadsheet reads these as the start of a formula: the signs, also in full width,
# and the characters that it removes before a sign.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 -- intended
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def get_writer(suffix: str) -> WriteFormat:
    """Return the function that writes files whose names end so.

    Raises:
        ConfigurationError: No format has this ending, or its extra is missing.
    """
    write = _WRITERS.get(suffix.lower())
    if write is None:
        endings = ", ".join(SUFFIXES)
        msg = f"the name of a file to export to must end in one of {endings}"
        raise ConfigurationError(msg)
    if write is _write_parquet:
        _check_polars()
    return write


def dataframe(
    source: Source,
    *,
    columns: Sequence[str] | None = None,
    searches: Sequence[str] = (),
) -> "pl.DataFrame":
    """Return a polars dataframe of companies; its types do not depend on the rows.

    Whole numbers are 64 bits wide, ``industries`` and ``found_by`` are lists, and
    ``extra`` is JSON. A value that does not fit its column is in ``extra``.

    Args:
        source: A result, merged results, or companies.
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default.
        searches: For merged results, the names of the searches in order, for
            ``found_by``; their numbers by default.

    Raises:
        ConfigurationError: The extra ``frames`` is missing; a column is unknown; the
            source has an item that is not a company.
    """
    chosen = choose_columns(columns, merged=isinstance(source, MergedResults))
    _check_polars()
    return _build_frame(iterate_rows(source, searches), chosen)


def _write_csv(
    rows: Iterable[ExportRow], file: BinaryIO, columns: Sequence[str]
) -> None:
    # The csv module writes the line ends of RFC 4180, which must not be translated.
    text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
    lines = csv.writer(text)
    lines.writerow(columns)
    lines.writerows([_format_cell(row.value(name)) for name in columns] for row in rows)
    text.detach()


def _format_cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, tuple):
        return _format_cell("; ".join(cast("tuple[str, ...]", value)))
    if isinstance(value, Mapping):
        return to_json(cast("Mapping[str, object]", value))
    return value


def _write_jsonl(
    rows: Iterable[ExportRow], file: BinaryIO, columns: Sequence[str]
) -> None:
    for row in rows:
        line = to_json({name: row.value(name) for name in columns})
        # A character that UTF-8 cannot encode is written as its JSON escape.
        file.write(line.encode(errors="backslashreplace") + b"\n")


def _write_parquet(
    rows: Iterable[ExportRow], file: BinaryIO, columns: Sequence[str]
) -> None:
    _build_frame(rows, columns).write_parquet(file)


def _check_polars() -> None:
    if find_spec("polars") is None:
        raise ConfigurationError(
            "Parquet and dataframes need polars: install the extra, "
            "openfunnel-async[frames]"
        )


def _build_frame(rows: Iterable[ExportRow], columns: Sequence[str]) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 -- an extra, and slow to import

    kinds = dict.fromkeys(columns, pl.String()) | {
        name: kind
        for names, kind in (
            (INTEGER_COLUMNS, pl.Int64()),
            (FLOAT_COLUMNS, pl.Float64()),
            (LIST_COLUMNS, pl.List(pl.String)),
        )
        for name in names.intersection(columns)
    }
    series: dict[str, list[object]] = {name: [] for name in columns}
    for row in rows:
        for name, value in _typed_values(row, columns).items():
            series[name].append(value)
    return pl.DataFrame(series, schema=kinds)


def _typed_values(row: ExportRow, columns: Sequence[str]) -> dict[str, object]:
    """Return the values by column; move those that do not fit to ``extra``."""
    typed = {name: row.value(name) for name in columns}
    unfit = {
        name: value for name, value in typed.items() if not _fits_column(name, value)
    }
    for name, value in typed.items():
        if name in unfit:
            typed[name] = None
        elif isinstance(value, str):
            typed[name] = _escape_surrogates(value)
        elif isinstance(value, tuple):
            typed[name] = [
                _escape_surrogates(text) for text in cast("tuple[str, ...]", value)
            ]
    if "extra" in typed and (row.company.extra or unfit):
        typed["extra"] = _escape_surrogates(to_json({**row.company.extra, **unfit}))
    return typed


def _fits_column(column: str, value: object) -> bool:
    if value is None or column == "extra":
        return True
    if column in INTEGER_COLUMNS:
        return type(value) is int and _LOWEST <= value <= _HIGHEST
    if column in FLOAT_COLUMNS:
        return isinstance(value, float) or _is_exact_float(value)
    if column in LIST_COLUMNS:
        return isinstance(value, tuple) and all(
            isinstance(text, str) for text in cast("tuple[object, ...]", value)
        )
    return isinstance(value, str)


def _is_exact_float(value: object) -> bool:
    """Return whether a float represents a whole number exactly."""
    return type(value) is int and abs(value) <= 2**53


def _escape_surrogates(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


_WRITERS: dict[str, WriteFormat] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
    ".parquet": _write_parquet,
}
SUFFIXES: tuple[str, ...] = tuple(_WRITERS)
"""The endings that the name of a file may have, also in upper case."""
