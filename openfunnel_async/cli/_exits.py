"""What the exit codes say, and which of them an error means."""

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


class Exit(enum.IntEnum):
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
    (Exit.OK, "done"),
    (Exit.FAILED, "failed otherwise: the network, the service, a file"),
    (Exit.USAGE, "a command, flag, file or address that cannot be right"),
    (Exit.JOB_FAILED, "the job failed"),
    (Exit.PARTIAL, "the job was cancelled, or not all of its rows are there"),
    (Exit.BUDGET, "over budget: --max-credits or the account's credits"),
    (Exit.KEY, "the API key is missing or not accepted"),
    (Exit.UNKNOWN, "a submit was sent and its outcome is not known"),
    (Exit.INTERRUPTED, "left by Ctrl-C; the job goes on"),
    (Exit.TERMINATED, "left by SIGTERM; the job goes on"),
)

# The first that fits counts, so an error stands before those it descends from.
_CODES: tuple[tuple[type[OpenFunnelError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (AuthenticationError, Exit.KEY),
    (CreditCapError, Exit.BUDGET),
    (InsufficientCreditsError, Exit.BUDGET),
    (SubmitOutcomeUnknownError, Exit.UNKNOWN),
    (JobFailedError, Exit.JOB_FAILED),
    (JobCancelledError, Exit.PARTIAL),
    (IncompleteResultsError, Exit.PARTIAL),
)
_WORST_FIRST = (
    Exit.UNKNOWN,
    Exit.KEY,
    Exit.USAGE,
    Exit.FAILED,
    Exit.JOB_FAILED,
    Exit.PARTIAL,
    Exit.BUDGET,
)


class CommandError(Exception):
    """Something a command found out by itself, in a sentence for its user.

    Attributes:
        text: The sentence: what is wrong, and what to do.
        code: The exit code.
        facts: What ``--json`` adds to it.
    """

    def __init__(self, text: str, code: Exit = Exit.USAGE, **facts: object) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.facts = facts


def exit_of(error: OpenFunnelError) -> Exit:
    """Return the exit code that an error means."""
    if isinstance(error, RequestRejectedError) and _lacks_key(error):
        return Exit.KEY
    fitting = (code for kind, code in _CODES if isinstance(error, kind))
    return next(fitting, Exit.FAILED)


def facts_of(error: OpenFunnelError) -> dict[str, object]:
    """Return what ``--json`` tells of an error beside its words."""
    facts: dict[str, object] = {}
    if isinstance(error, APIError):
        facts["status_code"] = error.status_code
        facts["retry_after"] = error.retry_after
    if isinstance(error, JobError):
        facts["job_id"] = error.job_id
    if isinstance(error, SubmitOutcomeUnknownError):
        facts["job_id"] = error.job_id
        facts["accepted"] = error.accepted
        facts["worst_case_credits"] = error.max_exposure
    return facts


def worst(codes: Iterable[Exit]) -> Exit:
    """Return the code that says most of what went wrong."""
    seen = set(codes)
    return next((code for code in _WORST_FIRST if code in seen), Exit.OK)


def _lacks_key(error: RequestRejectedError) -> bool:
    """Whether a 422 is about the key's header (facts.md, "Access")."""
    return any(
        str(issue.loc[-1]).lower() == _KEY_HEADER for issue in error.issues if issue.loc
    )
