"""Report on jobs: their status, their cancels and their files, and the exit codes."""

from collections.abc import Sequence
from pathlib import Path

from openfunnel_async import (
    BulkJob,
    CancelReceipt,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    export,
)
from openfunnel_async.cli._output.credits import worst_case
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line

EXIT_CODES = {
    JobStatus.COMPLETED: ExitCode.OK,
    JobStatus.FAILED: ExitCode.JOB_FAILED,
    JobStatus.CANCELLED: ExitCode.PARTIAL,
}
"""The exit codes of the terminal statuses."""


def exit_code_of_job(snapshot: JobSnapshot) -> ExitCode:
    """Return the exit code of a job's status; 0 for one that is not terminal."""
    code = EXIT_CODES.get(snapshot.status, ExitCode.OK)
    is_partial = snapshot.manifest is not None and snapshot.manifest.partial is True
    return ExitCode.PARTIAL if code is ExitCode.OK and is_partial else code


def job_fields(snapshot: JobSnapshot) -> dict[str, object]:
    """Return what ``--json`` prints of a job; what is not known is None."""
    manifest = snapshot.manifest
    return {
        "job_id": snapshot.job_id,
        "status": str(snapshot.status),
        "raw_status": snapshot.raw_status,
        "is_terminal": snapshot.is_terminal,
        "delivered": snapshot.delivered,
        "limit": snapshot.limit,
        "eta": None if snapshot.eta is None else round(snapshot.eta, 1),
        "credits_consumed": None if manifest is None else manifest.credits_consumed,
        "partial": None if manifest is None else manifest.partial,
        "progress_message": snapshot.progress_message,
        "error_message": snapshot.error_message,
    }


def describe_job(snapshot: JobSnapshot) -> str:
    """Describe a job's status in one line."""
    facts = [str(snapshot.status)]
    if snapshot.status is JobStatus.UNKNOWN:
        facts[0] = f'in a status that is unknown here, "{snapshot.raw_status}"'
    if snapshot.delivered is not None:
        facts.append(f"{format_amount(snapshot.delivered)} companies delivered")
    manifest = snapshot.manifest
    if manifest is not None and manifest.credits_consumed is not None:
        facts.append(f"{format_amount(manifest.credits_consumed)} credits billed")
    if snapshot.progress_message and not snapshot.is_terminal:
        facts.append(snapshot.progress_message)
    if snapshot.error_message:
        facts.append(snapshot.error_message)
    return one_line(f"Job {snapshot.job_id}: {', '.join(facts)}")


def print_submitted(
    printer: Printer,
    job: BulkJob,
    search: LookalikeSearch,
    *,
    key: str | None = None,
    is_result: bool = True,
) -> None:
    """Print the id; alone on its line if it is the result of the command.

    Args:
        printer: Prints it.
        job: The job.
        search: Its search.
        key: Its key in the Book, if there is one.
        is_result: Whether the id is the result of the command.
    """
    fields = {
        "job_id": job.id,
        "limit": job.limit,
        "worst_case_credits": worst_case(search),
        "key": key,
    }
    if is_result:
        printer.print_result("submitted", job.id, **fields)
    else:
        printer.print_event("submitted", f"Submitted as job {job.id}.", **fields)
    if key is not None:
        printer.print_hint(f"The Book has it as {key}.")


def print_cancel(printer: Printer, receipt: CancelReceipt) -> None:
    """Print what a cancel achieved."""
    printer.print_result(
        "cancel",
        _describe_cancel(receipt),
        job_id=receipt.job_id,
        accepted=receipt.accepted,
        already_terminal=receipt.already_terminal,
        status=str(receipt.status),
        delivered=receipt.delivered,
        credits_consumed=receipt.credits_consumed,
        credits_avoided=receipt.credits_avoided,
        limit=receipt.requested_limit,
    )


def _describe_cancel(receipt: CancelReceipt) -> str:
    if receipt.already_terminal:
        text = f"Job {receipt.job_id} was already {receipt.status}: nothing to cancel"
    elif receipt.status.is_terminal:
        text = f"Job {receipt.job_id} has stopped: {receipt.status}"
    else:
        text = f"Job {receipt.job_id} will stop at its next checkpoint"
    numbers = (
        (receipt.delivered, "companies delivered"),
        (receipt.credits_consumed, "credits billed"),
        (receipt.credits_avoided or None, "credits not spent"),
    )
    known = [
        f"{format_amount(number)} {what}"
        for number, what in numbers
        if number is not None
    ]
    return f"{text}.\n{', '.join(known)}." if known else f"{text}."


def print_unconfirmed_cancels(printer: Printer, jobs: Sequence[BulkJob]) -> None:
    """Print what is known of cancels that were interrupted."""
    for job in jobs:
        if not job.is_terminal:
            is_accepted = job.status is JobStatus.CANCELLING
            known = "was accepted" if is_accepted else "may not have been sent"
            printer.print_error(
                f"interrupted: the cancel of job {job.id} {known}; it may still bill",
                code=int(ExitCode.INTERRUPTED),
                job_id=job.id,
            )


def print_export(
    printer: Printer, job: BulkJob, path: Path, report: export.ExportReport
) -> None:
    """Print what is in the file, and what the job has billed."""
    manifest = job.snapshot.manifest if job.snapshot is not None else None
    billed = None if manifest is None else manifest.credits_consumed
    resumed = f", {format_amount(report.resumed)} of them from an earlier export"
    bill = "" if billed is None else f"; {format_amount(billed)} credits billed"
    printer.print_result(
        "exported",
        f"{format_amount(report.rows)} companies are in {path}"
        f"{resumed if report.resumed else ''}.\nJob {job.id} is {job.status}{bill}.",
        job_id=job.id,
        path=str(report.path),
        rows=report.rows,
        resumed=report.resumed,
        status=str(job.status),
        credits_consumed=billed,
    )
