"""Write companies that are in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import attrs

from openfunnel_async import BulkResult, JobStatus, MergedResults, TakeResult
from openfunnel_async.export._columns import (
    ExportRow,
    Source,
    choose_columns,
    iterate_rows,
)
from openfunnel_async.export._formats import get_writer
from openfunnel_async.export._part import PartFile
from openfunnel_async.export._paths import StrPath, check_path


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        path: The file.
        rows: The number of companies in it.
        resumed: How many of them were in the ``.part`` file of an earlier export.
        status: The status of the job at the end; None if the source is not a job or its
            result.
        unfinished: How many searches of a batch may have rows that are not in the file:
            those that are planned, under way, submitted or of unknown outcome.
    """

    path: Path
    rows: int
    resumed: int = 0
    status: JobStatus | None = None
    unfinished: int = 0


def write(
    source: Source,
    path: StrPath,
    *,
    columns: Sequence[str] | None = None,
    searches: Sequence[str] = (),
) -> ExportReport:
    """Write companies that are in memory into a file, whole or not at all.

    The file replaces what was at the path in one step, once it is on the disk; if the
    writing fails, nothing changes. The call blocks until then.

    Args:
        source: A result, merged results, or companies.
        path: The file; the ending of its name decides the format (``SUFFIXES``).
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default.
        searches: For merged results, the names of the searches in order, for
            ``found_by``; their numbers by default.

    Raises:
        ConfigurationError: As ``check()``; another export is writing the file; the
            source has an item that is not a company.
        OSError: The disk is full, or failed.
    """
    chosen = choose_columns(columns, merged=isinstance(source, MergedResults))
    real = check_path(path)
    return write_file(iterate_rows(source, searches), real, chosen, get_status(source))


def write_rows(
    source: Source,
    file: BinaryIO,
    *,
    suffix: str = ".jsonl",
    columns: Sequence[str] | None = None,
    searches: Sequence[str] = (),
) -> int:
    """Write companies that are in memory to an open binary file, such as a pipe.

    Args:
        source: A result, merged results, or companies.
        file: The file; it is neither flushed nor closed.
        suffix: One of ``SUFFIXES``, which decides the format.
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default.
        searches: For merged results, the names of the searches in order, for
            ``found_by``; their numbers by default.

    Returns:
        The number of rows.

    Raises:
        ConfigurationError: The ending or a column is unknown; the source has an item
            that is not a company. Rows before it may have been written.
        OSError: The file cannot be written.
    """
    chosen = choose_columns(columns, merged=isinstance(source, MergedResults))
    counted = _Counted(iterate_rows(source, searches))
    get_writer(suffix)(counted, file, chosen)
    return counted.count


def write_file(
    rows: Iterable[ExportRow],
    real: Path,
    columns: Sequence[str],
    status: JobStatus | None,
) -> ExportReport:
    """Write rows into a real file, through a ``.part`` file."""
    counted = _Counted(rows)
    with PartFile(real) as part:
        part.finish(columns, counted)
    return ExportReport(path=real, rows=counted.count, status=status)


def get_status(source: Source) -> JobStatus | None:
    """Return the status of a result's job; None for other companies."""
    return source.status if isinstance(source, (BulkResult, TakeResult)) else None


@attrs.define
class _Counted:
    """An iterable that counts the rows that are read from it."""

    _rows: Iterable[ExportRow]
    count: int = 0

    def __iter__(self) -> Iterator[ExportRow]:
        for row in self._rows:
            self.count += 1
            yield row
