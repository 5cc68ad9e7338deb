"""``status``: read the status of jobs."""

from collections.abc import Sequence
from functools import partial

import anyio

from openfunnel_async import JobSnapshot, OpenFunnel
from openfunnel_async.cli._commands.job_id import JobIds, check_job_ids
from openfunnel_async.cli._output.exit_codes import (
    ExitCode,
    error_fields,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.job_reports import describe_job, job_fields
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags
from openfunnel_async.errors import OpenFunnelError

Answer = JobSnapshot | OpenFunnelError


def print_status(*jobs: JobIds, service: ServiceFlags = ServiceFlags()) -> ExitCode:  # noqa: B008 -- frozen
    """Print the status of jobs once, for free."""
    ids, account = check_job_ids(jobs), service.find_account()
    answers = account.call(partial(_poll_jobs, ids))
    printer = Printer(json=service.json)
    return worst_of(_report(job_id, answers[job_id], printer) for job_id in ids)


async def _poll_jobs(ids: Sequence[str], client: OpenFunnel) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}

    async def poll(job_id: str) -> None:
        try:
            answers[job_id] = await client.job(job_id).poll()
        except OpenFunnelError as error:
            answers[job_id] = error

    async with anyio.create_task_group() as group:
        for job_id in ids:
            group.start_soon(poll, job_id)
    return answers


def _report(job_id: str, answer: Answer, printer: Printer) -> ExitCode:
    if isinstance(answer, OpenFunnelError):
        code = exit_code_of(answer)
        fields = error_fields(answer, job_id)
        printer.print_error(str(answer), code=int(code), **fields)
        return code
    printer.print_result("job", describe_job(answer), **job_fields(answer))
    return ExitCode.OK
