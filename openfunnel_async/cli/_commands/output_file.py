"""The file of a command: never an existing one, or another job's rows, by accident."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import JobCheckpoint, export
from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.cli._settings import ServiceFlags
from openfunnel_async.errors import ConfigurationError

Overwrite = Annotated[
    bool, Parameter(help="Replace a file that exists; never a .part of another job.")
]


def check_output(
    path: Path,
    columns: Sequence[str] | None,
    *,
    overwrite: bool,
    job_id: str | None = None,
    service: ServiceFlags | None = None,
) -> JobCheckpoint | None:
    """Check, before anything is sent, that a command may write the file.

    Args:
        path: The file.
        columns: Its columns.
        overwrite: Whether an existing file may be replaced.
        job_id: The job whose rows are to be written, if it exists already.
        service: Formats the command that continues with an unfinished export.

    Returns:
        The checkpoint of the job's own unfinished export, if there is one.

    Raises:
        CommandError: The file cannot be written or exists, its .part belongs to
            another job, or the path is that of stdout.
    """
    if path == Path("-"):
        raise CommandError("run cannot write to stdout; name a file, or use fetch -o -")
    try:
        # The messages below name the flags.
        real = export.check(path, columns, resume=True, overwrite=True)
    except ConfigurationError as error:
        raise _name_job(path, error) from None
    checkpoint = export.left_at(path)
    part = real.with_name(f"{real.name}.part")
    if checkpoint is not None:
        if checkpoint.job_id != job_id:
            raise _refuse_part(path, part, checkpoint, service or ServiceFlags())
    elif part.exists():
        raise CommandError(
            f"{part} has rows of an export that was not finished. Move it away, or "
            "name another file. Nothing was sent",
            path=str(path),
        )
    if real.exists() and not overwrite:
        raise CommandError(
            f"{path} exists. Name another file, or replace it with --overwrite. "
            "Nothing was sent",
            path=str(path),
        )
    return checkpoint


def _name_job(path: Path, error: ConfigurationError) -> CommandError:
    """Add the job to an error, if the path has an export that is being written."""
    job_id = None
    with contextlib.suppress(ConfigurationError):
        checkpoint = export.left_at(path)
        job_id = None if checkpoint is None else checkpoint.job_id
    if job_id is None:
        return CommandError(str(error))
    return CommandError(
        f"{error}. It has rows of job {job_id}. Nothing was sent",
        job_id=job_id,
        path=str(path),
    )


def _refuse_part(
    path: Path, part: Path, checkpoint: JobCheckpoint, service: ServiceFlags
) -> CommandError:
    rows = format_amount(checkpoint.rows_before + checkpoint.offset)
    words = ["fetch", checkpoint.job_id, "-o", str(path), "--follow", "--resume"]
    if path.exists():
        words.append("--overwrite")
    return CommandError(
        f"{part} has {rows} paid rows of job {checkpoint.job_id}, whose export was not "
        "finished. Nothing was sent. Name another file, or continue that export: "
        f"{service.format_command(*words)}",
        job_id=checkpoint.job_id,
        path=str(path),
    )
