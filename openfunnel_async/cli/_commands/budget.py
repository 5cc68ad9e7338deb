"""``book budget``, and the flag that puts a command under one."""

import os
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book, OpenFunnel
from openfunnel_async.book import BudgetStatus, EntryState
from openfunnel_async.cli._commands.book_flags import BookFlags, may_exist
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._output.text_table import format_table
from openfunnel_async.cli._settings import Json
from openfunnel_async.errors import OpenFunnelError

BUDGET_VARIABLE = "OPENFUNNEL_BUDGET"
_READINGS = 40
_PAUSE = 0.05

Budget = Annotated[
    str | None,
    Parameter(
        name="--budget",
        help=f"A budget of the Book; {BUDGET_VARIABLE} by default. What does not fit "
        "under it is not submitted.",
    ),
]


def find_budget(budget: str | None, book: Book | None) -> str | None:
    """Return the budget of the command line or the environment, if there is one.

    Raises:
        CommandError: There is no such budget, or no Book. Nothing was sent.
    """
    name = budget or os.environ.get(BUDGET_VARIABLE) or None
    if name is None:
        return None
    if book is None or not may_exist(book):
        raise CommandError(
            f"there is no Book with the budget {name}. Name it with --book, or make "
            f"the budget: openfunnel-async book budget set {name} --per-day N"
        )
    names = sorted({status.name for status in anyio.run(_read_budgets, book)})
    if name not in names:
        similar = get_close_matches(name, names, n=1)
        advice = f"did you mean {similar[0]}?" if similar else "see book budget show"
        raise CommandError(f"the Book at {book.place} has no budget {name}: {advice}")
    return name


async def _read_budgets(book: Book) -> list[BudgetStatus]:
    async with book:
        return await book.budgets()


async def settle_ended_jobs(client: OpenFunnel, book: Book) -> bool:
    """Write the bills of single jobs that have ended; return whether there was one.

    A job that nobody waited for keeps its reservation until its status is read.
    """
    ended: set[str] = set()
    for entry in await book.entries(state=EntryState.SUBMITTED):
        if entry.batch is not None or entry.job_id is None:
            continue
        with suppress(OpenFunnelError):
            # The Book has the job of this key, so nothing is submitted.
            job = await client.submit(entry.search, once=entry.key)
            if (await job.poll()).is_terminal:
                ended.add(entry.key)
    for _ in range(_READINGS if ended else 0):
        left = {entry.key for entry in await book.entries(state=EntryState.SUBMITTED)}
        if not ended & left:
            return True
        await anyio.sleep(_PAUSE)
    return False


def set_budget(  # noqa: PLR0913 -- flags, each with a default but the name
    name: Annotated[str, Parameter(help="The name of the budget.")],
    /,
    *,
    per_day: Annotated[
        float | None, Parameter(help="The most credits of a day, in UTC.")
    ] = None,
    per_month: Annotated[
        float | None, Parameter(help="The most credits of a month, in UTC.")
    ] = None,
    total: Annotated[float | None, Parameter(help="The most credits in all.")] = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Make a budget, or replace all its limits; what was spent stays spent.

    A limit that is not given is no limit. Commands with --budget NAME, and programs
    with OpenFunnel(book=..., budget=NAME), share it, also at the same time.
    """
    if per_day is None and per_month is None and total is None:
        raise CommandError("give --per-day, --per-month or --total")
    limits = {"--per-day": per_day, "--per-month": per_month, "--total": total}
    for flag, limit in limits.items():
        if limit is not None and not 0 <= limit < float("inf"):
            raise CommandError(f"{flag} must be a number of at least 0")
    book = place.open_book()

    async def write() -> list[BudgetStatus]:
        async with book:
            await book.set_budget(
                name, per_day=per_day, per_month=per_month, total=total
            )
            return await book.budgets()

    statuses = anyio.run(write)
    _print_budgets(
        Printer(json=json), [status for status in statuses if status.name == name]
    )
    return ExitCode.OK


def show_budgets(
    *,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Show what is spent, reserved and left of each budget now; it sends nothing."""
    book, printer = place.find_book(), Printer(json=json)
    statuses = anyio.run(_read_budgets, book)
    if statuses or json:
        _print_budgets(printer, statuses)
    else:
        printer.print_hint(f"The Book at {book.place} has no budget.")
    return ExitCode.OK


def _print_budgets(printer: Printer, statuses: list[BudgetStatus]) -> None:
    """Print a table of budgets, or an object for each period."""
    if printer.json:
        for status in statuses:
            fields = status.to_dict() | {"left": status.left}
            printer.print_result("budget", "", **fields)
        return
    titles = ("BUDGET", "PERIOD", "LIMIT", "SPENT", "RESERVED", "LEFT")
    rows = [
        (
            one_line(status.name),
            status.period,
            *map(
                format_amount,
                (status.limit, status.spent, status.reserved, status.left),
            ),
        )
        for status in statuses
    ]
    lines = format_table(titles, rows, right=titles[2:])
    printer.print_result("budget", "\n".join(lines))
