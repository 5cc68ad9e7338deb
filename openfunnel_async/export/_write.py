"""Write rows that are in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import attrs

from openfunnel_async import BulkResult, JobStatus, MergedResults, TakeResult
from openfunnel_async.export._columns import Entry, Rows, choose, entries
from openfunnel_async.export._formats import writer
from openfunnel_async.export._part import Part
from openfunnel_async.export._paths import StrPath, check_file


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        path: The file.
        rows: Companies in it.
        resumed: How many of them were in the part of an earlier export.
        status: The job's status at the end; None where the rows came without one.
    """

    path: Path
    rows: int
    resumed: int = 0
    status: JobStatus | None = None


def write(
    source: Rows,
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
            source has something else than companies.
        OSError: The disk is full, or failed.
    """
    chosen = choose(columns, merged=isinstance(source, MergedResults))
    real = check_file(path)
    return put(entries(source, searches), real, chosen, status_of(source))


def write_rows(
    source: Rows,
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
        ConfigurationError: An unknown ending or column; the source has something else
            than companies. Rows before it may have been written.
        OSError: The file cannot be written.
    """
    chosen = choose(columns, merged=isinstance(source, MergedResults))
    counted = _Counted(entries(source, searches))
    writer(Path(f"rows{suffix}"))(counted, file, chosen)
    return counted.count


def put(
    rows: Iterable[Entry],
    real: Path,
    columns: Sequence[str],
    status: JobStatus | None,
) -> ExportReport:
    """Write entries into a real file."""
    counted = _Counted(rows)
    with Part(real) as part:
        part.finish(columns, counted)
    return ExportReport(path=real, rows=counted.count, status=status)


def status_of(source: Rows) -> JobStatus | None:
    """Return the status of the job of these rows, where they have one."""
    return source.status if isinstance(source, (BulkResult, TakeResult)) else None


@attrs.define
class _Counted:
    """Counts the rows that are read from it."""

    _rows: Iterable[Entry]
    count: int = 0

    def __iter__(self) -> Iterator[Entry]:
        for row in self._rows:
            self.count += 1
            yield row
