"""Submit a search and write its companies into a file: what ``run`` does."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from openfunnel_async import Book, BulkJob, LookalikeSearch, OpenFunnel
from openfunnel_async.cli._commands.book_flags import make_key
from openfunnel_async.cli._commands.row_export import RowExport
from openfunnel_async.cli._commands.submit import submit_job
from openfunnel_async.cli._interrupts import Interrupts
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.job_reports import print_submitted
from openfunnel_async.cli._output.live_status import EventRelay
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Account, ServiceFlags


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
        service: Formats the commands that continue.
        printer: Prints what happens.
        events: The events of the client.
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
    events: EventRelay = attrs.field(factory=EventRelay)

    def open_client(self) -> OpenFunnel:
        """Return a client whose events are shown."""
        return self.account.open_client(self.events, self.book)

    async def submit(self, client: OpenFunnel, interrupts: Interrupts) -> BulkJob:
        """Submit the search, and print the id of its job.

        Raises:
            CommandError: A second Ctrl-C stopped it.
            OpenFunnelError: As ``OpenFunnel.submit()``.
        """
        key = None if self.book is None else make_key()
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
        return await row_export.run(interrupts)
