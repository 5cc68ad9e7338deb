"""The function that writes each format."""

from collections.abc import Callable, Iterable
from typing import BinaryIO

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import ExportRow, to_json_line
from openfunnel_async.export._csv import write_csv
from openfunnel_async.export._frames import check_polars, write_parquet
from openfunnel_async.export._layout import Layout
from openfunnel_async.export._xlsx import check_xlsxwriter, write_xlsx

WriteFormat = Callable[[Iterable[ExportRow], BinaryIO, Layout], None]


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
    if write is write_parquet:
        check_polars()
    if write is write_xlsx:
        check_xlsxwriter()
    return write


def _write_jsonl(rows: Iterable[ExportRow], file: BinaryIO, layout: Layout) -> None:
    columns = layout.columns.items()
    for row in rows:
        fields = {header: row.value(name) for name, header in columns}
        # A character that UTF-8 cannot encode is written as its JSON escape.
        file.write(to_json_line(fields, "backslashreplace"))


_WRITERS: dict[str, WriteFormat] = {
    ".csv": write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
    ".parquet": write_parquet,
    ".xlsx": write_xlsx,
}
SUFFIXES: tuple[str, ...] = tuple(_WRITERS)
"""The endings that the name of a file may have, also in upper case."""
