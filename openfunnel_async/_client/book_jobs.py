"""The client as the Book sees it; see ``book/_jobs.py``."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from openfunnel_async._client.background import BackgroundTasks
from openfunnel_async._client.handles import Handles
from openfunnel_async._client.submit import Record, Submitter
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.resources import Resources
from openfunnel_async._transport.wire import SecretText
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import CreditBalance
from openfunnel_async._values.search import LookalikeSearch

T = TypeVar("T")
_DIGITS = 8


class BookJobs:
    """Submits and attaches for a Book.

    Attributes:
        outage: Seconds of unbroken failure that are survived.
        fingerprint: Tells the account from others, and not the key.
        budget: The budget of the client's submits; None for none.
    """

    def __init__(  # noqa: PLR0913 -- parts of the client, once
        self,
        resources: Resources,
        background: BackgroundTasks,
        handles: Handles,
        submitter: Submitter,
        *,
        fingerprint: str,
        budget: str | None,
    ) -> None:
        self._resources = resources
        self._background = background
        self._handles = handles
        self._submitter = submitter
        self.outage: float = resources.retry.outage
        self.fingerprint: str = fingerprint
        self.budget: str | None = budget

    def check_loop(self) -> None:
        """Refuse any event loop but the client's, and a client that is closed."""
        self._resources.loop_guard.check()
        self._background.check_open()

    def attach(self, start: JobCheckpoint) -> BulkJob:
        """Return a handle of a job at a place in its rows, without I/O."""
        return self._handles.attached(start)

    async def submit(
        self,
        search: LookalikeSearch,
        record: Record,
        is_wanted: Callable[[], bool],
    ) -> BulkJob:
        """Start the job; ``record`` is awaited with the outcome before this returns."""
        return await self._submitter.submit_recorded(
            search, record, patience=self.outage, is_wanted=is_wanted
        )

    async def read_balance(self) -> CreditBalance:
        """Read the account's credits."""
        return await self._resources.caller.call(self._resources.endpoints.balance())

    def start_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the work in a task that ends when the client is closed."""
        return self._background.start_idle_task(work)


def make_fingerprint(key: SecretText) -> str:
    """Return eight digits that tell a key from others, and do not lead back to it."""
    return hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]
