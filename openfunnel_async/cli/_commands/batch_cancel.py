"""``batch cancel``: submit nothing more, and cancel the jobs that run."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import Book, CancelReceipt
from openfunnel_async.cli._commands.book_flags import BatchName, BookFlags, check_batch
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.batch_reports import exit_code_of_batch, print_batch
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.job_reports import print_cancel
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags


def cancel_batch(
    name: BatchName,
    /,
    *,
    wait: Annotated[
        bool,
        Parameter(
            help="Wait until the jobs have stopped, and their companies and bills are "
            "in the Book."
        ),
    ] = False,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Cancel the jobs of a batch, and submit nothing more of it.

    What the jobs have delivered is billed; batch run NAME, or --wait, reads it into the
    Book. It works also while another process runs the batch.
    """
    book, account = place.find_book(), service.find_account()
    printer = Printer(json=service.json)
    return run_command(partial(_cancel, name, wait, book, account, printer))


async def _cancel(  # noqa: PLR0913, PLR0917 -- what the flags named
    name: str,
    wait: bool,
    book: Book,
    account: Account,
    printer: Printer,
    interrupts: Interrupts,
) -> ExitCode:
    async with account.open_client(book=book) as client:
        await check_batch(book, name)
        batch = await client.batch(name)
        if wait:
            printer.print_hint(
                "Cancelling, and waiting for the bills; Ctrl-C ends the wait ..."
            )
        receipts: Sequence[CancelReceipt] | None = await interrupts.run(
            partial(batch.cancel, wait=wait)
        )
        report = await batch.report()
    for receipt in receipts or ():
        print_cancel(printer, receipt)
    print_batch(printer, report)
    if receipts is None:
        printer.print_error(
            f"interrupted: batch {name} submits nothing more, and some of its jobs may "
            "still bill. Cancel it again to be sure",
            code=int(interrupts.code),
        )
        return interrupts.code
    return exit_code_of_batch(report) if wait else ExitCode.OK
