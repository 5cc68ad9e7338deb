"""Parquet files and dataframes, by polars.

They consist of columns, so all rows are needed before the first one can be written.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    escape_surrogates,
    iterate_rows,
    to_json,
)
from openfunnel_async.export._layout import Columns, Layout, choose_columns

if TYPE_CHECKING:
    import polars as pl

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def dataframe(
    source: Source,
    *,
    columns: Columns | None = None,
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
    check_polars()
    return _build_frame(iterate_rows(source, searches), chosen)


def write_parquet(rows: Iterable[ExportRow], file: BinaryIO, layout: Layout) -> None:
    """Write rows as Parquet."""
    _build_frame(rows, layout.columns).write_parquet(file)


def check_polars() -> None:
    """Raise ``ConfigurationError`` if the extra ``frames`` is not installed."""
    if find_spec("polars") is None:
        raise ConfigurationError(
            "Parquet and dataframes need polars. Install the extra frames, in a "
            'checkout of the repository: pip install ".[frames]"'
        )


def _build_frame(
    rows: Iterable[ExportRow], columns: Mapping[str, str]
) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 -- an extra, and slow to import

    kinds: Mapping[str, pl.DataType] = dict.fromkeys(columns, pl.String()) | {
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
    named = {header: series[name] for name, header in columns.items()}
    schema = {header: kinds[name] for name, header in columns.items()}
    return pl.DataFrame(named, schema=schema)


def _typed_values(row: ExportRow, columns: Iterable[str]) -> dict[str, object]:
    """Return the values by column; move those that do not fit to ``extra``."""
    typed = {name: row.value(name) for name in columns}
    unfit = {
        name: value for name, value in typed.items() if not _fits_column(name, value)
    }
    for name, value in typed.items():
        if name in unfit:
            typed[name] = None
        elif isinstance(value, str):
            typed[name] = escape_surrogates(value)
        elif isinstance(value, tuple):
            typed[name] = [
                escape_surrogates(text) for text in cast("tuple[str, ...]", value)
            ]
    if "extra" in typed and (row.company.extra or unfit):
        typed["extra"] = escape_surrogates(to_json({**row.company.extra, **unfit}))
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
