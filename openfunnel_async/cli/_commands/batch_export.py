"""``batch export``: write the companies of a batch from the Book into a file."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import Book, export
from openfunnel_async.book import BatchReport
from openfunnel_async.cli._commands.book_flags import BatchName, BookFlags, check_batch
from openfunnel_async.cli._commands.output_file import Overwrite, check_output
from openfunnel_async.cli._commands.row_export import Columns, split_columns
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._settings import Json


def export_batch(  # noqa: PLR0913 -- flags, each with a default but the file
    name: BatchName,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            help="A .csv, .jsonl, .parquet or .xlsx file.",
            allow_leading_hyphen=True,
        ),
    ],
    columns: Columns = None,
    overwrite: Overwrite = False,
    new_only: Annotated[
        bool,
        Parameter(
            help="Only companies that the Book did not know when they were delivered."
        ),
    ] = False,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Write the companies of a batch into a file; it needs no key and sends nothing.

    Ends with 4 if the batch is not done: the file then has what is in the Book now.
    """
    if output == Path("-"):
        raise CommandError("batch export cannot write to stdout; name a file")
    names, book = split_columns(columns), place.find_book()
    check_output(output, names, overwrite=overwrite)
    work = _Export(
        name=name,
        path=output,
        columns=names,
        book=book,
        new_only=new_only,
        overwrite=overwrite,
    )
    return run_command(partial(_run, work, Printer(json=json)))


@attrs.frozen(kw_only=True)
class _Export:
    """What to write, and where."""

    name: str
    path: Path
    columns: Sequence[str] | None
    book: Book
    new_only: bool
    overwrite: bool

    async def write(self) -> tuple[export.ExportReport, BatchReport]:
        """Write the file, and return what is in it and in the Book."""
        batch = await self.book.batch(self.name)
        # Before the rows: a batch that was done had all of them.
        report = await batch.report()
        rows = batch.rows(new_only=self.new_only)
        written = await export.to_file(
            rows, self.path, columns=self.columns, overwrite=self.overwrite
        )
        return written, report

    def discard(self) -> None:
        """Remove what an interrupted export left; all of it is in the Book."""
        real = self.path.resolve()
        real.with_name(f"{real.name}.part").unlink(missing_ok=True)


async def _run(work: _Export, printer: Printer, interrupts: Interrupts) -> ExitCode:
    async with work.book:
        await check_batch(work.book, work.name)
        try:
            outcome = await interrupts.run(work.write)
        except OSError as error:
            work.discard()
            reason = error.strerror or type(error).__name__
            raise CommandError(
                f"cannot write {work.path}: {reason}. The rows are in the Book",
                ExitCode.FAILED,
                path=str(work.path),
            ) from None
    if outcome is None:
        work.discard()
        return interrupts.code
    written, report = outcome
    kind = "new companies" if work.new_only else "companies"
    done = "" if report.is_done else "; the batch is not done, so more may come"
    printer.print_result(
        "batch_exported",
        f"{format_amount(written.rows)} {kind} of batch {one_line(work.name)} are "
        f"in {work.path}{done}.",
        name=work.name,
        path=str(written.path),
        rows=written.rows,
        new_only=work.new_only,
        is_done=report.is_done,
    )
    return ExitCode.OK if report.is_done else ExitCode.PARTIAL
