"""After Ctrl-C: leave jobs running, or cancel them."""

from collections.abc import Sequence

import anyio

from openfunnel_async import CREDITS_PER_COMPANY, BulkJob
from openfunnel_async.cli._interrupts import SECOND_WITHIN, Interrupts
from openfunnel_async.cli._output.exit_codes import (
    ExitCode,
    error_fields,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.job_reports import (
    EXIT_CODES,
    print_cancel,
    print_unconfirmed_cancels,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.errors import OpenFunnelError


async def leave_jobs(
    jobs: Sequence[BulkJob], resume: str, printer: Printer, interrupts: Interrupts
) -> bool:
    """Print which jobs continue, and wait for a second Ctrl-C.

    Args:
        jobs: The jobs.
        resume: The command that continues with them.
        printer: Prints it.
        interrupts: The signals.

    Returns:
        False if a second Ctrl-C arrived, which cancels the jobs.
    """
    ids = [job.id for job in jobs]
    them = "it" if len(ids) == 1 else "them"
    # A program that sends SIGTERM sends no second one, and may not wait.
    within = SECOND_WITHIN if interrupts.code is ExitCode.INTERRUPTED else None
    lines = ["", _describe_running(jobs), f"To continue with {them}:", f"  {resume}"]
    if within is not None:
        lines.append(f"Press Ctrl-C again within {within:g} s to cancel {them}.")
    printer.print_event(
        "left",
        "\n".join(lines),
        job_ids=ids,
        pick_up=resume,
        cancel_within=within,
    )
    return not await interrupts.is_repeated()


def _describe_running(jobs: Sequence[BulkJob]) -> str:
    if len(jobs) > 1:
        return f"{len(jobs)} jobs continue and bill what they deliver."
    limit = jobs[0].limit
    most = ""
    if limit is not None:
        most = f", up to {format_amount(limit * CREDITS_PER_COMPANY)} credits in total"
    return f"Job {jobs[0].id} continues and bills what it delivers{most}."


async def cancel_jobs(
    jobs: Sequence[BulkJob], printer: Printer, interrupts: Interrupts
) -> ExitCode:
    """Cancel jobs, wait until they have stopped, and print the bills.

    Returns:
        The exit code of the jobs' ends; 130 if another Ctrl-C ended the wait.
    """
    printer.print_event(
        "cancelling",
        "Cancelling, and waiting for the bill; Ctrl-C ends the wait ...",
        job_ids=[job.id for job in jobs],
    )
    codes: list[ExitCode] = []

    async def cancel(job: BulkJob) -> None:
        try:
            receipt = await job.cancel(wait=True, timeout=None)
        except OpenFunnelError as error:
            code = exit_code_of(error)
            fields = error_fields(error, job.id)
            printer.print_error(str(error), code=int(code), **fields)
            codes.append(code)
        else:
            print_cancel(printer, receipt)
            codes.append(EXIT_CODES.get(receipt.status, ExitCode.PARTIAL))

    async def cancel_each() -> ExitCode:
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(cancel, job)
        return worst_of(codes)

    code = await interrupts.run(cancel_each)
    if code is None:
        print_unconfirmed_cancels(printer, jobs)
        return ExitCode.INTERRUPTED
    return code
