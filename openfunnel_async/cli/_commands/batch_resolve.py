"""``batch resolve``: decide what the Book cannot decide by itself."""

from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import Book
from openfunnel_async.book import BookEntry
from openfunnel_async.cli._commands.book_flags import BookFlags
from openfunnel_async.cli._output.batch_reports import print_entry
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.prompts import can_ask, is_agreed
from openfunnel_async.cli._settings import Json


def resolve_entry(  # noqa: PLR0913 -- flags, each with a default
    key: Annotated[str, Parameter(help="The search, as batch show prints it.")],
    /,
    *,
    job_id: Annotated[
        str | None, Parameter(help="The job that the submit made, if you found its id.")
    ] = None,
    skip: Annotated[
        bool,
        Parameter(
            help="Do nothing more about it. What is reserved for it counts as spent."
        ),
    ] = False,
    submit_again: Annotated[
        bool,
        Parameter(help="Submit it again in the next run: it can be billed twice."),
    ] = False,
    yes: Annotated[
        bool,
        Parameter(name=("--yes", "-y"), help="Agree to that without a question."),
    ] = False,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Decide about a search in the Book, mostly a submit of unknown outcome.

    Use exactly one of --job-id, --skip and --submit-again. It only writes into the
    Book; the next batch run acts on it.
    """
    if [job_id is not None, skip, submit_again].count(True) != 1:
        raise CommandError("use exactly one of --job-id, --skip and --submit-again")
    book, printer = place.find_book(), Printer(json=json)
    if submit_again and not yes:
        _ask(key, printer)
    entry = anyio.run(_resolve, book, key, job_id, skip, submit_again)
    print_entry(printer, entry)
    return ExitCode.OK


def _ask(key: str, printer: Printer) -> None:
    """Return only if the user agrees to a second bill.

    Raises:
        CommandError: Nobody agreed; nothing was changed.
    """
    if not can_ask(printer):
        raise CommandError(
            "to submit it again can bill it twice; agree to that with --yes. Nothing "
            "was changed"
        )
    printer.print_hint(
        f"If the first submit of {key} made a job, it is billed a second time."
    )
    if not is_agreed("Submit it again?", printer):
        raise CommandError("nothing was changed", ExitCode.FAILED)


async def _resolve(
    book: Book, key: str, job_id: str | None, skip: bool, submit_again: bool
) -> BookEntry:
    async with book:
        return await book.resolve(
            key, job_id=job_id, skip=skip, submit_again=submit_again
        )
