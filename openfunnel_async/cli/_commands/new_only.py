"""``run --new-only``: keep the companies in the file that the Book does not know."""

from collections.abc import Sequence
from pathlib import Path

from openfunnel_async import Book, BulkJob, Company, export
from openfunnel_async.cli._commands.known import find_refused
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.errors import ConfigurationError, JobFailedError


async def keep_new_rows(  # noqa: PLR0913 -- what the flags named
    job: BulkJob,
    path: Path,
    *,
    columns: Sequence[str] | None,
    book: Book,
    key: str,
    printer: Printer,
) -> None:
    """Write the file once more, without the companies that the Book knows.

    All rows are read once more, which is free. Until the file is replaced it has all
    of them, so no paid row is lost if this is stopped. Then the Book knows them, as a
    list with the name of the key.

    Raises:
        CommandError: The file cannot be written; it still has all rows.
        OpenFunnelError: The rows could not be read; the same.
    """
    companies = await _read_rows(job)
    new = [company for company in companies if await book.known(company) is None]
    try:
        report = await export.to_file(new, path, columns=columns, overwrite=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandError(
            f"cannot write {path} again: {reason}. It has all rows, not only new ones",
            ExitCode.FAILED,
            job_id=job.id,
            path=str(path),
        ) from None
    await _remember(new, book, key)
    known = len(companies) - len(new)
    printer.print_result(
        "new_only",
        f"{format_amount(len(new))} of them are new and stay in {path}; "
        f"{format_amount(known)} were known, and billed as well.",
        job_id=job.id,
        path=str(report.path),
        rows=len(new),
        known=known,
    )


async def _read_rows(job: BulkJob) -> list[Company]:
    """Read what the job delivered, also if it failed."""
    companies: list[Company] = []
    async with job.rows(follow=False) as rows:
        try:
            async for company in rows:
                companies.append(company)  # noqa: PERF401 -- they are kept if it fails
        except JobFailedError:
            pass
    return companies


async def _remember(companies: Sequence[Company], book: Book, label: str) -> None:
    """Add the companies to the Book, but for those without a page or a domain."""
    left = [one for one in companies if one.linkedin_url or one.domain]
    while left:
        try:
            await book.add_known(left, label=label)
        except ConfigurationError as error:
            del left[find_refused(error)]
        else:
            return
