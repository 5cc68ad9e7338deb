"""The arguments that name jobs."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import JobCheckpoint
from openfunnel_async.cli._output.exit_codes import CommandError

JobId = Annotated[str, Parameter(help="The job's id, as submit prints it.")]
JobIds = Annotated[str, Parameter(help="Ids of jobs, as submit prints them.")]


def check_job_id(text: str) -> str:
    """Return the id of a job.

    Raises:
        ConfigurationError: It is invalid.
    """
    return JobCheckpoint(job_id=text).job_id


def check_job_ids(texts: Sequence[str]) -> list[str]:
    """Return the ids of jobs, each once.

    Raises:
        CommandError: There is none.
        ConfigurationError: One is invalid.
    """
    if not texts:
        raise CommandError("name at least one job")
    return [check_job_id(text) for text in dict.fromkeys(texts)]
