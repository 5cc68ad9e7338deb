"""The exit codes, and which of them an error causes."""

import enum
from collections.abc import Iterable

from openfunnel_async.errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    CreditCapError,
    IncompleteResultsError,
    InsufficientCreditsError,
    JobCancelledError,
    JobError,
    JobFailedError,
    OpenFunnelError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
)

_KEY_HEADER = "x-api-key"
_INVALID = 422


class ExitCode(enum.IntEnum):
    """The exit codes; docs/reference/cli.md and ``--help`` list them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    JOB_FAILED = 3
    PARTIAL = 4
    BUDGET = 5
    KEY = 6
    UNKNOWN = 7
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = (
    (ExitCode.OK, "done"),
    (
        ExitCode.FAILED,
        "failed otherwise: the network, the service, a file, an unknown job",
    ),
    (
        ExitCode.USAGE,
        "a command, flag, file or address that is invalid; nothing was spent",
    ),
    (ExitCode.JOB_FAILED, "the job failed"),
    (ExitCode.PARTIAL, "a cancelled job, not all of its rows, or a --sample alone"),
    (ExitCode.BUDGET, "over budget: --max-credits, --budget or the account's credits"),
    (ExitCode.KEY, "the API key is missing or not accepted"),
    (ExitCode.UNKNOWN, "a submit was sent and its outcome is not known"),
    (ExitCode.INTERRUPTED, "stopped by Ctrl-C; the job continues"),
    (ExitCode.TERMINATED, "stopped by SIGTERM or SIGHUP; the job continues"),
)

# The first match counts, so a subclass comes before its base class.
_CODES_OF_ERRORS: tuple[tuple[type[OpenFunnelError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.USAGE),
    (AuthenticationError, ExitCode.KEY),
    (CreditCapError, ExitCode.BUDGET),
    (InsufficientCreditsError, ExitCode.BUDGET),
    (SubmitOutcomeUnknownError, ExitCode.UNKNOWN),
    (JobFailedError, ExitCode.JOB_FAILED),
    (JobCancelledError, ExitCode.PARTIAL),
    (IncompleteResultsError, ExitCode.PARTIAL),
)
_WORST_FIRST = (
    ExitCode.UNKNOWN,
    ExitCode.KEY,
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.JOB_FAILED,
    ExitCode.PARTIAL,
    ExitCode.BUDGET,
)


class CommandError(Exception):
    """An error that a command found itself; its text is a sentence for the user.

    Attributes:
        text: What is wrong, and what to do.
        code: The exit code.
        fields: What ``--json`` adds to it.
    """

    def __init__(
        self, text: str, code: ExitCode = ExitCode.USAGE, **fields: object
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.fields = fields


def exit_code_of(error: OpenFunnelError) -> ExitCode:
    """Return the exit code of an error."""
    if isinstance(error, RequestRejectedError) and error.status_code == _INVALID:
        return ExitCode.KEY if _lacks_key(error) else ExitCode.USAGE
    codes = (code for kind, code in _CODES_OF_ERRORS if isinstance(error, kind))
    return next(codes, ExitCode.FAILED)


def error_fields(
    error: OpenFunnelError, job_id: str | None = None
) -> dict[str, object]:
    """Return what ``--json`` prints of an error beside its message.

    Args:
        error: The error.
        job_id: The job that it is about, if the error itself does not name it.
    """
    fields: dict[str, object] = {} if job_id is None else {"job_id": job_id}
    if isinstance(error, APIError):
        fields["status_code"] = error.status_code
        fields["retry_after"] = error.retry_after
    if isinstance(error, JobError):
        fields["job_id"] = error.job_id
    if isinstance(error, SubmitOutcomeUnknownError):
        fields["job_id"] = error.job_id
        fields["accepted"] = error.accepted
        fields["worst_case_credits"] = error.max_exposure
    return fields


def worst_of(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code of the worst outcome."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), ExitCode.OK)


def _lacks_key(error: RequestRejectedError) -> bool:
    """Whether a 422 is about the header of the key, which a request lacked."""
    return any(
        str(issue.loc[-1]).lower() == _KEY_HEADER for issue in error.issues if issue.loc
    )
