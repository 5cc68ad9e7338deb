"""An async SDK for OpenFunnel's bulk lookalike jobs.

Start with ``OpenFunnel``; ``BulkJob`` is the handle it gives, ``errors`` the tree of
what can go wrong.

The import block below is the one list of public names. Type checkers read it as it is.
At run time a name is imported when it is first used, so that what needs only a part of
the package, such as its pytest plugin, does not pay for all of it.
"""

import linecache as _linecache
import re as _re
import typing as _typing
from importlib import import_module as _import_module

from openfunnel_async._version import __version__ as __version__


def _read_modules() -> dict[str, str]:
    """Return the module of each name of the import block; {} without a source file.

    Not by ``ast``, which takes 1 ms of each program's start.
    """
    source = "".join(_linecache.getlines(__file__, globals()))
    imports = r"(?m)^    from (\S+) import \(?\s*(\w+) as \2,?$"
    return {name: module for module, name in _re.findall(imports, source)}


_MODULES = _read_modules()

if _typing.TYPE_CHECKING or not _MODULES:
    from openfunnel_async._client.buy import buy as buy
    from openfunnel_async._client.client import OpenFunnel as OpenFunnel
    from openfunnel_async._client.completions import Completions as Completions
    from openfunnel_async._client.merge import MergedCompany as MergedCompany
    from openfunnel_async._client.merge import MergedResults as MergedResults
    from openfunnel_async._client.merge import merge_results as merge_results
    from openfunnel_async._client.run_many import JobOutcome as JobOutcome
    from openfunnel_async._client.settings import BASE_URL_VARIABLE as BASE_URL_VARIABLE
    from openfunnel_async._client.settings import DEFAULT_BASE_URL as DEFAULT_BASE_URL
    from openfunnel_async._client.settings import (
        INSECURE_HTTP_VARIABLE as INSECURE_HTTP_VARIABLE,
    )
    from openfunnel_async._client.settings import KEY_VARIABLE as KEY_VARIABLE
    from openfunnel_async._job.handle import BulkJob as BulkJob
    from openfunnel_async._job.streams import PageStream as PageStream
    from openfunnel_async._job.streams import RowStream as RowStream
    from openfunnel_async._transport.aiohttp_transport import (
        AiohttpTransport as AiohttpTransport,
    )
    from openfunnel_async._transport.network import CA_FILE_VARIABLE as CA_FILE_VARIABLE
    from openfunnel_async._transport.network import PROXY_VARIABLE as PROXY_VARIABLE
    from openfunnel_async._transport.recording import (
        RecordingTransport as RecordingTransport,
    )
    from openfunnel_async._transport.recording import ReplayTransport as ReplayTransport
    from openfunnel_async._transport.wire import SecretText as SecretText
    from openfunnel_async._transport.wire import SendProgress as SendProgress
    from openfunnel_async._transport.wire import Transport as Transport
    from openfunnel_async._transport.wire import WireReply as WireReply
    from openfunnel_async._transport.wire import WireRequest as WireRequest
    from openfunnel_async._values.checkpoint import JobCheckpoint as JobCheckpoint
    from openfunnel_async._values.events import CancelAccepted as CancelAccepted
    from openfunnel_async._values.events import Event as Event
    from openfunnel_async._values.events import JobChanged as JobChanged
    from openfunnel_async._values.events import JobSettled as JobSettled
    from openfunnel_async._values.events import JobSubmitted as JobSubmitted
    from openfunnel_async._values.events import OutageBegan as OutageBegan
    from openfunnel_async._values.events import OutageEnded as OutageEnded
    from openfunnel_async._values.events import RequestFailed as RequestFailed
    from openfunnel_async._values.events import RequestSent as RequestSent
    from openfunnel_async._values.events import RetryScheduled as RetryScheduled
    from openfunnel_async._values.events import Throttled as Throttled
    from openfunnel_async._values.models import Company as Company
    from openfunnel_async._values.models import CreditBalance as CreditBalance
    from openfunnel_async._values.models import JobPage as JobPage
    from openfunnel_async._values.models import JobSnapshot as JobSnapshot
    from openfunnel_async._values.models import Manifest as Manifest
    from openfunnel_async._values.models import ValidationIssue as ValidationIssue
    from openfunnel_async._values.policies import PollPolicy as PollPolicy
    from openfunnel_async._values.policies import RetryPolicy as RetryPolicy
    from openfunnel_async._values.results import BulkResult as BulkResult
    from openfunnel_async._values.results import CancelReceipt as CancelReceipt
    from openfunnel_async._values.results import TakeResult as TakeResult
    from openfunnel_async._values.search import (
        CREDITS_PER_COMPANY as CREDITS_PER_COMPANY,
    )
    from openfunnel_async._values.search import MAX_LIMIT as MAX_LIMIT
    from openfunnel_async._values.search import LookalikeSearch as LookalikeSearch
    from openfunnel_async._values.status import JobStatus as JobStatus
    from openfunnel_async.book._batch import Batch as Batch
    from openfunnel_async.book._book import Book as Book
    from openfunnel_async.errors import APIError as APIError
    from openfunnel_async.errors import AuthenticationError as AuthenticationError
    from openfunnel_async.errors import BookError as BookError
    from openfunnel_async.errors import BookInUseError as BookInUseError
    from openfunnel_async.errors import BookTooNewError as BookTooNewError
    from openfunnel_async.errors import CancelConflictError as CancelConflictError
    from openfunnel_async.errors import ConfigurationError as ConfigurationError
    from openfunnel_async.errors import CreditCapError as CreditCapError
    from openfunnel_async.errors import IncompleteResultsError as IncompleteResultsError
    from openfunnel_async.errors import (
        InsufficientCreditsError as InsufficientCreditsError,
    )
    from openfunnel_async.errors import InvalidResponseError as InvalidResponseError
    from openfunnel_async.errors import JobCancelledError as JobCancelledError
    from openfunnel_async.errors import JobError as JobError
    from openfunnel_async.errors import JobFailedError as JobFailedError
    from openfunnel_async.errors import JobNotFoundError as JobNotFoundError
    from openfunnel_async.errors import OpenFunnelError as OpenFunnelError
    from openfunnel_async.errors import OtherAccountError as OtherAccountError
    from openfunnel_async.errors import RateLimitedError as RateLimitedError
    from openfunnel_async.errors import RequestRejectedError as RequestRejectedError
    from openfunnel_async.errors import RequestTimeoutError as RequestTimeoutError
    from openfunnel_async.errors import ServerError as ServerError
    from openfunnel_async.errors import (
        SubmitOutcomeUnknownError as SubmitOutcomeUnknownError,
    )
    from openfunnel_async.errors import TransportError as TransportError
    from openfunnel_async.errors import WaitTimeoutError as WaitTimeoutError


if _typing.TYPE_CHECKING or not _MODULES:
    # After the names above, which these modules import from here.
    from openfunnel_async import agent_auth as agent_auth
    from openfunnel_async import book as book
    from openfunnel_async import errors as errors
    from openfunnel_async import export as export
    from openfunnel_async import mcp as mcp
    from openfunnel_async import progress as progress
    from openfunnel_async import sandbox as sandbox
    from openfunnel_async import workers as workers


def _fetch(name: str) -> object:
    """Import a public name the first time it is used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    if module == __name__:
        return _import_module(f"{module}.{name}")
    found: object = getattr(_import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    there = {name for name in globals() if name[0].isalpha()}
    return sorted({*_MODULES, *there, "__version__"})


if not _typing.TYPE_CHECKING:
    # A type checker believes a module with __getattr__ to have every name.
    __getattr__ = _fetch
    __all__ = __dir__()  # noqa: PLE0605 -- it is a list
