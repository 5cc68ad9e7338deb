"""An async SDK for OpenFunnel's bulk lookalike jobs.

Start with ``OpenFunnel``; ``BulkJob`` is the handle it gives, ``errors`` the tree of
what can go wrong.
"""

from openfunnel_async._aiohttp import AiohttpTransport
from openfunnel_async._batch import JobOutcome
from openfunnel_async._checkpoint import JobCheckpoint
from openfunnel_async._client import OpenFunnel
from openfunnel_async._job import BulkJob
from openfunnel_async._merge import MergedCompany, MergedResults, merge_results
from openfunnel_async._models import (
    BulkResult,
    CancelReceipt,
    Company,
    CreditBalance,
    JobPage,
    JobSnapshot,
    LookalikeSearch,
    Manifest,
    TakeResult,
    ValidationIssue,
)
from openfunnel_async._pacing import PollPolicy, RetryPolicy
from openfunnel_async._status import JobStatus
from openfunnel_async._streams import PageStream, RowStream
from openfunnel_async._version import __version__
from openfunnel_async._wire import (
    Transport,
    WireReply,
    WireRequest,
)
from openfunnel_async.errors import (
    APIError,
    AuthenticationError,
    CancelConflictError,
    ConfigurationError,
    CreditCapError,
    IncompleteResultsError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobNotFoundError,
    OpenFunnelError,
    RateLimitedError,
    RequestRejectedError,
    RequestTimeoutError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
)

__all__ = [
    "APIError",
    "AiohttpTransport",
    "AuthenticationError",
    "BulkJob",
    "BulkResult",
    "CancelConflictError",
    "CancelReceipt",
    "Company",
    "ConfigurationError",
    "CreditBalance",
    "CreditCapError",
    "IncompleteResultsError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "JobCancelledError",
    "JobCheckpoint",
    "JobError",
    "JobFailedError",
    "JobNotFoundError",
    "JobOutcome",
    "JobPage",
    "JobSnapshot",
    "JobStatus",
    "LookalikeSearch",
    "Manifest",
    "MergedCompany",
    "MergedResults",
    "OpenFunnel",
    "OpenFunnelError",
    "PageStream",
    "PollPolicy",
    "RateLimitedError",
    "RequestRejectedError",
    "RequestTimeoutError",
    "RetryPolicy",
    "RowStream",
    "ServerError",
    "SubmitOutcomeUnknownError",
    "TakeResult",
    "Transport",
    "TransportError",
    "ValidationIssue",
    "WaitTimeoutError",
    "WireReply",
    "WireRequest",
    "__version__",
    "merge_results",
]
