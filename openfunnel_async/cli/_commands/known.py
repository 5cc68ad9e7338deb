"""``book known``: the companies that the Book knows besides those it bought."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import KnownList
from openfunnel_async.cli._broken_lines import report_broken_lines
from openfunnel_async.cli._commands.book_flags import BookFlags
from openfunnel_async.cli._known_file import KnownLine, read_known
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._output.text_table import format_table
from openfunnel_async.cli._plan_file import BrokenLine, BrokenPlanError
from openfunnel_async.cli._settings import Json
from openfunnel_async.errors import ConfigurationError

_PLACE = re.compile(r"companies\[(\d+)\] ")

Label = Annotated[str, Parameter(help="The name of the list.")]


def add_known(
    file: Annotated[
        Path,
        Parameter(
            help="A .csv file with a column such as domain, Website, Company Domain "
            "Name or LinkedIn URL, or a .jsonl file."
        ),
    ],
    /,
    *,
    label: Label,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Add the companies of a file, for example of a CRM; it sends nothing.

    They do not count as new when a batch delivers them; they are billed all the same.
    Other columns are ignored, and so are lines that have neither a domain nor a page.
    Every other line that is broken is named, and then nothing is added. The same file
    again adds nothing.
    """
    book, printer = place.open_book(), Printer(json=json)
    try:
        lines, skipped = read_known(file)
        added = anyio.run(_add, book, lines, label)
    except BrokenPlanError as error:
        raise report_broken_lines(file, error, printer) from None
    printer.print_result(
        "known_added",
        f"Added {format_amount(added)} companies as {one_line(label)}; the Book at "
        f"{book.place} knew {format_amount(len(lines) - added)} of the file."
        f"{_describe_skipped(skipped)}",
        label=label,
        companies=len(lines),
        added=added,
        known=len(lines) - added,
        skipped=skipped,
        book=book.place,
    )
    return ExitCode.OK


def _describe_skipped(skipped: int) -> str:
    if not skipped:
        return ""
    return f"\nSkipped, with neither a domain nor a page: {format_amount(skipped)}."


async def _add(book: Book, lines: Sequence[KnownLine], label: str) -> int:
    """Add the companies, and return how many were not known.

    Raises:
        BrokenPlanError: Texts are neither a domain nor a page; nothing was added.
    """
    async with book:
        companies = [line.company for line in lines]
        try:
            return await book.add_known(companies, label=label)
        except ConfigurationError as error:
            place = find_refused(error)
        broken: list[BrokenLine] = []
        while place < len(lines):
            text = "it has neither a domain nor a LinkedIn page that is one"
            broken.append(BrokenLine(lines[place].number, text))
            place += 1
            try:
                # The last one is refused, so that nothing is added.
                await book.add_known([*companies[place:], {}], label=label)
            except ConfigurationError as error:
                place += find_refused(error)
        raise BrokenPlanError(broken)


def find_refused(error: ConfigurationError) -> int:
    """Return the place of the company that ``Book.add_known()`` refused.

    Raises:
        ConfigurationError: The error is about something else.
    """
    found = _PLACE.match(str(error))
    if found is None:
        raise error
    return int(found[1])


def list_known(
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """List what was added, in its order; it sends nothing."""
    book, printer = place.find_book(), Printer(json=json)
    lists = anyio.run(_read_lists, book)
    if json:
        for one in lists:
            printer.print_result("known_list", "", **one.to_dict())
    elif lists:
        rows = [(one_line(one.label), format_amount(one.companies)) for one in lists]
        lines = format_table(("LABEL", "COMPANIES"), rows, right=("COMPANIES",))
        printer.print_result("known_list", "\n".join(lines))
    else:
        printer.print_hint(f"Nothing was added to the Book at {book.place}.")
    return ExitCode.OK


async def _read_lists(book: Book) -> list[KnownList]:
    async with book:
        return await book.known_lists()


def count_known(
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Count the companies that the Book knows, bought ones and added ones."""
    book = place.find_book()
    count = anyio.run(_count, book)
    Printer(json=json).print_result(
        "known_count",
        f"{format_amount(count)} companies are known.",
        companies=count,
        book=book.place,
    )
    return ExitCode.OK


async def _count(book: Book) -> int:
    async with book:
        return await book.count_known()


def remove_known(
    *,
    label: Label,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Forget a list that was added; companies that were bought stay known."""
    book = place.find_book()
    removed = anyio.run(_remove, book, label)
    Printer(json=json).print_result(
        "known_removed",
        f"Removed {format_amount(removed)} companies of {one_line(label)}.",
        label=label,
        removed=removed,
        book=book.place,
    )
    return ExitCode.OK


async def _remove(book: Book, label: str) -> int:
    async with book:
        labels = [one.label for one in await book.known_lists()]
        if label not in labels:
            similar = get_close_matches(label, labels, n=1)
            advice = f"did you mean {similar[0]}?" if similar else "see book known list"
            raise CommandError(
                f"the Book at {book.place} has no list {label}: {advice}"
            )
        return await book.remove_known(label)
