"""Print rows on stdout as they arrive, one JSON object a line."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from functools import partial

from openfunnel_async import BulkJob, Company, export
from openfunnel_async.cli._interrupts import Interrupts
from openfunnel_async.cli._output.exit_codes import (
    CommandError,
    ExitCode,
    error_fields,
    exit_code_of,
)
from openfunnel_async.cli._output.job_reports import exit_code_of_job
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.errors import OpenFunnelError


def check_columns(columns: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns to print, all of them for None.

    Raises:
        CommandError: There is no such column, or a column is named twice.
    """
    if columns is None:
        return export.COLUMNS
    for name in columns:
        if name not in export.COLUMNS:
            there_are = ", ".join(export.COLUMNS)
            raise CommandError(f"there is no column {name!r:.60}; use {there_are}")
    if len(set(columns)) < len(columns):
        raise CommandError("--columns names a column twice")
    return tuple(columns)


async def print_rows(
    job: BulkJob,
    columns: Sequence[str],
    printer: Printer,
    interrupts: Interrupts,
    *,
    follow: bool,
) -> ExitCode:
    """Print a job's rows on stdout, and everything else on stderr.

    Ctrl-C, also a second one, ends the printing and leaves the job as it is.
    """
    work = partial(_print_rows, job, columns, printer, follow=follow)
    code = await interrupts.run(work)
    return interrupts.code if code is None else code


async def _print_rows(
    job: BulkJob, columns: Sequence[str], printer: Printer, *, follow: bool
) -> ExitCode:
    rows = 0
    try:
        async with job.rows(follow=follow) as stream:
            async for company in stream:
                _print_row(company, columns)
                if not printer.stdout_is_open:
                    return ExitCode.FAILED
                rows += 1
    except OpenFunnelError as error:
        code = exit_code_of(error)
        printer.print_error(str(error), code=int(code), **error_fields(error, job.id))
        return code
    status = str(job.status)
    printer.print_event(
        "printed",
        f"{format_amount(rows)} companies; job {job.id} is {status}",
        job_id=job.id,
        rows=rows,
        status=status,
    )
    if job.snapshot is None or not job.is_terminal:
        return ExitCode.PARTIAL
    return exit_code_of_job(job.snapshot)


def _print_row(company: Company, columns: Sequence[str]) -> None:
    row = {name: _value(company, name) for name in columns}
    is_unicode = (sys.stdout.encoding or "").lower() == "utf-8"
    text = json.dumps(row, ensure_ascii=not is_unicode)
    sys.stdout.write(f"{''.join(map(_escape, text))}\n")
    sys.stdout.flush()


def _escape(character: str) -> str:
    """Escape what would move a cursor or end a line; JSON itself escapes only ASCII."""
    is_unsafe = unicodedata.category(character) in {"Cc", "Zl", "Zp"}
    return f"\\u{ord(character):04x}" if is_unsafe else character


def _value(company: Company, column: str) -> object:
    value: object = getattr(company, column)
    return value or None if column == "extra" else value
