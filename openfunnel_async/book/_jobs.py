"""What the Book needs of a client: to submit, and to attach to a job."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import CreditBalance
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.errors import OpenFunnelError

T = TypeVar("T")
Outcome = BulkJob | OpenFunnelError
Record = Callable[[Outcome], Awaitable[None]]


class Jobs(Protocol):
    """The client, as the Book sees it.

    Attributes:
        outage: Seconds of unbroken failure that are survived.
        fingerprint: Tells the account from others, and not the key.
        budget: The budget of the client's submits; None for none.
    """

    outage: float
    fingerprint: str
    budget: str | None

    def check_loop(self) -> None:
        """Refuse any event loop but the client's."""
        ...

    def attach(self, start: JobCheckpoint) -> BulkJob:
        """Return a handle of a job at a place in its rows, without I/O."""
        ...

    async def submit(
        self,
        search: LookalikeSearch,
        record: Record,
        is_wanted: Callable[[], bool],
    ) -> BulkJob:
        """Start the job; ``record`` is awaited with the outcome before this returns.

        Args:
            search: The search.
            record: Awaited with the outcome.
            is_wanted: Whether it may still be sent, asked before each try.

        Cancellation: what is not sent is not sent any more. What was sent is read to
        its end and recorded in the background, and the job continues.
        """
        ...

    async def read_balance(self) -> CreditBalance:
        """Read the account's credits."""
        ...

    def start_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the work in a task that ends when the client is closed."""
        ...
