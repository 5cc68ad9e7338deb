"""What all handles of a client share."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from openfunnel_async._job.event_loop import LoopGuard
from openfunnel_async._job.poll_limiter import PollLimiter
from openfunnel_async._job.starts import RequestStarts
from openfunnel_async._protocol.endpoints import Endpoints
from openfunnel_async._protocol.retry_loop import Caller
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async.errors import OpenFunnelError

Cancelled = CancelReceipt | OpenFunnelError
StartIdleTask = Callable[
    [Coroutine[Any, Any, Any], contextvars.Context], asyncio.Task[Any]
]
CancelInBackground = Callable[[Any, float | None, float], asyncio.Future[Cancelled]]
_MOST_KNOWN = 10_000


class KnownJobs:
    """The ids of the jobs that answers were about: the newest ten thousand.

    The service does not forget a job, so a 404 about one of these was written by
    something else, or is an outage.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, job_id: str) -> None:
        """Note that an answer about the job was seen."""
        if job_id in self._ids:
            return
        self._ids[job_id] = None
        if len(self._ids) > _MOST_KNOWN:
            del self._ids[next(iter(self._ids))]

    def has(self, job_id: str) -> bool:
        """Whether an answer about the job was seen."""
        return job_id in self._ids


class ReadAheadPlaces:
    """The places for pages that the streams of a client read ahead, all together.

    Streams that read at the same time share them evenly: one that holds more than its
    share takes no new place for one that it gives back.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._held: dict[object, int] = {}

    def take(self, reader: object) -> bool:
        """Take a place; False if there is none, or if others wait for their share."""
        held = self._held.setdefault(reader, 0)
        share = max(1, self._most // len(self._held))
        if self._free < 1 or held >= share:
            return False
        self._free -= 1
        self._held[reader] = held + 1
        return True

    def keep(self, reader: object, most: int) -> None:
        """Give back what a reader holds beyond that many places."""
        surplus = self._held.get(reader, 0) - most
        if surplus > 0:
            self._free += surplus
            self._held[reader] -= surplus

    def leave(self, reader: object) -> None:
        """Give back all that a reader holds, and its share."""
        self._free += self._held.pop(reader, 0)


class Resources(NamedTuple):
    """What all handles of a client share.

    Attributes:
        caller: Sends requests, and repeats what may be repeated.
        endpoints: Builds the requests.
        retry: What is repeated, and for how long.
        poll_limiter: Limits the polls of all handles; None for no limit.
        start_idle_task: Starts a task that the client cancels when it is closed.
        known_jobs: The jobs that answers were about.
        places: For the pages that are read ahead.
        starts: When the requests of waits begin.
        loop_guard: Keeps the client on one event loop.
        cancel_in_background: Cancels the job of a handle and returns the first
            outcome. The second argument is how many seconds the caller waits for it,
            None for one who does not wait; the third is how many seconds the service
            asked to wait before.
    """

    caller: Caller
    endpoints: Endpoints
    retry: RetryPolicy
    poll_limiter: PollLimiter | None
    start_idle_task: StartIdleTask
    known_jobs: KnownJobs
    places: ReadAheadPlaces
    starts: RequestStarts
    loop_guard: LoopGuard
    cancel_in_background: CancelInBackground
