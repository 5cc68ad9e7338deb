"""``cancel``: stop one job."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async.cli._commands.job_id import JobId, check_job_id
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.job_reports import (
    print_cancel,
    print_unconfirmed_cancels,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags


def cancel(
    job: JobId,
    /,
    *,
    wait: Annotated[
        bool, Parameter(help="Wait until the job has stopped, for the bill.")
    ] = False,
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Ask a job to stop. A job that has already ended is a success.

    What the job has delivered is billed and stays readable. A little more may be
    delivered up to its next checkpoint.
    """
    job_id, account = check_job_id(job), service.find_account()
    printer = Printer(json=service.json)
    return run_command(partial(_cancel, job_id, account, wait, printer))


async def _cancel(
    job_id: str, account: Account, wait: bool, printer: Printer, interrupts: Interrupts
) -> ExitCode:
    async with account.open_client() as client:
        job = client.job(job_id)
        receipt = await interrupts.run(partial(job.cancel, wait=wait, timeout=None))
        if receipt is None:
            print_unconfirmed_cancels(printer, [job])
            return ExitCode.INTERRUPTED
    print_cancel(printer, receipt)
    return ExitCode.OK
