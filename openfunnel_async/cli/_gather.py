"""Put a job's rows into a file while they come, and see to the money meanwhile."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeGuard

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import BulkJob, RowStream, export
from openfunnel_async.cli._ctrl_c import Interrupts
from openfunnel_async.cli._exits import CommandError, Exit, exit_of, facts_of, worst
from openfunnel_async.cli._jobs import end_of
from openfunnel_async.cli._leaving import cancel_all, is_left
from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.cli._settings import Service
from openfunnel_async.cli._shown import Show, shown
from openfunnel_async.errors import ConfigurationError, OpenFunnelError

Outcome = export.ExportReport | OpenFunnelError | OSError
_GLANCE = 0.2


Columns = Annotated[
    str | None, Parameter(help="Names of columns, with commas between them.")
]


def names_of(columns: str | None) -> tuple[str, ...] | None:
    """Part the names of columns, as they were typed."""
    if columns is None:
        return None
    return tuple(name.strip() for name in columns.split(","))


def checked_output(path: Path, columns: Sequence[str] | None) -> Path:
    """Return the file to write, if it can be written with these columns.

    Raises:
        ConfigurationError: It cannot; the message says why.
    """
    if path == Path("-"):
        raise CommandError("-o - is for fetch alone; run needs a file")
    return export.check(path, columns)


@attrs.define(eq=False, kw_only=True)
class Gathering:
    """The rows of one job on their way into a file.

    Attributes:
        job: The job; a handle that starts where the file's part ends.
        path: The file.
        columns: Its columns; all of them for None.
        service: Spells the command that goes on with it.
        voice: Says what happens.
        enough: Rows after which the job is cancelled, if that was asked for.
        spends: Whether this command has started the job.
        follow: Whether to wait for the rows that are still to come.
        has_part: Whether to go on with the part of an earlier export.
    """

    job: BulkJob
    path: Path
    columns: Sequence[str] | None
    service: Service
    voice: Voice
    enough: int | None = None
    spends: bool = False
    follow: bool = True
    has_part: bool = False
    _trouble: Exit = attrs.field(init=False, default=Exit.OK)

    async def run(self, interrupts: Interrupts) -> Exit:
        """Gather until the job's rows are all there, or somebody leaves.

        A second Ctrl-C cancels the job and waits for the settling; what it delivered
        is paid for, and still goes into the file.
        """
        code = await self._attempt(interrupts)
        if code is not None:
            return code
        if self._is_over():
            return self._left(interrupts)
        if await is_left([self.job], self.pick_up, self.voice, interrupts):
            return interrupts.code
        settled = await cancel_all([self.job], self.voice, interrupts)
        if not self._is_over():
            return settled
        code = await self._attempt(interrupts)
        return self._left(interrupts) if code is None else code

    def _is_over(self) -> bool:
        return self.job.is_terminal

    def _left(self, interrupts: Interrupts) -> Exit:
        """Say how to go on with a job that is over."""
        text = f"\nStopped. To go on with the next row:\n  {self.pick_up}"
        ids = [self.job.id]
        self.voice.note("stopped", text, job_ids=ids, pick_up=self.pick_up)
        return interrupts.code

    @property
    def pick_up(self) -> str:
        """The command that goes on with the very next row."""
        words = ["fetch", self.job.id, "-o", str(self.path), "--follow", "--resume"]
        if self.columns is not None:
            words += ["--columns", ",".join(self.columns)]
        return self.service.command(*words)

    async def _attempt(self, interrupts: Interrupts) -> Exit | None:
        with shown([self.job], self.voice) as show:
            outcome = await interrupts.until(partial(self._gather, show))
        if outcome is None:
            self.has_part = True
            return None
        if isinstance(outcome, export.ExportReport):
            return self._done(outcome)
        if is_about_the_rows(outcome):
            return self._broken_off(outcome)
        return await self._cannot_write(outcome, interrupts)

    async def _gather(self, show: Show) -> Outcome | None:
        """Export, and meanwhile count the rows and show how far it is."""
        outcome: Outcome | None = None
        async with self._rows() as stream, anyio.create_task_group() as group:
            group.start_soon(self._look_on, stream, show)
            try:
                outcome = await self._export(stream)
            except (OpenFunnelError, OSError) as error:
                outcome = error
            group.cancel_scope.cancel()
        if self.job.snapshot is not None:
            show(self.job.snapshot)
        return outcome

    def _rows(self) -> RowStream:
        return self.job.rows(follow=self.follow)

    async def _export(self, stream: RowStream) -> export.ExportReport:
        return await export.to_file(
            stream, self.path, columns=self.columns, resume=self.has_part
        )

    async def _look_on(self, stream: RowStream, show: Show) -> None:
        """Cancel once there are enough; a stream gives no notice of its rows."""
        wanted = self.enough
        while True:
            if self.job.snapshot is not None:
                show(self.job.snapshot)
            if wanted is not None and stream.delivered >= wanted:
                wanted = None
                await self._stop()
            await anyio.sleep(_GLANCE)

    async def _stop(self) -> None:
        """Stop the spend; the stream goes on to the rows that are paid for."""
        try:
            await self.job.cancel()
        except OpenFunnelError as error:
            self._trouble = Exit.FAILED
            cancel = self.service.command("cancel", self.job.id)
            self.voice.error(
                f"{error}; it may bill on. Cancel it: {cancel}",
                code=int(Exit.FAILED),
                **facts_of(error),
            )

    def _done(self, report: export.ExportReport) -> Exit:
        tell_report(self.voice, self.job, self.path, report)
        return self._code()

    def _code(self) -> Exit:
        snapshot = self.job.snapshot
        if snapshot is None or not self.job.is_terminal:
            self.voice.hint("The job goes on; --follow waits for the rest.")
            return Exit.PARTIAL
        code = end_of(snapshot)
        if (
            self.enough is not None
            and self._trouble is Exit.OK
            and code is Exit.PARTIAL
        ):
            # It was to be cancelled.
            code = Exit.OK
        return worst([code, self._trouble])

    def _broken_off(self, error: OpenFunnelError) -> Exit:
        code, text = exit_of(error), str(error)
        if self.job.snapshot is not None and self.job.snapshot.status == "failed":
            text = f"{text}. The rows it delivered are in {self.path}"
        else:
            going = "" if self.job.is_terminal else " The job goes on and bills."
            text = f"{text}.{going} Go on with the next row: {self.pick_up}"
        self.voice.error(text, code=int(code), path=str(self.path), **facts_of(error))
        return code

    async def _cannot_write(
        self, error: OpenFunnelError | OSError, interrupts: Interrupts
    ) -> Exit:
        """Say it at once; a job of this command's own must not bill on unread."""
        if isinstance(error, OpenFunnelError):
            why = str(error)
        else:
            why = error.strerror or type(error).__name__
        code = Exit.FAILED
        if isinstance(error, ConfigurationError) and not self.spends:
            code = Exit.USAGE
        self.voice.error(
            f"cannot write {self.path}: {why}. What was saved stays; once it can be "
            f"written, go on with the next row: {self.pick_up}",
            code=int(code),
            job_id=self.job.id,
            path=str(self.path),
        )
        if self.spends and not self.job.is_terminal:
            await cancel_all([self.job], self.voice, interrupts)
        return code


def is_about_the_rows(
    error: OpenFunnelError | OSError,
) -> TypeGuard[OpenFunnelError]:
    """Whether the rows cannot be read, rather than not be written.

    A time-out of the service is an OSError, too, and leaves the file as it is. What
    the export refuses once the job runs, such as a file that another export writes,
    is no better than a full disk.
    """
    return isinstance(error, OpenFunnelError) and not isinstance(
        error, ConfigurationError
    )


def tell_report(
    voice: Voice, job: BulkJob, path: Path, report: export.ExportReport
) -> None:
    """Tell what is in the file, and what the job has billed."""
    manifest = job.snapshot.manifest if job.snapshot is not None else None
    billed = None if manifest is None else manifest.credits_consumed
    before = f", {amount(report.resumed)} of them from before" if report.resumed else ""
    bill = "" if billed is None else f"; {amount(billed)} credits billed"
    voice.result(
        "exported",
        f"{amount(report.rows)} companies are in {path}{before}.\n"
        f"Job {job.id} is {job.status}{bill}.",
        job_id=job.id,
        path=str(report.path),
        rows=report.rows,
        resumed=report.resumed,
        status=str(job.status),
        credits_consumed=billed,
    )
