"""``status``: read the status of one job."""

from openfunnel_async.cli._commands.job_id import JobId, check_job_id
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.job_reports import describe_job, job_fields
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags


def print_status(job: JobId, /, *, service: ServiceFlags = ServiceFlags()) -> ExitCode:  # noqa: B008 -- frozen
    """Print a job's status once, for free."""
    job_id = check_job_id(job)
    snapshot = service.find_account().call(lambda client: client.job(job_id).poll())
    printer = Printer(json=service.json)
    printer.print_result("job", describe_job(snapshot), **job_fields(snapshot))
    return ExitCode.OK
