"""The private parts of the client that the planted bugs replace.

No other module of this folder imports private modules of the package.
"""

from openfunnel_async._client import client
from openfunnel_async._client import submit as submit_module
from openfunnel_async._client.background import BackgroundTasks
from openfunnel_async._client.completions import Completions
from openfunnel_async._client.credit_cap import CreditCap
from openfunnel_async._client.run_many import ManySearches
from openfunnel_async._client.running import OnExit
from openfunnel_async._client.submit import Submitter
from openfunnel_async._client.unfinished import UnfinishedWork
from openfunnel_async._job import cancel_calls, cancellation, state
from openfunnel_async._job import requests as requests_module
from openfunnel_async._job.cancellation import Cancellation
from openfunnel_async._job.page_reader import PageReader
from openfunnel_async._job.poll_loop import PollLoop
from openfunnel_async._job.requests import Outage
from openfunnel_async._job.shared_task import SharedTask
from openfunnel_async._job.state import JobState
from openfunnel_async._protocol import endpoints, error_replies, replies
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.error_replies import failure
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_loop import Caller
from openfunnel_async._protocol.retry_rules import RetryAllowance, Tries
from openfunnel_async._protocol.submit_throttle import SubmitThrottle
from openfunnel_async._transport.wire import SendProgress
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._followed_jobs import FollowedJobs
from openfunnel_async.book._following import Follower
from openfunnel_async.book._recording import SubmitRecorder
from openfunnel_async.book._records import EntryRecord
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._sql import entries, following, submitting
from openfunnel_async.book._sqlite.connection import Connection

__all__ = [
    "BackgroundTasks",
    "Caller",
    "CancelAnswer",
    "Cancellation",
    "Completions",
    "Connection",
    "CreditCap",
    "EntryRecord",
    "FollowedJobs",
    "Follower",
    "JobState",
    "Kind",
    "ManySearches",
    "OnExit",
    "Outage",
    "PageReader",
    "PollLoop",
    "RetryAllowance",
    "RunLock",
    "SendProgress",
    "SharedTask",
    "SubmitRecorder",
    "SubmitThrottle",
    "Submitter",
    "Tries",
    "UnfinishedWork",
    "cancel_calls",
    "cancellation",
    "client",
    "endpoints",
    "entries",
    "error_replies",
    "failure",
    "following",
    "ledger_of",
    "replies",
    "requests_module",
    "state",
    "submit_module",
    "submitting",
]
