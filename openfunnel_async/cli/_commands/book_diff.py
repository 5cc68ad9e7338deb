"""``book diff``: which companies two batches share."""

import enum
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import BatchDiff
from openfunnel_async.cli._commands.book_flags import BatchName, BookFlags, check_batch
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._settings import Json


class Part(enum.StrEnum):
    """A part of what two batches have."""

    BOTH = "both"
    FIRST = "first"
    SECOND = "second"


def diff_batches(
    first: BatchName,
    second: BatchName,
    /,
    *,
    part: Annotated[
        Part | None,
        Parameter(
            name="--list",
            help="Print the companies of this part, one a line: p: and the LinkedIn "
            "page, or d: and the domain.",
        ),
    ] = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Count the companies that two batches share, and those of only one.

    It sends nothing.
    """
    book, printer = place.find_book(), Printer(json=json)
    found = anyio.run(_diff, book, first, second)
    counts = {each: len(getattr(found, each)) for each in Part}
    marks = [] if part is None else [*getattr(found, part)]
    if part is None or json:
        printer.print_result(
            "diff",
            _describe(first, second, counts),
            names=[first, second],
            **{str(each): count for each, count in counts.items()},
        )
    for mark in marks:
        printer.print_result("diff_company", one_line(mark), part=part, company=mark)
    return ExitCode.OK


async def _diff(book: Book, first: str, second: str) -> BatchDiff:
    async with book:
        for name in (first, second):
            await check_batch(book, name)
        return await book.diff(first, second)


def _describe(first: str, second: str, counts: dict[Part, int]) -> str:
    both, only_first, only_second = (format_amount(counts[each]) for each in Part)
    return (
        f"{both} companies are in both batches, {only_first} only in "
        f"{one_line(first)}, {only_second} only in {one_line(second)}."
    )
