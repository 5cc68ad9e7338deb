"""``batch list``, ``batch show`` and ``book entries``: read the Book, without a key."""

from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import BatchReport, BatchStatus, BookEntry, EntryState
from openfunnel_async.cli._commands.book_flags import BatchName, BookFlags, check_batch
from openfunnel_async.cli._output.batch_reports import (
    print_batch,
    print_batches,
    print_entries,
)
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Json

State = Annotated[EntryState | None, Parameter(help="Only the searches in this state.")]


def list_batches(
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """List the batches of the Book with their sums; it sends nothing."""
    book, printer = place.find_book(), Printer(json=json)
    statuses = anyio.run(_read_batches, book)
    if statuses:
        print_batches(printer, statuses)
    else:
        printer.print_hint(f"The Book at {book.place} has no batch.")
    return ExitCode.OK


async def _read_batches(book: Book) -> list[BatchStatus]:
    async with book:
        return await book.batches()


def show_batch(
    name: BatchName,
    /,
    *,
    state: State = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Show the sums of a batch and what became of each search; it sends nothing."""
    book, printer = place.find_book(), Printer(json=json)
    report, entries = anyio.run(_read_batch, book, name, state)
    print_batch(printer, report)
    if not json:
        printer.print_result("", "")
    print_entries(printer, entries)
    return ExitCode.OK


async def _read_batch(
    book: Book, name: str, state: EntryState | None
) -> tuple[BatchReport, list[BookEntry]]:
    async with book:
        await check_batch(book, name)
        batch = await book.batch(name)
        return await batch.report(), await batch.searches(state=state)


def show_entries(
    *,
    state: State = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Show every search in the Book, also those of run and submit; it sends nothing."""
    book = place.find_book()
    print_entries(Printer(json=json), anyio.run(_read_entries, book, state))
    return ExitCode.OK


async def _read_entries(book: Book, state: EntryState | None) -> list[BookEntry]:
    async with book:
        return await book.entries(state=state)
