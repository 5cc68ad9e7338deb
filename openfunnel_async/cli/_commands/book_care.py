"""``book check`` and ``book backup``."""

from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import BookCheck
from openfunnel_async.cli._commands.book_flags import BookFlags
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._settings import Json


def check_book(
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Recompute every sum of the Book, read every row and check the file.

    It sends and changes nothing. It ends with 1 if something does not add up.
    """
    book, printer = place.find_book(), Printer(json=json)
    found = anyio.run(_check, book)
    printer.print_result(
        "book_check",
        "\n".join(_describe(found, book)),
        **found.to_dict() | {"is_ok": found.is_ok, "book": book.place},
    )
    return ExitCode.OK if found.is_ok else ExitCode.FAILED


async def _check(book: Book) -> BookCheck:
    async with book:
        return await book.check()


def _describe(found: BookCheck, book: Book) -> list[str]:
    counts = (
        f"{format_amount(found.entries)} searches, {format_amount(found.rows)} rows"
    )
    if found.is_ok:
        lines = [f"The Book at {book.place} is intact: {counts}."]
    else:
        lines = [f"The Book at {book.place} has problems ({counts}):"]
        lines += [f"  {one_line(problem)}" for problem in found.problems]
    if found.unknown:
        lines.append("Submits of unknown outcome, which batch resolve decides:")
        lines += [f"  {key}" for key in found.unknown]
    return lines


def back_up_book(
    file: Annotated[Path, Parameter(help="A file that does not exist yet.")],
    /,
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Write a copy of the Book into a new file, also while it is run.

    Run only one of the two afterwards: a copy does not know what the other one bought.
    """
    book = place.find_book()
    anyio.run(_back_up, book, file)
    Printer(json=json).print_result(
        "backup",
        f"A copy of {book.place} is in {file}.",
        book=book.place,
        path=str(file.absolute()),
    )
    return ExitCode.OK


async def _back_up(book: Book, file: Path) -> None:
    async with book:
        await book.backup(file)
