"""The argument that names a job."""

from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import JobCheckpoint

JobId = Annotated[str, Parameter(help="The job's id, as submit prints it.")]


def check_job_id(text: str) -> str:
    """Return the id of a job.

    Raises:
        ConfigurationError: It is invalid.
    """
    return JobCheckpoint(job_id=text).job_id
