"""``worker``: submit and follow the searches of a Book on PostgreSQL, with others."""

import asyncio
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.cli._commands.book_flags import (
    BOOK_VARIABLE,
    SERVER_SCHEMES,
    refuse_password,
)
from openfunnel_async.cli._commands.budget import BUDGET_VARIABLE
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import LogHandler, Printer
from openfunnel_async.cli._settings import Account, ServiceFlags
from openfunnel_async.errors import BookError

if TYPE_CHECKING:
    from types import ModuleType

_CONCURRENCY = 1000
_END_WITHIN = 30.0
_LIBRARIES = {"procrastinate": logging.WARNING, "psycopg": logging.ERROR}
"""Loggers of the libraries, and from which level they are printed."""


def run_worker(
    *,
    database: Annotated[
        str | None,
        Parameter(
            help="The Book's address, postgresql://USER@HOST:PORT/NAME; "
            f"{BOOK_VARIABLE} by default, which may have a password, too."
        ),
    ] = None,
    concurrency: Annotated[
        int,
        Parameter(help="The most jobs that it follows at a time; 1000 by default."),
    ] = _CONCURRENCY,
    budget: Annotated[
        str | None,
        Parameter(
            help=f"A budget of the Book; {BUDGET_VARIABLE} by default. What does not "
            "fit under it is not submitted."
        ),
    ] = None,
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Submit what is planned in a Book on PostgreSQL, and follow its jobs.

    Any number of workers do it together, on any number of machines: start one or more
    under a supervisor that starts them again. Batches are planned with batch plan, or
    by programs.

    SIGTERM and Ctrl-C end it within seconds, with 0: a submit under way is finished,
    and the other workers take over the jobs. It ends with 1 when the database is away
    for too long.
    """
    if concurrency < 1:
        raise CommandError("--concurrency must be a whole number of at least 1")
    address = _find_address(database)
    account = service.find_account()
    named = budget or os.environ.get(BUDGET_VARIABLE) or None
    command = _Command(
        book=Book.connect(address),
        account=attrs.evolve(account, budget=named),
        concurrency=concurrency,
        printer=Printer(json=service.json),
        workers=_import_workers(),
    )
    _print_logs_of_libraries(command.printer)
    try:
        return run_command(command.run)
    except BookError:
        _end_for_certain()
        raise


def _import_workers() -> "ModuleType":
    """Return the package, which raises without its extra."""
    from openfunnel_async import workers  # noqa: PLC0415 -- an extra

    return workers


def _find_address(database: str | None) -> str:
    """Return the address of the Book.

    Raises:
        CommandError: There is none, or it is not that of a PostgreSQL database, or has
            a password on the command line.
    """
    address = database or os.environ.get(BOOK_VARIABLE) or ""
    if not address.startswith(SERVER_SCHEMES):
        raise CommandError(
            "a worker needs a Book on PostgreSQL: --database "
            f"postgresql://USER@HOST:PORT/NAME, or {BOOK_VARIABLE}"
        )
    refuse_password("--database", database)
    return address


def _print_logs_of_libraries(printer: Printer) -> None:
    """Print what the libraries log as every other line, and not what repeats."""
    for name, level in _LIBRARIES.items():
        handler = LogHandler(printer)
        handler.setLevel(level)
        logging.getLogger(name).addHandler(handler)


@attrs.frozen(kw_only=True)
class _Command:
    """One worker."""

    book: Book
    account: Account
    concurrency: int
    printer: Printer
    workers: "ModuleType"

    async def run(self, interrupts: Interrupts) -> ExitCode:
        stop = asyncio.Event()

        async def work() -> ExitCode:
            async with self.account.open_client(book=self.book) as client:
                await self._check_budget()
                self._print_start()
                await self.workers.run_worker(
                    self.book, client, concurrency=self.concurrency, stop=stop
                )
            self.printer.print_event("ended", "The worker has ended.")
            return ExitCode.OK

        def end() -> None:
            if interrupts.is_insistent:
                os._exit(interrupts.code)
            if not stop.is_set():
                stop.set()
                text = "\nStopping; the jobs continue, and other workers follow them."
                self.printer.print_event("stopping", text)

        # No number of signals cancels the work: end() stops it.
        code = await interrupts.run(work, signals=sys.maxsize, on_ignored=end)
        return ExitCode.FAILED if code is None else code

    async def _check_budget(self) -> None:
        """Check that the Book has the budget.

        Raises:
            CommandError: It has none of this name. Nothing was sent.
            BookError: The Book cannot be read.
        """
        name = self.account.budget
        names = {status.name for status in await self.book.budgets()}
        if name is not None and name not in names:
            raise CommandError(
                f"the Book at {self.book.place} has no budget {name}: see book budget "
                "show"
            )

    def _print_start(self) -> None:
        place = self.book.place
        self.printer.print_event(
            "working",
            f"Working on the Book at {place}; Ctrl-C or SIGTERM stops it.",
            database=place,
            concurrency=self.concurrency,
            budget=self.account.budget,
        )


def _end_for_certain() -> None:
    """End the process soon, also if a thread waits for the database for ever.

    A supervisor can start the worker again only when it has ended.
    """
    timer = threading.Timer(_END_WITHIN, os._exit, [ExitCode.FAILED])
    timer.daemon = True
    timer.start()
