"""``batch watch``: show a batch that another process runs."""

import sys
from functools import partial

import anyio

from openfunnel_async import Book
from openfunnel_async.book import BatchReport
from openfunnel_async.cli._commands.book_flags import BatchName, BookFlags, check_batch
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.batch_progress import BatchDisplay, show_batch
from openfunnel_async.cli._output.batch_reports import (
    batch_fields,
    exit_code_of_batch,
    print_batch,
)
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Json

_READ_EVERY = 0.5
_STALLED_AFTER = 60
"""Readings without a change."""
_STALLED = (
    "Nothing has changed for half a minute. If no process runs the batch any more, "
    "batch run\ncontinues with it."
)


def watch_batch(
    name: BatchName,
    /,
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Show a batch that another process runs, until nothing is left to do.

    It only reads the Book: it needs no key and sends nothing. Ctrl-C ends it, and
    changes nothing.
    """
    return run_command(partial(_watch, place.find_book(), name, Printer(json=json)))


async def _watch(
    book: Book, name: str, printer: Printer, interrupts: Interrupts
) -> ExitCode:
    async with book:
        await check_batch(book, name)
        with show_batch(printer, sys.stdout) as display:
            report = await interrupts.run(
                partial(_follow, book, name, display, printer)
            )
    if report is None:
        printer.print_hint("\nOnly the display has ended; the batch is as it was.")
        return interrupts.code
    print_batch(printer, report)
    return exit_code_of_batch(report)


async def _follow(
    book: Book, name: str, display: BatchDisplay, printer: Printer
) -> BatchReport:
    """Read the Book until the batch is done, or stdout has no reader."""
    batch = await book.batch(name)
    shown: dict[str, object] | None = None
    readings = 0
    while True:
        report = await batch.report()
        fields = batch_fields(report)
        if fields != shown:
            shown, readings = fields, 0
            display.show(report.to_status())
        if report.is_done or not printer.stdout_is_open:
            return report
        readings += 1
        if readings == _STALLED_AFTER:
            printer.print_hint(_STALLED)
        await anyio.sleep(_READ_EVERY)
