"""Everything that can go wrong, by what the caller can do about it.

OpenFunnelError
├── ConfigurationError (ValueError)      nothing was sent
├── CreditCapError                       nothing was sent
├── TransportError                       no complete answer
│   └── RequestTimeoutError (TimeoutError)
├── InvalidResponseError                 an answer that cannot be believed
├── APIError                             an answer that says no
│   ├── AuthenticationError              401, 403
│   ├── JobNotFoundError                 404
│   ├── RequestRejectedError             400, 422
│   ├── InsufficientCreditsError         402, or CREDITS_EXCEEDED
│   ├── RateLimitedError                 429
│   └── ServerError                      5xx
├── SubmitOutcomeUnknownError            a job may be running and billing
└── JobError
    ├── JobFailedError
    ├── JobCancelledError
    ├── WaitTimeoutError (TimeoutError)
    ├── CancelConflictError
    └── IncompleteResultsError

All of them can be pickled, and none holds the API key.
"""

from typing import TYPE_CHECKING, Any

from openfunnel_async._text import error_repr, escaped

if TYPE_CHECKING:
    from openfunnel_async._values.models import Company, JobSnapshot, ValidationIssue
    from openfunnel_async._values.search import LookalikeSearch

__all__ = [
    "APIError",
    "AuthenticationError",
    "CancelConflictError",
    "ConfigurationError",
    "CreditCapError",
    "IncompleteResultsError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobNotFoundError",
    "OpenFunnelError",
    "RateLimitedError",
    "RequestRejectedError",
    "RequestTimeoutError",
    "ServerError",
    "SubmitOutcomeUnknownError",
    "TransportError",
    "WaitTimeoutError",
]


_LONGEST_MESSAGE = 1000


class OpenFunnelError(Exception):
    """Whatever this package raises on purpose.

    Arguments are positional and kept in ``args``, so every error of the tree
    can be pickled; ``str()`` is the message alone.

    Attributes:
        rows: The companies read before it happened, where rows were being read.
            They are pickled with the error, but are not in ``args``.
    """

    rows: tuple[Any, ...] = ()

    def __init__(self, message: str, *facts: object) -> None:
        message = escaped(message, _LONGEST_MESSAGE)
        super().__init__(message)
        # OSError's own initialiser (TimeoutError is one) would cut longer args.
        self.args: tuple[Any, ...] = (message, *facts)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return error_repr(self)


class ConfigurationError(OpenFunnelError, ValueError):
    """A key, base_url, search or argument that is invalid.

    Nothing was sent and nothing was spent. The message names the argument and
    says what is allowed.
    """


class CreditCapError(OpenFunnelError):
    """A search that no longer fits under a credit cap.

    Nothing was sent for it and nothing was spent.
    """


class TransportError(OpenFunnelError):
    """An exchange that ended without a complete answer.

    A read or a cancel was already retried. A submit reaches the caller as this
    only if nothing was sent, so no job exists and submitting again is safe.

    Attributes:
        request_sent: Whether the service may have seen the request.
    """

    def __init__(self, message: str, request_sent: bool) -> None:
        super().__init__(message, request_sent)
        self.request_sent = request_sent


class RequestTimeoutError(TransportError, TimeoutError):
    """One exchange took longer than ``request_timeout``."""


class InvalidResponseError(OpenFunnelError):
    """An answer that cannot be believed, read twice where reading is free.

    The job goes on and bills as before; its rows stay readable on the service.

    Attributes:
        path: Where in the answer, for example ``"$.manifest.count"``.
        is_json: Whether the body was JSON at all.
    """

    def __init__(self, message: str, path: str = "$", is_json: bool = True) -> None:
        super().__init__(message, path, is_json)
        self.path = path
        self.is_json = is_json


class APIError(OpenFunnelError):
    """The service answered with a status that says no.

    Attributes:
        status_code: The HTTP status.
        detail: What the body says, without echoed input; None if nothing.
        retry_after: Seconds the service asks to wait, if it does.
    """

    # False once its answer had no JSON: something before the service wrote it. Kept
    # with the attributes, so that a pickle has it; see _failures.is_from_service().
    _from_service = True

    def __init__(
        self,
        message: str,
        status_code: int,
        detail: object = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status_code, detail, retry_after)
        self.status_code = status_code
        self.detail = detail
        self.retry_after = retry_after


class AuthenticationError(APIError):
    """401 or 403: the key was not accepted. Not retried; nothing was spent."""


class JobNotFoundError(APIError):
    """404: this key has no job with that id, if the service wrote the answer.

    Repeated for the first five seconds after one's own submit. Once any answer about
    the job was seen by the client, and where the answer is not JSON (a gateway's, says
    the message), it counts as an outage: a wait raises it only after
    ``RetryPolicy.outage`` seconds.
    """


class RequestRejectedError(APIError):
    """400 or 422: the service refused the request. Not retried; nothing was spent.

    Attributes:
        issues: The complaints of a 422, one for each field.
    """

    def __init__(
        self,
        message: str,
        status_code: int,
        detail: object = None,
        retry_after: float | None = None,
        issues: "tuple[ValidationIssue, ...]" = (),
    ) -> None:
        super().__init__(message, status_code, detail, retry_after)
        self.args: tuple[Any, ...] = (
            self.message,
            status_code,
            detail,
            retry_after,
            issues,
        )
        self.issues = issues


class InsufficientCreditsError(APIError):
    """The account has too few credits. Not retried; nothing was started."""


class RateLimitedError(APIError):
    """429: too many requests, for longer than the retry policy waits.

    Already retried unless ``retry_after`` is above the policy's maximum or the
    time that was left. The request had no effect. All submits of the client are held
    back for that time.
    """


class ServerError(APIError):
    """5xx on a read or a cancel, already retried.

    A submit never ends in this: it raises ``SubmitOutcomeUnknownError``.
    """


class SubmitOutcomeUnknownError(OpenFunnelError):
    """A submit was sent and its outcome is not known: a job may run and bill.

    Never retried, because the service has no idempotency key: a second submit
    could start a second billed job. With ``job_id``, attach and cancel it; without,
    look at the credit balance before submitting again.

    Attributes:
        search: What was submitted.
        accepted: Whether a 2xx came. Where the service wrote it a job exists; a login
            page proves nothing, and the message says which it was.
        job_id: Its id, where it could be read out of a broken answer.
        max_exposure: Most credits that job can bill; None without a limit.
    """

    def __init__(
        self,
        message: str,
        search: "LookalikeSearch",
        accepted: bool = False,
        job_id: str | None = None,
        max_exposure: int | None = None,
    ) -> None:
        super().__init__(message, search, accepted, job_id, max_exposure)
        self.search = search
        self.accepted = accepted
        self.job_id = job_id
        self.max_exposure = max_exposure


class JobError(OpenFunnelError):
    """Something about one job rather than one request.

    Attributes:
        job_id: The job.
        snapshot: The last answer about it, if there was one.
        rows: The rows read before it happened, where rows were being collected.
    """

    def __init__(
        self,
        message: str,
        job_id: str,
        snapshot: "JobSnapshot | None" = None,
        rows: "tuple[Company, ...]" = (),
    ) -> None:
        super().__init__(message, job_id, snapshot)
        self.job_id = job_id
        self.snapshot = snapshot
        # Not in args: a traceback or a log record would write out every row.
        self.rows = rows


class JobFailedError(JobError):
    """The job ended as failed. Its rows, if any, stay readable.

    Whether the rows of a failed job are billed is not known; the snapshot's
    manifest says so where there is one.
    """


class JobCancelledError(JobError):
    """The job was cancelled; what it delivered is billed and stays readable."""


class WaitTimeoutError(JobError, TimeoutError):
    """The time given for waiting is over.

    Unless the message says otherwise the job is still going, and billing.
    """


class CancelConflictError(JobError):
    """409 to a cancel, twice, yet the job is still going after a settle window.

    The job may still be billing. Calling ``cancel()`` again is safe.
    """


class IncompleteResultsError(JobError):
    """The rows read do not add up to the manifest's count.

    Reading again is free and safe.
    """
