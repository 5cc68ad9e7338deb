"""An async SDK for OpenFunnel's bulk lookalike jobs.

Start with ``OpenFunnel``; ``BulkJob`` is the handle it gives, ``errors`` the tree of
what can go wrong.

A name is fetched from its module when it is first asked for, so that what imports
only a part of the package, such as its pytest plugin, does not pay for all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from openfunnel_async._version import __version__

if TYPE_CHECKING:
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

_NAMES_OF = {
    "_aiohttp": ("AiohttpTransport",),
    "_batch": ("JobOutcome",),
    "_checkpoint": ("JobCheckpoint",),
    "_client": ("OpenFunnel",),
    "_job": ("BulkJob",),
    "_merge": (
        "MergedCompany",
        "MergedResults",
        "merge_results",
    ),
    "_models": (
        "BulkResult",
        "CancelReceipt",
        "Company",
        "CreditBalance",
        "JobPage",
        "JobSnapshot",
        "LookalikeSearch",
        "Manifest",
        "TakeResult",
        "ValidationIssue",
    ),
    "_pacing": (
        "PollPolicy",
        "RetryPolicy",
    ),
    "_status": ("JobStatus",),
    "_streams": (
        "PageStream",
        "RowStream",
    ),
    "_wire": (
        "Transport",
        "WireReply",
        "WireRequest",
    ),
    "errors": (
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
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}


def _fetch(name: str) -> object:
    """Find a public name the first time it is asked for."""
    if name in _NAMES_OF:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:
    # A type checker believes a module with this function to have every name.
    __getattr__ = _fetch
