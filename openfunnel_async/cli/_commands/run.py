"""``run``: submit a search and write its companies into a file as they arrive."""

from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async.cli._commands.book_flags import BookFlags
from openfunnel_async.cli._commands.budget import Budget, find_budget
from openfunnel_async.cli._commands.consent import ConsentFlags
from openfunnel_async.cli._commands.output_file import Overwrite, check_output
from openfunnel_async.cli._commands.purchase import Purchase
from openfunnel_async.cli._commands.row_export import Columns, split_columns
from openfunnel_async.cli._commands.sample import SampleFlags, buy_sample
from openfunnel_async.cli._commands.search_flags import SearchFlags
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import ServiceFlags


def run_search(  # noqa: PLR0913 -- flags, each with a default but the file
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            help="A .csv, .jsonl or .parquet file.",
            allow_leading_hyphen=True,
        ),
    ],
    enough: Annotated[
        int | None,
        Parameter(
            help="Cancel the job at this number of rows. More rows may be delivered up "
            "to its next checkpoint; they are billed, so the file has them too."
        ),
    ] = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
    new_only: Annotated[
        bool,
        Parameter(
            help="Write only companies that the Book does not know; the others are "
            "billed as well. Needs a Book, which then knows them."
        ),
    ] = False,
    sampling: SampleFlags = SampleFlags(),  # noqa: B008 -- frozen
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    consent: ConsentFlags = ConsentFlags(),  # noqa: B008 -- frozen
    budget: Budget = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Start a job and write its companies into a file as they arrive.

    The file has every row that is billed, unless you use --new-only. It is there once
    the job has ended; until then the rows are in a .part file beside it. If the file
    cannot be written any longer, the job is cancelled.

    Ctrl-C leaves the job running and prints the command that continues with it. A
    second one within 3 s cancels the job, waits for the bill and completes the file.
    """
    if enough is not None and enough < 1:
        raise CommandError("--enough must be a whole number of at least 1")
    names, printer = split_columns(columns), Printer(json=service.json)
    consent.check_cap()
    search = flags.build_search()
    sampling.check(search)
    check_output(output, names, overwrite=overwrite, service=service)
    book = place.find_book_if_any()
    name = find_budget(budget, book)
    if new_only and book is None:
        raise CommandError(
            "--new-only needs a Book, which knows companies: name it with --book"
        )
    purchase = Purchase(
        search=search,
        path=output,
        columns=names,
        overwrite=overwrite,
        enough=enough,
        account=attrs.evolve(service.find_account(), budget=name),
        book=book,
        new_only=new_only,
        service=service,
        printer=printer,
    )
    if sampling.sample is None:
        consent.obtain(search, printer)
    else:
        path = sampling.get_path(output)
        check_output(path, names, overwrite=overwrite, service=service)
        sampling.obtain_consent(search, consent, printer)
        buy_sample(purchase, sampling, consent)
    return run_command(partial(_run, purchase))


async def _run(purchase: Purchase, interrupts: Interrupts) -> ExitCode:
    async with purchase.open_client() as client:
        job = await purchase.submit(client, interrupts)
        return await purchase.export(job, interrupts)
