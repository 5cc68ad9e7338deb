"""Write what is in memory already."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from openfunnel_async._client.merge import MergedResults
from openfunnel_async._values.results import BulkResult, TakeResult
from openfunnel_async._values.status import JobStatus
from openfunnel_async.export._columns import Entry, Rows, choose, entries
from openfunnel_async.export._part import Part
from openfunnel_async.export._target import StrPath, check_file


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        path: The file.
        rows: Companies in it.
        resumed: How many of them an earlier, broken-off export had gathered.
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

    The file takes its place in one step; what was there before stays until then, and
    when the writing fails. It blocks until the file is on the disk.

    Args:
        source: A result, merged results, or companies.
        path: The file; how its name ends decides the format (``SUFFIXES``).
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default.
        searches: For merged results, the names of the searches in order, to stand
            in ``found_by`` for their places.

    Raises:
        ConfigurationError: As ``check()``; another export is writing the file; what
            is passed are not companies.
        OSError: The disk is full, or failed.
    """
    chosen = choose(columns, merged=isinstance(source, MergedResults))
    real = check_file(path)
    return put(entries(source, searches), real, chosen, status_of(source))


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
    """Return the status that rows in memory came with."""
    return source.status if isinstance(source, (BulkResult, TakeResult)) else None


@attrs.define
class _Counted:
    """Counts what is taken from it."""

    _rows: Iterable[Entry]
    count: int = 0

    def __iter__(self) -> Iterator[Entry]:
        for row in self._rows:
            self.count += 1
            yield row
