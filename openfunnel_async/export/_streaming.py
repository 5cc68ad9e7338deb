"""Stream rows into a file as they arrive, and continue after a crash.

Blocking calls run in threads, with a hundred rows each. Only the ``.part`` file is
opened without a thread, so that a cancelled call leaves no file open.
"""

import inspect
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, cast

import attrs
from anyio.to_thread import run_sync

from openfunnel_async import BulkJob, Company, JobCheckpoint, MergedResults, RowStream
from openfunnel_async.errors import (
    ConfigurationError,
    InvalidResponseError,
    JobFailedError,
    OpenFunnelError,
)
from openfunnel_async.export._columns import (
    Source,
    check_company,
    choose_columns,
    iterate_rows,
)
from openfunnel_async.export._part import PartFile
from openfunnel_async.export._paths import StrPath, check_path
from openfunnel_async.export._write import ExportReport, get_status, write_file

if TYPE_CHECKING:
    from openfunnel_async import Batch

_BATCH = 100

OnRows = Callable[[int], object]


async def to_file(  # noqa: PLR0913 -- all but two have a default
    source: "BulkJob | RowStream | Batch | Source | AsyncIterable[Company]",
    path: StrPath,
    *,
    columns: Sequence[str] | None = None,
    follow: bool = True,
    resume: bool = False,
    most: int | None = None,
    on_rows: OnRows | None = None,
) -> ExportReport:
    """Stream companies into a file, whole or not at all, and resumable.

    The rows are written to a ``.part`` file beside it, and are on the disk at least
    every hundred rows. At the end the file is written from it and replaces what was at
    the path in one step. If an export ends early, even by SIGKILL, a call with
    ``resume=True`` continues it: each row is in the file exactly once.

    Args:
        source: A job, its row stream, a batch of a Book, a result, or companies, also
            of an async iterable. A stream is read from its position and is not closed.
            A batch is read from the disk, with the rows that are in the Book now; the
            report says how many of its searches are ``unfinished``.
        path: The file; the ending of its name decides the format (``SUFFIXES``).
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default. A resumed export may ask for others.
        follow: Whether to wait for rows that the job has not delivered yet; for a job
            only.
        resume: Whether to continue with an existing ``.part`` file; for a job or its
            stream. Without such a file, or without this, the export starts again;
            reading again is free. A handle that ``OpenFunnel.resume()`` returns for
            ``left_at()`` reads only the missing rows, any other handle of the job
            reads all rows again.
        most: The most rows in the file. The job then continues, and bills: cancel it.
        on_rows: Called, or awaited, with the number of rows in the ``.part`` file each
            time that it has grown. ``to_file()`` raises its exceptions.

    Raises:
        ConfigurationError: As ``check()``; the ``.part`` file belongs to another job,
            or ends before the position of the handle; the source cannot be resumed.
            Nothing was sent.
        JobFailedError: The job failed. The file was written, with all rows that it
            delivered.
        OSError: The disk is full, or failed; the ``.part`` file stays.
        OpenFunnelError: As the stream; the ``.part`` file stays.

    Cancellation: the job continues, and the ``.part`` file stays; another call with
    ``resume=True`` is safe and continues from there. The file at the path is unchanged,
    unless the new one was replacing it at that moment.
    """
    _check_most(most)
    export = _Export(path, columns, resume=resume, most=most, on_rows=on_rows)
    if isinstance(source, BulkJob):
        async with source.rows(follow=follow) as stream:
            report = await export.run(stream)
        return attrs.evolve(report, status=source.status)
    if isinstance(source, RowStream):
        return await export.run(source)
    batch = _find_batch(source)
    if resume and batch is not None:
        msg = (
            "an export of a batch is not resumed: its rows are on the disk, so start "
            "it again without resume"
        )
        raise ConfigurationError(msg)
    if resume:
        raise ConfigurationError("only a job, or its row stream, can be resumed")
    if batch is not None:
        return await _write_batch(export, batch)
    source = cast("Source | AsyncIterable[Company]", source)
    if isinstance(source, AsyncIterable):
        return await export.run(aiter(source))
    return await export.write_file(source)


def _find_batch(source: object) -> "Batch | None":
    """Return the source if it is a batch; only then sqlite3 is imported."""
    if isinstance(source, (Iterable, AsyncIterable, MergedResults)):
        return None
    from openfunnel_async import Batch  # noqa: PLC0415 -- for those who have a Book

    return source if isinstance(source, Batch) else None


async def _write_batch(export: "_Export", batch: "Batch") -> ExportReport:
    """Write the rows that are in the Book."""
    # Before the rows are read: a search that ends meanwhile counts as unfinished.
    status = await batch.status()
    report = await export.run(batch.rows())
    unfinished = status.planned + status.submitting + status.submitted + status.unknown
    return attrs.evolve(report, unfinished=unfinished)


@attrs.frozen
class _Export:
    """One call of ``to_file()``."""

    path: StrPath
    columns: Sequence[str] | None
    resume: bool = attrs.field(kw_only=True)
    most: int | None = attrs.field(kw_only=True)
    on_rows: OnRows | None = attrs.field(kw_only=True)

    async def write_file(self, source: Source) -> ExportReport:
        """Write rows that are in memory."""
        chosen = choose_columns(self.columns, merged=isinstance(source, MergedResults))
        rows = tuple(islice(iterate_rows(source), self.most))
        real = check_path(self.path)
        report = await run_sync(write_file, rows, real, chosen, get_status(source))
        await self._report(report.rows)
        return report

    async def run(self, stream: AsyncIterator[Company]) -> ExportReport:
        """Write a stream to the ``.part`` file, and then the final file."""
        chosen, real = choose_columns(self.columns), check_path(self.path)
        with PartFile(real) as part:
            checkpoint = await run_sync(part.restore) if self.resume else None
            if checkpoint is None:
                await run_sync(part.begin, _get_checkpoint(stream))
            else:
                await _skip_to(stream, checkpoint)
            resumed = part.rows
            failed = await self._save(part, stream)
            if failed is None or isinstance(failed, JobFailedError):
                await run_sync(part.finish, chosen)
        if failed is not None:
            raise failed
        return ExportReport(path=real, rows=part.rows, resumed=resumed)

    async def _save(
        self, part: PartFile, stream: AsyncIterator[Company]
    ) -> OpenFunnelError | None:
        """Save rows until the stream ends; return the error that ended it, if any."""
        most = math.inf if self.most is None else self.most
        is_full, failed = True, None
        while is_full and failed is None:
            batch: list[Company] = []
            try:
                while len(batch) < min(_BATCH, most - part.rows):
                    batch.append(check_company(await anext(stream)))
            except StopAsyncIteration:
                pass
            except OpenFunnelError as exc:
                failed = exc
            is_full = len(batch) == _BATCH
            if batch:
                await run_sync(part.append, batch, _get_checkpoint(stream))
                await self._report(part.rows)
        return failed

    async def _report(self, rows: int) -> None:
        if self.on_rows is not None:
            outcome = self.on_rows(rows)
            if inspect.isawaitable(outcome):
                await outcome


def _check_most(most: object) -> None:
    if most is None or (isinstance(most, int) and most is not True and most > 0):
        return
    raise ConfigurationError("most must be a whole number of at least 1, or None")


def _get_checkpoint(stream: AsyncIterator[Company]) -> JobCheckpoint | None:
    return stream.checkpoint() if isinstance(stream, RowStream) else None


async def _skip_to(stream: AsyncIterator[Company], end: JobCheckpoint) -> None:
    """Read the rows that are in the ``.part`` file, which ends at a checkpoint."""
    start = _get_checkpoint(stream)
    if start is None or start.job_id != end.job_id:
        msg = (
            f"the .part file belongs to job {end.job_id}; resume that job, export "
            "to another file, or start again without resume"
        )
        raise ConfigurationError(msg)
    missing = _rows_before(end) - _rows_before(start)
    if missing < 0:
        msg = (
            f"the .part file ends {-missing} rows before the position of this handle; "
            "resume the job at the checkpoint that left_at() returns"
        )
        raise ConfigurationError(msg)
    for _ in range(missing):
        if await anext(stream, None) is None:
            msg = "the service no longer returns the rows in the .part file"
            raise InvalidResponseError(msg, "$.rows")


def _rows_before(checkpoint: JobCheckpoint) -> int:
    return checkpoint.rows_before + checkpoint.offset
