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

__all__ = [
    "BackgroundTasks",
    "Caller",
    "CancelAnswer",
    "Cancellation",
    "Completions",
    "CreditCap",
    "JobState",
    "Kind",
    "ManySearches",
    "OnExit",
    "Outage",
    "PageReader",
    "PollLoop",
    "RetryAllowance",
    "SendProgress",
    "SharedTask",
    "SubmitThrottle",
    "Submitter",
    "Tries",
    "UnfinishedWork",
    "cancel_calls",
    "cancellation",
    "client",
    "endpoints",
    "error_replies",
    "failure",
    "replies",
    "requests_module",
    "state",
    "submit_module",
]
