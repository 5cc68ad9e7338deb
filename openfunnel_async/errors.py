"""The errors, divided by what the caller can do.

OpenFunnelError
├── ConfigurationError (ValueError)      nothing was sent
├── CreditCapError                       nothing was sent
├── TransportError                       no complete answer
│   └── RequestTimeoutError (TimeoutError)
├── InvalidResponseError                 an answer that is invalid
├── APIError                             an answer that refuses or fails
│   ├── AuthenticationError              401, 403
│   ├── JobNotFoundError                 404
│   ├── RequestRejectedError             400, 422
│   ├── InsufficientCreditsError         402, or CREDITS_EXCEEDED
│   ├── RateLimitedError                 429
│   └── ServerError                      5xx
├── SubmitOutcomeUnknownError            a job may be running and billing
├── BookError                            the Book could not be read or written
│   ├── BookInUseError                   another process runs it
│   ├── BookTooNewError                  a newer version wrote it
│   └── OtherAccountError                it belongs to another API key
└── JobError
    ├── JobFailedError
    ├── JobCancelledError
    ├── WaitTimeoutError (TimeoutError)
    ├── CancelConflictError
    └── IncompleteResultsError

All of them can be pickled, and none contains the API key.
"""

from typing import TYPE_CHECKING, Any

from openfunnel_async._text import error_repr, escaped

if TYPE_CHECKING:
    from openfunnel_async._values.models import Company, JobSnapshot, ValidationIssue
    from openfunnel_async._values.search import LookalikeSearch

__all__ = [
    "APIError",
    "AuthenticationError",
    "BookError",
    "BookInUseError",
    "BookTooNewError",
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
    "OtherAccountError",
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
    """The base class of every error that this package raises on purpose.

    Arguments are positional and stored in ``args``, so every error of the tree can be
    pickled; ``str()`` is the message alone.

    Attributes:
        rows: The companies that were read before the error, if rows were being read.
            They are pickled with the error, but are not in ``args``.
    """

    rows: tuple[Any, ...] = ()

    def __init__(self, message: str, *facts: object) -> None:
        message = escaped(message, _LONGEST_MESSAGE)
        super().__init__(message)
        # The initialiser of OSError, a base of TimeoutError, would drop some args.
        self.args: tuple[Any, ...] = (message, *facts)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return error_repr(self)


class ConfigurationError(OpenFunnelError, ValueError):
    """A key, base_url, search or argument is invalid.

    Nothing was sent and nothing was spent. The message names the argument and states
    what is allowed.
    """


class CreditCapError(OpenFunnelError):
    """A search no longer fits under a credit cap.

    Nothing was sent for it and nothing was spent.
    """


class TransportError(OpenFunnelError):
    """An exchange ended without a complete answer.

    A read or a cancel was already retried. For a submit this error is raised only if
    nothing was sent, so no job exists and submitting again is safe.

    Attributes:
        request_sent: Whether the service may have received the request.
    """

    def __init__(self, message: str, request_sent: bool) -> None:
        super().__init__(message, request_sent)
        self.request_sent = request_sent


class RequestTimeoutError(TransportError, TimeoutError):
    """One exchange took longer than ``request_timeout``."""


class InvalidResponseError(OpenFunnelError):
    """An answer is invalid; a read was already repeated once.

    The job continues and bills as before, and its rows stay readable on the service.

    Attributes:
        path: The invalid place of the answer, for example ``"$.manifest.count"``.
        is_json: Whether the body was JSON.
    """

    def __init__(self, message: str, path: str = "$", is_json: bool = True) -> None:
        super().__init__(message, path, is_json)
        self.path = path
        self.is_json = is_json


class APIError(OpenFunnelError):
    """The service answered with a status outside 2xx.

    Attributes:
        status_code: The HTTP status.
        detail: The ``detail`` of the body, else the body, without the input that it
            repeats; None if there is none.
        retry_after: Seconds that the service asks to wait; None if it does not.
        request_id: The id of the request, for the support of the service, as a header
            of the answer states it; None if none does.
    """

    request_id: str | None = None
    # False if the answer was not JSON, so that a gateway wrote it. Set on the instance,
    # so that a pickle has it; see _protocol/error_replies.py, is_from_service().
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

    In the first five seconds after the client's own submit the request is repeated. In
    two cases a 404 counts as an outage, and a wait raises it only after
    ``RetryPolicy.outage`` seconds: the client has read another answer about the job
    before, or the answer is not JSON, so that a gateway wrote it (the message states
    this).
    """


class RequestRejectedError(APIError):
    """400 or 422: the service refused the request. Not retried; nothing was spent.

    Attributes:
        issues: The faults that a 422 reports, one for each field.
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
    """The account has too few credits. Not retried; no job was started."""


class RateLimitedError(APIError):
    """429: too many requests, for longer than the retry policy waits.

    It was already retried, unless ``retry_after`` is above the policy's maximum or
    above the time that was left. The request had no effect. A 429 to a submit delays
    all submits of the client by that time.
    """


class ServerError(APIError):
    """5xx on a read or a cancel, already retried.

    A submit never raises it: it raises ``SubmitOutcomeUnknownError``.
    """


class SubmitOutcomeUnknownError(OpenFunnelError):
    """A submit was sent and its outcome is unknown: a job may run and bill.

    It is never retried, because the service has no idempotency key: a second submit
    could start a second billed job. If there is a ``job_id``, attach to the job and
    cancel it; otherwise check the credit balance before submitting again.

    Attributes:
        search: The search that was submitted.
        accepted: Whether the status was a 2xx. If the service wrote the answer, a job
            exists; a login page proves nothing. The message states which it was.
        job_id: The job's id, if it could be read from a broken answer.
        max_exposure: Most credits that the job can bill; None without a limit.
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


class BookError(OpenFunnelError):
    """The Book could not be opened, read or written.

    What is in it stays there. If it was raised before a submit, nothing was sent; jobs
    that run continue and bill, and a later ``Batch.run()`` continues with them.
    """


class BookInUseError(BookError):
    """Another process runs this Book; nothing was sent.

    The message names its process id and its host. Reading the Book is possible
    meanwhile.
    """


class BookTooNewError(BookError):
    """A newer version of this package wrote the Book; nothing was changed."""


class OtherAccountError(BookError):
    """The Book belongs to another API key; nothing was sent or changed.

    The jobs in a Book can be read only with the key that submitted them.
    """


class JobError(OpenFunnelError):
    """An error that concerns one job, not one request.

    Attributes:
        job_id: The job.
        snapshot: The last answer about the job, if there was one.
        rows: The rows that were read before the error, if rows were being collected.
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
    """The job failed. Its rows, if any, stay readable.

    It is unknown whether the rows of a failed job are billed; the snapshot's manifest,
    if there is one, states the bill.
    """


class JobCancelledError(JobError):
    """The job was cancelled; its delivered rows are billed and stay readable."""


class WaitTimeoutError(JobError, TimeoutError):
    """The time limit of a wait has passed.

    Unless the message states otherwise, the job continues and bills.
    """


class CancelConflictError(JobError):
    """The service answered 409 to a cancel twice, but the job is not terminal.

    The status was polled for a while after each 409. The job may still bill. Calling
    ``cancel()`` again is safe.
    """


class IncompleteResultsError(JobError):
    """The number of rows that were read differs from the manifest's count.

    Reading again is free and safe.
    """
