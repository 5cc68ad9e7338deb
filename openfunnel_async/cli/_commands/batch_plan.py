"""``batch plan``: write the searches of a file into the Book; nothing is sent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.cli._commands.book_flags import BookFlags, format_batch_command
from openfunnel_async.cli._output.credits import worst_case
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._plan_file import (
    MOST_NAMED,
    BrokenPlanError,
    PlanLine,
    read_plan,
)
from openfunnel_async.cli._settings import Account, ServiceFlags


def plan_batch(
    file: Annotated[
        Path,
        Parameter(
            help="A .csv file with columns such as query, seed_domains, limit, "
            "locations and label, lists separated by ;, or a .jsonl file."
        ),
    ],
    /,
    *,
    name: Annotated[
        str | None,
        Parameter(help="The batch; the file's name without its ending by default."),
    ] = None,
    max_credits: Annotated[
        float | None,
        Parameter(
            help="The most credits that the batch may ever bill. Every search then "
            "needs a limit."
        ),
    ] = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Write the searches of a file into the Book as a batch, for free.

    Nothing is sent. Every broken line is named, and then nothing is written. The same
    file again is the same batch. Afterwards, batch run NAME buys it.
    """
    if max_credits is not None and not 0 <= max_credits < float("inf"):
        raise CommandError("--max-credits must be a number of at least 0")
    printer = Printer(json=service.json)
    lines = _read(file, printer, needs_limits=max_credits is not None)
    account, book = service.find_account(), place.open_book()
    name = file.stem if name is None else name
    is_new = anyio.run(_plan, account, book, name, lines, max_credits)
    _print_plan(printer, name, lines, max_credits, book, service, is_new=is_new)
    return ExitCode.OK


def _read(path: Path, printer: Printer, *, needs_limits: bool) -> list[PlanLine]:
    """Return the searches of the file.

    Raises:
        CommandError: It is broken; the broken lines were printed.
    """
    try:
        return read_plan(path, needs_limits=needs_limits)
    except BrokenPlanError as error:
        broken = error.lines
    for number, text in broken[:MOST_NAMED]:
        line = f", line {number}" if number else ""
        printer.print_error(
            f"{path}{line}: {text}",
            code=int(ExitCode.USAGE),
            path=str(path),
            line=number or None,
        )
    hidden = len(broken) - MOST_NAMED
    more = f" {hidden} more are not shown." if hidden > 0 else ""
    found = f"{path} has {len(broken)} broken line{'s' if len(broken) > 1 else ''}."
    raise CommandError(f"{found}{more} Nothing was written or sent", path=str(path))


async def _plan(
    account: Account,
    book: Book,
    name: str,
    lines: Sequence[PlanLine],
    max_credits: float | None,
) -> bool:
    """Write the batch; return whether it is new."""
    async with account.open_client(book=book) as client:
        is_new = not book.path.exists() or name not in {
            status.name for status in await book.batches()
        }
        await client.batch(
            name,
            [line.search for line in lines],
            labels=[line.label for line in lines],
            max_credits=max_credits,
        )
    return is_new


def _print_plan(  # noqa: PLR0913 -- what was planned
    printer: Printer,
    name: str,
    lines: Sequence[PlanLine],
    max_credits: float | None,
    book: Book,
    service: ServiceFlags,
    *,
    is_new: bool,
) -> None:
    worst = sum(worst_case(line.search) for line in lines)
    unlimited = sum(line.search.limit is None for line in lines)
    duplicates = _count_duplicates(lines)
    verb = "Planned" if is_new else "It was planned before:"
    texts = [
        f"{verb} {format_amount(len(lines))} searches as batch {one_line(name)} in "
        f"{book.path}.",
        f"They can bill up to {format_amount(worst)} credits"
        + _describe_cap(worst, max_credits),
    ]
    if unlimited:
        texts.append(
            f"{format_amount(unlimited)} of them have no limit, and can bill up to the "
            "service's own limit each."
        )
    if duplicates:
        texts.append(
            f"{format_amount(duplicates)} of them repeat an earlier one, and are billed "
            "again."
        )
    command = format_batch_command("run", name, book, service)
    printer.print_result(
        "planned",
        "\n".join(texts),
        name=name,
        searches=len(lines),
        worst_case_credits=worst,
        unlimited=unlimited,
        duplicates=duplicates,
        max_credits=max_credits,
        is_new=is_new,
        book=str(book.path),
    )
    printer.print_hint(f"Nothing was sent. To buy it:\n  {command}")


def _describe_cap(worst: int, cap: float | None) -> str:
    if cap is None:
        return "."
    if cap < worst:
        return f"; the cap stops at {format_amount(cap)}, before all are bought."
    return f", within the cap of {format_amount(cap)}."


def _count_duplicates(lines: Sequence[PlanLine]) -> int:
    return len(lines) - len({line.search.to_json() for line in lines})
