"""``run``: submit a search and write its companies into a file as they arrive."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async.cli._commands.consent import ConsentFlags
from openfunnel_async.cli._commands.row_export import (
    Columns,
    RowExport,
    check_output,
    split_columns,
)
from openfunnel_async.cli._commands.search_flags import SearchFlags
from openfunnel_async.cli._commands.submit import prepare_search, submit_job
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.job_reports import print_submitted
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags


def run_search(  # noqa: PLR0913 -- flags, each with a default but the file
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            help="A .csv, .jsonl or .parquet file.",
            allow_leading_hyphen=True,
        ),
    ],
    enough: Annotated[
        int | None,
        Parameter(
            help="Cancel the job at this number of rows. More rows may be delivered up "
            "to its next checkpoint; they are billed, so the file has them too."
        ),
    ] = None,
    columns: Columns = None,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    consent: ConsentFlags = ConsentFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Start a job and write its companies into a file as they arrive.

    The file has every row that is billed. It is there once the job has ended; until
    then the rows are in a .part file beside it. If the file cannot be written any
    longer, the job is cancelled.

    Ctrl-C leaves the job running and prints the command that continues with it. A
    second one within 3 s cancels the job, waits for the bill and completes the file.
    """
    if enough is not None and enough < 1:
        raise CommandError("--enough must be a whole number of at least 1")
    names = split_columns(columns)
    check_output(output, names)
    printer = Printer(json=service.json)
    search, account = prepare_search(flags, consent, service, printer)

    async def run(interrupts: Interrupts) -> ExitCode:
        async with account.open_client() as client:
            job = await submit_job(client, search, printer, interrupts)
            if service.json:
                print_submitted(printer, job, search)
            else:
                printer.print_hint(f"Submitted as job {job.id}.")
            row_export = RowExport(
                job=job,
                path=output,
                columns=names,
                service=service,
                printer=printer,
                enough=enough,
                spends=True,
            )
            return await row_export.run(interrupts)

    return run_command(run)
