"""``fetch``: write the companies of a job into a file, or print them on stdout."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async.cli._commands.job_id import JobId, check_job_id
from openfunnel_async.cli._commands.output_file import Overwrite, check_output
from openfunnel_async.cli._commands.row_export import (
    Columns,
    RowExport,
    split_columns,
)
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.json_rows import check_columns, print_rows
from openfunnel_async.cli._output.live_status import EventRelay
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags

_STDOUT = Path("-")


def fetch_rows(  # noqa: PLR0913 -- flags, each with a default but the file
    job: JobId,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            help="A .csv, .jsonl, .parquet or .xlsx file, or - for JSONL on stdout.",
            allow_leading_hyphen=True,
        ),
    ],
    follow: Annotated[
        bool,
        Parameter(help="Wait for the rows that are not there yet."),
    ] = False,
    resume: Annotated[
        bool,
        Parameter(
            help="Continue with the .part of an earlier export; also done without it "
            "if the .part belongs to this job."
        ),
    ] = False,
    overwrite: Overwrite = False,
    columns: Columns = None,
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Write a job's companies into a file, for free.

    Without --follow, it writes the rows that are there now, and ends with 4 if the
    job still runs. A .part of this job is continued, that of another one refused.
    """
    job_id, names = check_job_id(job), split_columns(columns)
    printer = Printer(json=service.json, rows_on_stdout=output == _STDOUT)
    printed_names, checkpoint = check_columns(names), None
    if output != _STDOUT:
        checkpoint = check_output(
            output, names, overwrite=overwrite, job_id=job_id, service=service
        )
    elif resume:
        raise CommandError("--resume needs a file; it cannot continue on stdout")
    account, events = service.find_account(), EventRelay()

    async def fetch(interrupts: Interrupts) -> ExitCode:
        async with account.open_client(events) as client:
            if output == _STDOUT:
                return await print_rows(
                    client.job(job_id),
                    printed_names,
                    printer,
                    interrupts,
                    follow=follow,
                )
            row_export = RowExport(
                # The handle starts after the rows that were saved. To read them again
                # would first discard them, and the service may not have them any more.
                job=client.resume(checkpoint) if checkpoint else client.job(job_id),
                path=output,
                columns=names,
                service=service,
                printer=printer,
                events=events,
                overwrite=overwrite,
                follow=follow,
                resume=resume or checkpoint is not None,
            )
            return await row_export.run(interrupts)

    return run_command(fetch)
