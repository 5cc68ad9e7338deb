"""``batch run``: buy the searches of a batch, or continue with it."""

import os
import sys
from typing import Annotated

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import Batch, Book
from openfunnel_async.book import BatchReport, EntryState
from openfunnel_async.cli._commands.book_flags import (
    BatchName,
    BookFlags,
    check_batch,
    format_batch_command,
)
from openfunnel_async.cli._commands.budget import Budget, find_budget
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.batch_progress import BatchDisplay, show_batch
from openfunnel_async.cli._output.batch_reports import (
    exit_code_of_batch,
    print_batch,
)
from openfunnel_async.cli._output.exit_codes import (
    CommandError,
    ExitCode,
    error_fields,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.live_status import EventRelay
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags
from openfunnel_async.errors import BookInUseError, OpenFunnelError

_MAX_ACTIVE = 8
_OVER = 200


def run_batch(  # noqa: PLR0913 -- flags, each with a default but the name
    name: BatchName,
    /,
    *,
    max_active: Annotated[
        int, Parameter(help="The most jobs that run at a time; 8 by default.")
    ] = _MAX_ACTIVE,
    min_new_share: Annotated[
        float | None,
        Parameter(
            help="Cancel a job when less than this share of its last rows are "
            "companies that the Book did not know, above 0 and at most 1."
        ),
    ] = None,
    over: Annotated[
        int,
        Parameter(help="The number of last rows for --min-new-share; 200 by default."),
    ] = _OVER,
    keep_credits: Annotated[
        float | None,
        Parameter(
            help="Submit nothing that could bring the account's credits below this."
        ),
    ] = None,
    budget: Budget = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Submit the searches of a batch and read their companies into the Book.

    A batch that was stopped or killed continues: nothing is submitted twice.

    Ctrl-C stops the submits, leaves the jobs running, and prints the commands that
    continue with the batch and that cancel it. A second one stops at once. The exit
    code is 7 while submits of unknown outcome remain, and 5 if a cap, a budget or
    --keep-credits stopped something.
    """
    rules = _Rules(
        max_active=max_active,
        min_new_share=min_new_share,
        over=over,
        keep_credits=keep_credits,
    )
    rules.check()
    book, account = place.find_book(), service.find_account()
    account = attrs.evolve(account, budget=find_budget(budget, book))
    run = _Run(
        name=name,
        rules=rules,
        book=book,
        account=account,
        service=service,
        printer=Printer(json=service.json),
    )
    return run_command(run.run)


@attrs.frozen(kw_only=True)
class _Rules:
    """When a run submits, and when it stops a job."""

    max_active: int
    min_new_share: float | None
    over: int
    keep_credits: float | None

    def check(self) -> None:
        """Check the flags, before anything is sent.

        Raises:
            CommandError: One is invalid.
        """
        for flag, number in (("--max-active", self.max_active), ("--over", self.over)):
            if number < 1:
                raise CommandError(f"{flag} must be a whole number of at least 1")
        share, keep = self.min_new_share, self.keep_credits
        if share is not None and not 0 < share <= 1:
            raise CommandError("--min-new-share must be above 0 and at most 1")
        if keep is not None and not 0 <= keep < float("inf"):
            raise CommandError("--keep-credits must be a number of at least 0")

    def format_flags(self) -> list[str]:
        """Return the words of the command line that state them."""
        words: list[str] = []
        if self.max_active != _MAX_ACTIVE:
            words += ["--max-active", str(self.max_active)]
        if self.min_new_share is not None:
            words += ["--min-new-share", str(self.min_new_share)]
        if self.over != _OVER:
            words += ["--over", str(self.over)]
        if self.keep_credits is not None:
            words += ["--keep-credits", str(self.keep_credits)]
        return words


@attrs.frozen(kw_only=True)
class _Run:
    """One run of a batch."""

    name: str
    rules: _Rules
    book: Book
    account: Account
    service: ServiceFlags
    printer: Printer

    async def run(self, interrupts: Interrupts) -> ExitCode:
        events = EventRelay()
        async with self.account.open_client(events, self.book) as client:
            await check_batch(self.book, self.name)
            batch = await client.batch(self.name)
            with show_batch(self.printer, sys.stderr) as display:
                events.receive = display.show_event
                outcome = await self._run_until_stopped(batch, display, interrupts)
            if isinstance(outcome, BookInUseError):
                raise outcome
            report = await batch.report()
            if outcome is None:
                await self._print_left(batch, report)
                return interrupts.code
        print_batch(self.printer, report)
        code = exit_code_of_batch(report)
        if report.planned and not isinstance(outcome, OpenFunnelError):
            code = worst_of([code, self._print_no_room(report)])
        self._print_unknown(report)
        if isinstance(outcome, OpenFunnelError):
            code = worst_of([code, self._print_failure(outcome)])
        return code

    async def _run_until_stopped(
        self, batch: Batch, display: BatchDisplay, interrupts: Interrupts
    ) -> BatchReport | OpenFunnelError | None:
        """Run it; None if a signal stopped it, after the submit that was in flight."""
        scope = anyio.CancelScope()

        async def run() -> BatchReport | OpenFunnelError | None:
            with scope:
                try:
                    return await batch.run(
                        **attrs.asdict(self.rules), on_progress=display.show
                    )
                except OpenFunnelError as error:
                    return error
            return None

        def stop() -> None:
            if interrupts.is_insistent:
                self._stop_at_once(display, interrupts)
            elif not scope.cancel_called:
                scope.cancel()
                text = "\nStopping; a submit that was sent is finished first ..."
                self.printer.print_event("stopping", text, name=self.name)

        # No number of signals cancels the work: stop() does it.
        return await interrupts.run(run, signals=sys.maxsize, on_ignored=stop)

    def _stop_at_once(self, display: BatchDisplay, interrupts: Interrupts) -> None:
        """End the process; the Book is good for that at any time."""
        display.close()
        self._print_commands(
            f"Batch {self.name} was stopped at once.\nIts jobs continue and bill what "
            "they deliver; a submit\nthat was just sent may be of unknown outcome.",
            job_ids=None,
            planned=None,
        )
        os._exit(interrupts.code)

    async def _print_left(self, batch: Batch, report: BatchReport) -> None:
        """Print what continues, and the commands for it."""
        entries = await batch.searches(state=EntryState.SUBMITTED)
        ids = [entry.job_id for entry in entries if entry.job_id is not None]
        jobs = "1 job continues and bills what it delivers"
        if len(ids) != 1:
            jobs = f"{len(ids)} jobs continue and bill what they deliver"
        self._print_commands(
            f"Batch {self.name} is stopped.\n{jobs}; {report.planned} of its searches "
            "are not submitted.",
            job_ids=ids,
            planned=report.planned,
        )
        self._print_unknown(report)

    def _print_commands(
        self, text: str, *, job_ids: list[str] | None, planned: int | None
    ) -> None:
        resume = self._resume
        cancel = format_batch_command("cancel", self.name, self.book, self.service)
        lines = (
            "",
            text,
            "To continue:",
            f"  {resume}",
            "To cancel it:",
            f"  {cancel}",
        )
        self.printer.print_event(
            "left",
            "\n".join(lines),
            name=self.name,
            job_ids=job_ids,
            planned=planned,
            pick_up=resume,
            cancel=cancel,
            cancel_within=None,
        )

    def _print_no_room(self, report: BatchReport) -> ExitCode:
        """Print under which limits what is planned does not fit now."""
        limits = {
            "the cap": report.cap,
            "the budget": self.account.budget,
            "--keep-credits": self.rules.keep_credits,
        }
        names = [name for name, limit in limits.items() if limit is not None]
        if not names:
            return ExitCode.OK
        self.printer.print_hint(
            f"What is planned does not fit now under {' or '.join(names)}.\n"
            f"To continue later:\n  {self._resume}"
        )
        return ExitCode.BUDGET

    @property
    def _resume(self) -> str:
        """The command that continues with the batch."""
        more = self.rules.format_flags()
        if self.account.budget is not None:
            more += ["--budget", self.account.budget]
        return format_batch_command("run", self.name, self.book, self.service, *more)

    def _print_unknown(self, report: BatchReport) -> None:
        """Print what to do about submits whose outcome is unknown."""
        if report.unknown:
            show = format_batch_command(
                "show", self.name, self.book, ServiceFlags(), "--state", "unknown"
            )
            self.printer.print_hint(
                "Nobody can know whether a submit of unknown outcome made a job.\n"
                "Its credits stay reserved, and it is not repeated, until batch\n"
                f"resolve decides. To see them:\n  {show}"
            )

    def _print_failure(self, error: OpenFunnelError) -> ExitCode:
        """Print what left something of the batch undone."""
        code = exit_code_of(error)
        self.printer.print_error(
            f"{error}. To continue: {self._resume}",
            code=int(code),
            **error_fields(error),
        )
        return code
