"""Stream rows into a file while they come, and go on after a crash.

What blocks is done in threads, a page's worth of rows at a time; only opening the
part is not, so that a cancelled call leaves nothing open.
"""

import inspect
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from itertools import islice

import attrs
from anyio.to_thread import run_sync

from openfunnel_async._client.merge import MergedResults
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.streams import RowStream
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.checks import check_whole
from openfunnel_async._values.models import Company
from openfunnel_async.errors import (
    ConfigurationError,
    InvalidResponseError,
    JobFailedError,
    OpenFunnelError,
)
from openfunnel_async.export._columns import Rows, choose, company, entries
from openfunnel_async.export._part import Part
from openfunnel_async.export._target import StrPath, check_file
from openfunnel_async.export._whole import ExportReport, put, status_of

_BATCH = 100

OnRows = Callable[[int], object]


async def to_file(  # noqa: PLR0913 -- all but two have a default
    source: BulkJob | RowStream | Rows | AsyncIterable[Company],
    path: StrPath,
    *,
    columns: Sequence[str] | None = None,
    follow: bool = True,
    resume: bool = False,
    most: int | None = None,
    on_rows: OnRows | None = None,
) -> ExportReport:
    """Stream companies into a file, whole or not at all, and resumable.

    The rows are gathered in a ``.part`` file beside it, on the disk at least every
    hundred rows. At the end the file is made of it and takes its place in one step;
    what was there before stays until then. Whatever breaks an export off, a SIGKILL
    included, the part and ``resume=True`` go on from there, each row exactly once.

    Args:
        source: A job, its row stream, a result, or companies, also of an async
            iterable. A stream is read from where it stands and is not closed.
        path: The file; how its name ends decides the format (``SUFFIXES``).
        columns: Names of ``COLUMNS``, and ``found_by`` of merged results; all of
            them by default. A resumed export may ask for others.
        follow: Whether to wait for rows that are not written yet; for a job only.
        resume: Whether to go on with a part that is there; a job or its stream only.
            Without one, or without this, the export begins anew; reading again is
            free. A handle that ``OpenFunnel.resume()`` made of ``left_at()`` reads
            only what is missing, any other handle of the job reads the rest again.
        most: Rows in the file at most. The job then goes on, and bills: cancel it.
        on_rows: Called, or awaited, with the number of rows that are safe in the
            part, whenever there are more. What it raises is raised.

    Raises:
        ConfigurationError: As ``check()``; the part is of another job, or ends before
            the place of the handle; such a source cannot be resumed. Nothing was sent.
        JobFailedError: The job failed. The file is there, with all rows it delivered.
        OSError: The disk is full, or failed; the part stays.
        OpenFunnelError: As the stream; the part stays.

    Cancellation: the job goes on, and the part stays; calling again with
    ``resume=True`` is safe and goes on from there. What was at the path is still
    there, unless the new file was about to take its place.
    """
    if most is not None:
        check_whole("most", most, 1)
    export = _Export(path, columns, resume=resume, most=most, on_rows=on_rows)
    if isinstance(source, BulkJob):
        async with source.rows(follow=follow) as stream:
            report = await export.run(stream)
        return attrs.evolve(report, status=source.status)
    if isinstance(source, RowStream):
        return await export.run(source)
    if resume:
        raise ConfigurationError("only a job, or its row stream, can be resumed")
    if isinstance(source, AsyncIterable):
        return await export.run(aiter(source))
    return await export.put(source)


@attrs.frozen
class _Export:
    """One call of ``to_file``."""

    path: StrPath
    columns: Sequence[str] | None
    resume: bool = attrs.field(kw_only=True)
    most: int | None = attrs.field(kw_only=True)
    on_rows: OnRows | None = attrs.field(kw_only=True)

    async def put(self, source: Rows) -> ExportReport:
        """Write what is in memory."""
        chosen = choose(self.columns, merged=isinstance(source, MergedResults))
        rows = tuple(islice(entries(source), self.most))
        real = check_file(self.path)
        report = await run_sync(put, rows, real, chosen, status_of(source))
        await self._tell(report.rows)
        return report

    async def run(self, stream: AsyncIterator[Company]) -> ExportReport:
        """Gather a stream in the part and make the file of it."""
        chosen, real = choose(self.columns), check_file(self.path)
        with Part(real) as part:
            place = await run_sync(part.recall) if self.resume else None
            if place is None:
                await run_sync(part.begin, _place_of(stream))
            else:
                await _catch_up(stream, place)
            resumed = part.rows
            failed = await self._gather(part, stream)
            if failed is None or isinstance(failed, JobFailedError):
                await run_sync(part.finish, chosen)
        if failed is not None:
            raise failed
        return ExportReport(path=real, rows=part.rows, resumed=resumed)

    async def _gather(
        self, part: Part, stream: AsyncIterator[Company]
    ) -> OpenFunnelError | None:
        """Save rows until there are no more; return what broke them off, if it did."""
        most = math.inf if self.most is None else self.most
        is_full, failed = True, None
        while is_full and failed is None:
            batch: list[Company] = []
            try:
                while len(batch) < min(_BATCH, most - part.rows):
                    batch.append(company(await anext(stream)))
            except StopAsyncIteration:
                pass
            except OpenFunnelError as exc:
                failed = exc
            is_full = len(batch) == _BATCH
            if batch:
                await run_sync(part.append, batch, _place_of(stream))
                await self._tell(part.rows)
        return failed

    async def _tell(self, rows: int) -> None:
        if self.on_rows is not None:
            outcome = self.on_rows(rows)
            if inspect.isawaitable(outcome):
                await outcome


def _place_of(stream: AsyncIterator[Company]) -> JobCheckpoint | None:
    return stream.checkpoint() if isinstance(stream, RowStream) else None


async def _catch_up(stream: AsyncIterator[Company], place: JobCheckpoint) -> None:
    """Read on to the place where the part ends."""
    start = _place_of(stream)
    if start is None or start.job_id != place.job_id:
        msg = (
            f"the .part file there is of job {place.job_id}; resume that job, export "
            "to another file, or begin anew without resume"
        )
        raise ConfigurationError(msg)
    missing = _rows_before(place) - _rows_before(start)
    if missing < 0:
        msg = (
            f"the .part file there ends {-missing} rows before the place of this "
            "handle; resume with a handle made of left_at()"
        )
        raise ConfigurationError(msg)
    for _ in range(missing):
        if await anext(stream, None) is None:
            msg = "rows that are in the .part file already are gone"
            raise InvalidResponseError(msg, "$.rows")


def _rows_before(place: JobCheckpoint) -> int:
    return place.rows_before + place.offset
