"""``watch``: show jobs until they are terminal."""

import sys
from collections.abc import Sequence
from functools import partial

import anyio
from anyio.abc import TaskGroup

from openfunnel_async import BulkJob, JobSnapshot
from openfunnel_async.cli._commands.job_id import JobIds, check_job_ids
from openfunnel_async.cli._commands.stop_jobs import cancel_jobs, leave_jobs
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import (
    ExitCode,
    error_fields,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.job_reports import (
    describe_job,
    exit_code_of_job,
    job_fields,
)
from openfunnel_async.cli._output.live_status import (
    EventRelay,
    ShowSnapshot,
    show_jobs,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags
from openfunnel_async.errors import JobNotFoundError, OpenFunnelError


def watch_jobs(
    *jobs: JobIds,
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Show jobs until all of them have ended, for free.

    Ctrl-C stops the command and leaves the jobs running; a second one within 3 s
    cancels them.
    """
    ids = check_job_ids(jobs)
    account, printer = service.find_account(), Printer(json=service.json)
    return run_command(partial(_watch, ids, account, service, printer))


async def _watch(
    ids: Sequence[str],
    account: Account,
    service: ServiceFlags,
    printer: Printer,
    interrupts: Interrupts,
) -> ExitCode:
    events = EventRelay()
    async with account.open_client(events) as client:
        jobs = [client.job(job_id) for job_id in ids]
        with show_jobs(jobs, printer, events, sys.stdout) as show:
            code = await interrupts.run(partial(_wait, jobs, show, printer))
        if code is not None:
            return code
        running = [job for job in jobs if _may_run(job)]
        if not running:
            return interrupts.code
        resume = service.format_command("watch", *(job.id for job in running))
        if await leave_jobs(running, resume, printer, interrupts):
            return interrupts.code
        return await cancel_jobs(running, printer, interrupts)


async def _wait(
    jobs: Sequence[BulkJob], show: ShowSnapshot, printer: Printer
) -> ExitCode:
    """Wait for all jobs, or until stdout has no reader."""
    codes: list[ExitCode] = []

    async def wait_for(job: BulkJob, group: TaskGroup) -> None:
        def on_progress(snapshot: JobSnapshot) -> None:
            show(snapshot)
            if not printer.stdout_is_open:
                codes.append(ExitCode.FAILED)
                group.cancel_scope.cancel()

        try:
            await job.wait_until_terminal(timeout=None, on_progress=on_progress)
        except OpenFunnelError as error:
            code = exit_code_of(error)
            fields = error_fields(error, job.id)
            printer.print_error(str(error), code=int(code), **fields)
            codes.append(code)
        else:
            codes.append(_report_end(job, printer))

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(wait_for, job, group)
    return worst_of(codes)


def _may_run(job: BulkJob) -> bool:
    return not (job.is_terminal or isinstance(job.error, JobNotFoundError))


def _report_end(job: BulkJob, printer: Printer) -> ExitCode:
    """Print how a job ended; for people the table has it already."""
    if job.snapshot is None:
        return ExitCode.FAILED
    if printer.json:
        printer.print_result("job", "", **job_fields(job.snapshot))
    elif job.snapshot.error_message:
        printer.print_hint(describe_job(job.snapshot))
    return exit_code_of_job(job.snapshot)
