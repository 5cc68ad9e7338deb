"""``fetch``: put the companies of a job into a file, or onto stdout."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import BulkJob, OpenFunnel, export
from openfunnel_async._values.checks import check_job_id
from openfunnel_async.cli._ctrl_c import Interrupts, play
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._gather import Columns, Gathering, checked_output, names_of
from openfunnel_async.cli._jobs import JobId
from openfunnel_async.cli._pour import pour
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli._settings import Service

_STDOUT = Path("-")


def fetch(  # noqa: PLR0913 -- flags, each with a default but the file
    job: JobId,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            help="A .csv, .jsonl or .parquet file, or - for JSONL on stdout.",
            allow_leading_hyphen=True,
        ),
    ],
    follow: Annotated[
        bool,
        Parameter(help="Wait for the rows that are still to come."),
    ] = False,
    resume: Annotated[
        bool,
        Parameter(help="Go on with the .part of an earlier export."),
    ] = False,
    columns: Columns = None,
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Put a job's companies into a file, which is free.

    Without --follow these are the rows there are now; if the job still goes on, it
    ends with 4.
    """
    job_id, names = check_job_id(job), names_of(columns)
    voice = Voice(json=service.json, rows_on_stdout=output == _STDOUT)
    if output != _STDOUT:
        checked_output(output, names)
    elif resume:
        raise CommandError("--resume needs a file; stdout cannot be gone on with")
    account = service.account()

    async def part(interrupts: Interrupts) -> Exit:
        async with account.client() as client:
            if output == _STDOUT:
                job = client.job(job_id)
                return await pour(job, names, voice, interrupts, follow=follow)
            gathering = Gathering(
                job=_attached(client, job_id, output, resume=resume),
                path=output,
                columns=names,
                service=service,
                voice=voice,
                follow=follow,
                has_part=resume,
            )
            return await gathering.run(interrupts)

    return play(part)


def _attached(
    client: OpenFunnel, job_id: str, output: Path, *, resume: bool
) -> BulkJob:
    """Return a handle that starts where the file's part ends, if that is wanted."""
    place = export.left_at(output) if resume else None
    if place is None or place.job_id != job_id:
        return client.job(job_id)
    return client.resume(place)
