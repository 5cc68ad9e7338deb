"""``submit``: start a job, also for ``run``."""

from functools import partial
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import Book, BulkJob, LookalikeSearch, OpenFunnel
from openfunnel_async.cli._commands.book_flags import BookFlags, make_key
from openfunnel_async.cli._commands.budget import (
    Budget,
    find_budget,
    settle_ended_jobs,
)
from openfunnel_async.cli._commands.consent import ConsentFlags
from openfunnel_async.cli._commands.search_flags import SearchFlags
from openfunnel_async.cli._commands.stop_jobs import cancel_jobs, leave_jobs
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.job_reports import print_submitted
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags
from openfunnel_async.errors import (
    CreditCapError,
    SubmitOutcomeUnknownError,
)


def submit(  # noqa: PLR0913 -- flags, each with a default
    *,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    consent: ConsentFlags = ConsentFlags(),  # noqa: B008 -- frozen
    once: Annotated[
        str | None,
        Parameter(
            help="A key, such as the name of a scheduled run: the first submit with it "
            "makes a job, and later ones print the id of that job. Needs a Book."
        ),
    ] = None,
    budget: Budget = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Start a job, which bills one credit for each company, and print its id.

    Only the id is printed on stdout. On a terminal it asks first; elsewhere it needs
    --yes or --max-credits. If there is a Book, the id is written into it as well.
    """
    printer, book = Printer(json=service.json), place.find_book_if_any()
    if once is not None and (book is None or not once):
        raise CommandError(
            "--once needs a key, and a Book that remembers it: name it with --book"
        )
    name = find_budget(budget, book)
    search, account = prepare_search(flags, consent, service, printer)
    account = attrs.evolve(account, budget=name)
    return run_command(partial(_submit, search, account, book, once, service, printer))


def prepare_search(
    flags: SearchFlags, consent: ConsentFlags, service: ServiceFlags, printer: Printer
) -> tuple[LookalikeSearch, Account]:
    """Check everything that can be checked before anything is spent, then ask.

    Raises:
        CommandError: Something is invalid, or nobody agreed.
    """
    consent.check_cap()
    search, account = flags.build_search(), service.find_account()
    consent.obtain(search, printer)
    return search, account


async def _submit(  # noqa: PLR0913, PLR0917 -- what the flags named
    search: LookalikeSearch,
    account: Account,
    book: Book | None,
    once: str | None,
    service: ServiceFlags,
    printer: Printer,
    interrupts: Interrupts,
) -> ExitCode:
    key = None if book is None else once or make_key()
    async with account.open_client(book=book) as client:
        job = await submit_job(client, search, printer, interrupts, key, book)
        print_submitted(printer, job, search, key=key)
        resume = service.format_command("watch", job.id)
        if not interrupts.is_pending:
            printer.print_hint(f"Watch it: {resume}")
            return ExitCode.OK if printer.stdout_is_open else ExitCode.FAILED
        if await leave_jobs([job], resume, printer, interrupts):
            return interrupts.code
        return await cancel_jobs([job], printer, interrupts)


async def submit_job(  # noqa: PLR0913, PLR0917 -- what the flags named
    client: OpenFunnel,
    search: LookalikeSearch,
    printer: Printer,
    interrupts: Interrupts,
    key: str | None = None,
    book: Book | None = None,
) -> BulkJob:
    """Submit; a first Ctrl-C waits for the answer, so that the job's id is known.

    Args:
        client: The client.
        search: What to submit.
        printer: Prints that it waits.
        interrupts: The signals.
        key: The key under which the client's Book keeps the job; None without a Book.
        book: That Book.

    Raises:
        CommandError: A second Ctrl-C stopped it.
        OpenFunnelError: As ``OpenFunnel.submit()``.
    """
    text = "\nWaiting for the job's id, without which nobody can find the job ..."
    try:
        job = await interrupts.run(
            partial(_submit_under_budget, client, search, key, book),
            signals=2,
            on_ignored=lambda: printer.print_event("waiting", text),
        )
    except SubmitOutcomeUnknownError:
        if key is not None:
            printer.print_hint(f"The Book has it as {key}; batch resolve decides it.")
        raise
    if job is not None:
        return job
    raise _interrupted(client, key)


async def _submit_under_budget(
    client: OpenFunnel, search: LookalikeSearch, key: str | None, book: Book | None
) -> BulkJob:
    """Submit; before a budget refuses it, read which jobs have ended meanwhile."""
    try:
        return await client.submit(search, once=key)
    except CreditCapError:
        if book is None or not await settle_ended_jobs(client, book):
            raise
    return await client.submit(search, once=key)


def _interrupted(client: OpenFunnel, key: str | None) -> CommandError:
    """Return what is known of a submit that a second Ctrl-C stopped."""
    orphans = [*client.orphans]
    if key is not None:
        text = (
            f"interrupted during the submit; the Book has it as {key}. If it made a "
            "job, that job continues and bills: see openfunnel-async book entries"
        )
    elif orphans:
        ids = ", ".join(orphans)
        text = f"interrupted; these jobs could not be cancelled and may bill: {ids}"
    else:
        text = (
            "interrupted during the submit; if the answer named a job, it was "
            "cancelled. Check the balance before you submit again"
        )
    return CommandError(text, ExitCode.UNKNOWN, job_ids=orphans, key=key)
