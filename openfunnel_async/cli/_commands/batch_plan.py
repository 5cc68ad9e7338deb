"""``batch plan``: write the searches of a file into the Book; nothing is sent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import BatchStatus
from openfunnel_async.cli._broken_lines import report_broken_lines
from openfunnel_async.cli._commands.book_flags import (
    BookFlags,
    format_batch_command,
    may_exist,
)
from openfunnel_async.cli._output.credits import worst_case
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._plan_file import (
    BrokenPlanError,
    PlanLine,
    read_plan,
)
from openfunnel_async.cli._settings import Account, ServiceFlags


def plan_batch(  # noqa: PLR0913 -- flags, each with a default but the file
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
    distinct: Annotated[
        int | None,
        Parameter(
            help="Stop at this number of companies that the Book did not know, over "
            "all searches. A cancel lags, so a few more are billed."
        ),
    ] = None,
    reuse_days: Annotated[
        float | None,
        Parameter(
            help="Answer a search from the Book, for 0 credits, if an identical one "
            "was settled in this number of days."
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
    if distinct is not None and distinct < 1:
        raise CommandError("--distinct must be a whole number of at least 1")
    if reuse_days is not None and not 0 < reuse_days < float("inf"):
        raise CommandError("--reuse-days must be a number above 0")
    printer = Printer(json=service.json)
    lines = _read(file, printer, needs_limits=max_credits is not None)
    account, book = service.find_account(), place.open_book()
    plan = _Plan(
        name=file.stem if name is None else name,
        lines=lines,
        max_credits=max_credits,
        distinct=distinct,
        reuse_days=reuse_days,
        book=book,
    )
    is_new, status = anyio.run(plan.write, account)
    plan.print_written(printer, status, is_new=is_new)
    command = format_batch_command("run", plan.name, book, service)
    printer.print_hint(f"Nothing was sent. To buy it:\n  {command}")
    return ExitCode.OK


def _read(path: Path, printer: Printer, *, needs_limits: bool) -> list[PlanLine]:
    """Return the searches of the file.

    Raises:
        CommandError: It is broken; the broken lines were printed.
    """
    try:
        return read_plan(path, needs_limits=needs_limits)
    except BrokenPlanError as error:
        raise report_broken_lines(path, error, printer) from None


@attrs.frozen(kw_only=True)
class _Plan:
    """A batch that is written into the Book."""

    name: str
    lines: Sequence[PlanLine]
    max_credits: float | None
    distinct: int | None
    reuse_days: float | None
    book: Book

    async def write(self, account: Account) -> tuple[bool, BatchStatus]:
        """Write it; return whether it is new, and its sums."""
        async with account.open_client(book=self.book) as client:
            is_new = not may_exist(self.book) or self.name not in {
                status.name for status in await self.book.batches()
            }
            batch = await client.batch(
                self.name,
                [line.search for line in self.lines],
                labels=[line.label for line in self.lines],
                max_credits=self.max_credits,
                distinct=self.distinct,
                reuse_days=self.reuse_days,
            )
            return is_new, await batch.status()

    def print_written(
        self, printer: Printer, status: BatchStatus, *, is_new: bool
    ) -> None:
        """Print what is in the Book now, and what it can cost."""
        cap, distinct = status.cap, status.distinct
        searches = [line.search for line in self.lines]
        worst = sum(map(worst_case, searches))
        unlimited = sum(search.limit is None for search in searches)
        duplicates = len(searches) - len({search.to_json() for search in searches})
        count = f"{len(searches):,} search{'' if len(searches) == 1 else 'es'}"
        verb = "Planned" if is_new else "Planned before:"
        texts = [
            f"{verb} {count} as batch {one_line(self.name)} in {self.book.place}.",
            f"Worst case: {format_amount(worst)} credits{_describe_cap(worst, cap)}.",
        ]
        if unlimited:
            texts.append(
                f"Without a limit of its own: {unlimited:,}; each can bill up to the "
                "service's limit."
            )
        if distinct is not None:
            texts.append(f"It stops at {format_amount(distinct)} new companies.")
        if duplicates:
            texts.append(f"Repeats of an earlier search, billed again: {duplicates:,}.")
        printer.print_result(
            "planned",
            "\n".join(texts),
            name=self.name,
            searches=len(searches),
            worst_case_credits=worst,
            unlimited=unlimited,
            duplicates=duplicates,
            max_credits=cap,
            distinct=distinct,
            is_new=is_new,
            book=self.book.place,
        )


def _describe_cap(worst: int, cap: float | None) -> str:
    if cap is None:
        return ""
    if cap < worst:
        return f"; the cap stops the batch at {format_amount(cap)}"
    return f", within the cap of {format_amount(cap)}"
