"""``run``: submit a search and put its companies into a file as they come."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async.cli._ctrl_c import Interrupts, play
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._gather import Columns, Gathering, checked_output, names_of
from openfunnel_async.cli._jobs import prepared, submitted, tell_submitted
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli._search import SearchFlags
from openfunnel_async.cli._settings import Service
from openfunnel_async.cli._spend import Consent


def run(  # noqa: PLR0913 -- flags, each with a default but the file
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
            help="Cancel the job once so many rows are in. Those that come up to its "
            "next checkpoint are billed as well, so the file keeps them too."
        ),
    ] = None,
    columns: Columns = None,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    consent: Consent = Consent(),  # noqa: B008 -- frozen
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Start a job and put its companies into a file as they come.

    Every row that is billed ends in the file, which is there once the job is over;
    until then they are safe in a .part beside it. If the file cannot be written any
    longer, the job is cancelled.

    Ctrl-C leaves the job running and prints the command that goes on with it; a second
    one within 3 s cancels the job, waits for the settling and finishes the file.
    """
    if enough is not None and enough < 1:
        raise CommandError("--enough must be a whole number of at least 1")
    names = names_of(columns)
    checked_output(output, names)
    voice = Voice(json=service.json)
    search, account = prepared(flags, consent, service, voice)

    async def part(interrupts: Interrupts) -> Exit:
        async with account.client() as client:
            job = await submitted(client, search, voice, interrupts)
            if service.json:
                tell_submitted(voice, job, search)
            else:
                voice.hint(f"Submitted as job {job.id}.")
            gathering = Gathering(
                job=job,
                path=output,
                columns=names,
                service=service,
                voice=voice,
                enough=enough,
                spends=True,
            )
            return await gathering.run(interrupts)

    return play(part)
