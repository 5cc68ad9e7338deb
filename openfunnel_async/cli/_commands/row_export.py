"""Write a job's rows into a file as they arrive, and stop the spending if needed."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeGuard

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import BulkJob, RowStream, export
from openfunnel_async.cli._commands.stop_jobs import cancel_jobs, leave_jobs
from openfunnel_async.cli._interrupts import Interrupts
from openfunnel_async.cli._output.exit_codes import (
    ExitCode,
    error_fields,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.job_reports import exit_code_of_job, print_export
from openfunnel_async.cli._output.live_status import (
    EventRelay,
    ShowSnapshot,
    show_jobs,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags
from openfunnel_async.errors import ConfigurationError, OpenFunnelError

Outcome = export.ExportReport | OpenFunnelError | OSError
_REFRESH_INTERVAL = 0.2

Columns = Annotated[
    str | None, Parameter(help="Names of columns, separated by commas.")
]


def split_columns(columns: str | None) -> tuple[str, ...] | None:
    """Return the names of columns from the command line."""
    if columns is None:
        return None
    return tuple(name.strip() for name in columns.split(","))


@attrs.define(eq=False, kw_only=True)
class RowExport:
    """Writes the rows of one job into a file.

    Attributes:
        job: The job; a handle that starts after the rows of the file's .part.
        path: The file.
        columns: Its columns; all of them for None.
        service: Formats the command that continues the export.
        printer: Prints what happens.
        events: The events of the client.
        overwrite: Whether a file that exists may be replaced.
        enough: The number of rows at which the job is cancelled, if any.
        spends: Whether this command has started the job.
        follow: Whether to wait for rows that are not there yet.
        resume: Whether to continue with the .part of an earlier export.
    """

    job: BulkJob
    path: Path
    columns: Sequence[str] | None
    service: ServiceFlags
    printer: Printer
    events: EventRelay
    overwrite: bool = False
    enough: int | None = None
    spends: bool = False
    follow: bool = True
    resume: bool = False
    _is_written: bool = attrs.field(init=False, default=False)
    _cancel_failed: bool = attrs.field(init=False, default=False)

    async def run(self, interrupts: Interrupts) -> ExitCode:
        """Export until all rows are in the file, or a signal stops it.

        A second Ctrl-C cancels the job and waits until it is terminal. The rows that
        it delivered are paid for, and are still written.
        """
        code = await self._attempt(interrupts)
        if code is not None:
            return code
        if self._is_terminal():
            return self._stop_terminal(interrupts)
        if await leave_jobs([self.job], self._command, self.printer, interrupts):
            return interrupts.code
        cancelled = await cancel_jobs([self.job], self.printer, interrupts)
        if not self._is_terminal():
            return cancelled
        code = await self._attempt(interrupts)
        return self._stop_terminal(interrupts) if code is None else code

    def _is_terminal(self) -> bool:
        return self.job.is_terminal

    def _stop_terminal(self, interrupts: Interrupts) -> ExitCode:
        """Print how to continue with a terminal job."""
        text = f"\nStopped. To continue with the next row:\n  {self._command}"
        ids = [self.job.id]
        self.printer.print_event("stopped", text, job_ids=ids, pick_up=self._command)
        return interrupts.code

    @property
    def _command(self) -> str:
        """The command that continues with the next row."""
        words = ["fetch", self.job.id, "-o", str(self.path), "--follow", "--resume"]
        if self.columns is not None:
            words += ["--columns", ",".join(self.columns)]
        if (self.overwrite or self._is_written) and self.path.exists():
            words.append("--overwrite")
        return self.service.format_command(*words)

    async def _attempt(self, interrupts: Interrupts) -> ExitCode | None:
        with show_jobs([self.job], self.printer, self.events) as show:
            outcome = await interrupts.run(partial(self._export, show))
        if outcome is None:
            self.resume = True
            return None
        if isinstance(outcome, export.ExportReport):
            print_export(self.printer, self.job, self.path, outcome)
            return self._exit_code()
        if is_read_error(outcome):
            return self._report_read_error(outcome)
        return await self._report_write_error(outcome, interrupts)

    async def _export(self, show: ShowSnapshot) -> Outcome | None:
        """Export; meanwhile count the rows and show the job."""
        outcome: Outcome | None = None
        stream = self.job.rows(follow=self.follow)
        async with stream, anyio.create_task_group() as group:
            group.start_soon(self._monitor, stream, show)
            try:
                outcome = await export.to_file(
                    stream,
                    self.path,
                    columns=self.columns,
                    resume=self.resume,
                    overwrite=self.overwrite or self._is_written,
                )
                self._is_written = True
            except (OpenFunnelError, OSError) as error:
                outcome = error
            group.cancel_scope.cancel()
        self._show(show)
        return outcome

    async def _monitor(self, stream: RowStream, show: ShowSnapshot) -> None:
        """Show the job, and cancel it once there are enough rows."""
        enough = self.enough
        while True:
            self._show(show)
            if enough is not None and stream.delivered >= enough:
                enough = None
                await self._cancel()
            await anyio.sleep(_REFRESH_INTERVAL)

    def _show(self, show: ShowSnapshot) -> None:
        if self.job.snapshot is not None:
            show(self.job.snapshot)

    async def _cancel(self) -> None:
        """Stop the spending; the export continues with the rows that are paid for."""
        try:
            await self.job.cancel()
        except OpenFunnelError as error:
            self._cancel_failed = True
            command = self.service.format_command("cancel", self.job.id)
            self.printer.print_error(
                f"{error}; the job may still bill. Cancel it: {command}",
                code=int(ExitCode.FAILED),
                **error_fields(error, self.job.id),
            )

    def _exit_code(self) -> ExitCode:
        snapshot = self.job.snapshot
        if snapshot is None or not self.job.is_terminal:
            words = ("fetch", self.job.id, "-o", str(self.path))
            command = self.service.format_command(*words, "--follow", "--overwrite")
            self.printer.print_hint(f"The job continues. For all its rows: {command}")
            return ExitCode.PARTIAL
        code = exit_code_of_job(snapshot)
        if self._cancel_failed:
            return worst_of([code, ExitCode.FAILED])
        # With --enough, the cancel was intended.
        is_success = self.enough is not None and code is ExitCode.PARTIAL
        return ExitCode.OK if is_success else code

    def _report_read_error(self, error: OpenFunnelError) -> ExitCode:
        code, text = exit_code_of(error), str(error)
        if self.job.snapshot is not None and self.job.snapshot.status == "failed":
            text = f"{text}. The rows it delivered are in {self.path}"
        else:
            running = "" if self.job.is_terminal else " The job continues and bills."
            text = f"{text}.{running} To continue with the next row: {self._command}"
        fields = {"path": str(self.path)} | error_fields(error, self.job.id)
        self.printer.print_error(text, code=int(code), **fields)
        return code

    async def _report_write_error(
        self, error: OpenFunnelError | OSError, interrupts: Interrupts
    ) -> ExitCode:
        """Report it, and cancel a job that this command started."""
        reason = str(error)
        if not isinstance(error, OpenFunnelError):
            reason = error.strerror or type(error).__name__
        code = ExitCode.FAILED
        if isinstance(error, ConfigurationError) and not self.spends:
            code = ExitCode.USAGE
        self.printer.print_error(
            f"cannot write {self.path}: {reason}. The rows that were saved stay; to "
            f"continue with the next row: {self._command}",
            code=int(code),
            job_id=self.job.id,
            path=str(self.path),
        )
        if self.spends and not self.job.is_terminal:
            await cancel_jobs([self.job], self.printer, interrupts)
        return code


def is_read_error(error: OpenFunnelError | OSError) -> TypeGuard[OpenFunnelError]:
    """Whether the rows could not be read, rather than not be written.

    A timeout of the service is also an OSError, and leaves the file as it is. A
    ConfigurationError of the export, such as a file that another export writes, is a
    failure to write.
    """
    return isinstance(error, OpenFunnelError) and not isinstance(
        error, ConfigurationError
    )
