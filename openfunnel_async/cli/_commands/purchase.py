"""Submit a search and write its companies into a file: what ``run`` does."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from openfunnel_async import Book, BulkJob, LookalikeSearch, OpenFunnel
from openfunnel_async.cli._commands.book_flags import make_key
from openfunnel_async.cli._commands.new_only import keep_new_rows
from openfunnel_async.cli._commands.row_export import RowExport
from openfunnel_async.cli._commands.submit import submit_job
from openfunnel_async.cli._interrupts import Interrupts
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.job_reports import print_submitted
from openfunnel_async.cli._output.live_status import EventRelay
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags

_HAS_FILE = frozenset({ExitCode.OK, ExitCode.PARTIAL, ExitCode.JOB_FAILED})
"""The exit codes of exports whose file is complete once the job is terminal."""


@attrs.frozen(kw_only=True)
class Purchase:
    """A search to buy, and where its companies go.

    Attributes:
        search: The search.
        path: The file.
        columns: Its columns; all of them for None.
        overwrite: Whether a file that exists may be replaced.
        enough: The number of rows at which the job is cancelled, if any.
        account: Whose credits it spends.
        book: Where its id is kept as well, if there is a Book.
        new_only: Whether the file is to have only companies that the Book does not
            know.
        service: Formats the commands that continue.
        printer: Prints what happens.
        events: The events of the client.
        key: The key of its submit in the Book.
    """

    search: LookalikeSearch
    path: Path
    columns: Sequence[str] | None
    overwrite: bool
    enough: int | None
    account: Account
    book: Book | None
    service: ServiceFlags
    printer: Printer
    new_only: bool = False
    events: EventRelay = attrs.field(factory=EventRelay)
    key: str = attrs.field(factory=make_key)

    def open_client(self) -> OpenFunnel:
        """Return a client whose events are shown."""
        return self.account.open_client(self.events, self.book)

    async def submit(self, client: OpenFunnel, interrupts: Interrupts) -> BulkJob:
        """Submit the search, and print the id of its job.

        Raises:
            CommandError: A second Ctrl-C stopped it.
            OpenFunnelError: As ``OpenFunnel.submit()``.
        """
        key = None if self.book is None else self.key
        job = await submit_job(
            client, self.search, self.printer, interrupts, key, self.book
        )
        print_submitted(self.printer, job, self.search, key=key, is_result=False)
        return job

    async def export(self, job: BulkJob, interrupts: Interrupts) -> ExitCode:
        """Write the rows of the job into the file as they arrive."""
        row_export = RowExport(
            job=job,
            path=self.path,
            columns=self.columns,
            service=self.service,
            printer=self.printer,
            events=self.events,
            overwrite=self.overwrite,
            enough=self.enough,
            spends=True,
        )
        code = await row_export.run(interrupts)
        if self.new_only and code in _HAS_FILE and job.is_terminal:
            return await self._keep_new_rows(job, code, interrupts)
        return code

    async def _keep_new_rows(
        self, job: BulkJob, code: ExitCode, interrupts: Interrupts
    ) -> ExitCode:
        book = self.book
        assert book is not None  # noqa: S101 -- the command has checked it

        async def keep() -> ExitCode:
            await keep_new_rows(
                job,
                self.path,
                columns=self.columns,
                book=book,
                key=self.key,
                printer=self.printer,
            )
            return code

        kept = await interrupts.run(keep)
        if kept is None:
            self.printer.print_hint(
                f"\nStopped; {self.path} has all rows or only the new ones."
            )
            return interrupts.code
        return kept
