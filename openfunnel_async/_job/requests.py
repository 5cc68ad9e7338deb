"""Read about one job: status, pages, the cancel call; every answer is recorded."""

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, NamedTuple, TypeVar

import attrs

from openfunnel_async._job.event_loop import LoopGuard
from openfunnel_async._job.poll_limiter import PollBudget
from openfunnel_async._job.state import JobRecord
from openfunnel_async._protocol.endpoints import Call, Endpoints, Kind
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_loop import Caller, OnFailure, ignore, sit_out
from openfunnel_async._protocol.retry_rules import is_curable, retry_after_of
from openfunnel_async._values.models import JobPage, JobSnapshot
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async.errors import JobNotFoundError, OpenFunnelError

T = TypeVar("T")
Cancelled = CancelReceipt | OpenFunnelError
Lend = Callable[
    [Coroutine[Any, Any, JobPage], contextvars.Context], asyncio.Task[JobPage]
]
_NOT_YET_PAUSE = 0.5
_MOST_KNOWN = 10_000


class Expected:
    """A page that a stream waits for; filled in by whoever reads it first."""

    __slots__ = ("cursor", "is_asked_for", "page")

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self.page: JobPage | None = None
        self.is_asked_for = False


class KnownJobs:
    """The ids of the jobs that answers were about, the newest few thousand of them.

    The service does not forget a job, so a 404 about one of these is somebody
    else's, or an outage.
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


class Means(NamedTuple):
    """What all handles of a client share.

    Attributes:
        caller: Sends, and repeats what may be repeated.
        endpoints: Builds the calls.
        retry: What is repeated, and for how long.
        budget: The polls of all handles; None for as many as they like.
        lend: Runs a read ahead in a task that the client ends when it is closed.
        known_jobs: The jobs that answers were about.
        places: For the pages that are read ahead.
        loop: Keeps the client on one event loop.
        release: Cancels a handle's job in the background, for a caller who waits so
            many seconds for the first outcome; None for one who does not wait. The
            third number is how long the service asked to wait before.
    """

    caller: Caller
    endpoints: Endpoints
    retry: RetryPolicy
    budget: PollBudget | None
    lend: Lend
    known_jobs: KnownJobs
    places: ReadAheadPlaces
    loop: LoopGuard
    release: "Callable[[Any, float | None, float], asyncio.Future[Cancelled]]"


class JobReads:
    """Make the calls about one job and report their answers to its record."""

    __slots__ = ("_expected", "_look", "_means", "record")

    def __init__(self, means: Means, record: JobRecord) -> None:
        self._means = means
        # A wait makes the same call over and over, so it is kept.
        self._look: Call[JobSnapshot] | None = None
        self._expected: list[Expected] = []
        self.record: JobRecord = record

    @property
    def outage(self) -> float:
        """Seconds of unbroken failure that ``persist`` survives."""
        return self._means.retry.outage

    def check_loop(self) -> None:
        """Refuse any event loop but the one the client was first used on.

        Raises:
            ConfigurationError: Another one runs, or none.
        """
        self._means.loop.check()

    def may_be_cured(self, error: OpenFunnelError) -> bool:
        """Whether the same request about this job may be answered a little later."""
        return is_curable(error, job_is_known=self.job_is_known)

    @property
    def max_retry_after(self) -> float:
        """Longest Retry-After, in seconds, that is waited for."""
        return self._means.retry.max_retry_after

    async def look(self, *, on_failure: OnFailure = ignore) -> JobSnapshot:
        """Read the status."""
        if self._look is None:
            self._look = self._means.endpoints.snapshot(self.record.job_id)
        return self.record.observe(await self._call(self._look, on_failure=on_failure))

    async def take_turn(self) -> None:
        """Wait until the client's poll limiter allows a read."""
        if self._means.budget is not None:
            await self._means.budget.turn(self.record.draw_urgency())

    async def page(
        self, cursor: str | None, *, on_failure: OnFailure = ignore
    ) -> JobPage:
        """Read one page; its snapshot keeps the answer's own word in raw_status."""
        call = self._means.endpoints.page(self.record.job_id, cursor)
        page = await self._call(call, on_failure=on_failure)
        seen = self.record.observe(page.snapshot)
        # Its own word stays, for a stream ends by what its own answer says.
        said = page.snapshot.raw_status
        if seen.raw_status != said:
            seen = attrs.evolve(seen, raw_status=said)
        page = JobPage(
            snapshot=seen,
            label=page.label,
            rows=page.rows,
            next_cursor=page.next_cursor,
        )
        for expected in self._expected:
            if expected.cursor == cursor:
                expected.page = page
        return page

    def page_ahead(self, cursor: str) -> asyncio.Task[JobPage]:
        """Start reading a page that is guessed; the client ends it when it is closed.

        It may serve another task than the one that asked, so it runs in no context of
        a caller. A guess that is not found is dropped at once.
        """
        work = self.page(cursor, on_failure=_drop_if_not_found)
        return self._means.lend(work, contextvars.Context())

    @property
    def places(self) -> "ReadAheadPlaces":
        """The places for pages that all streams of the client read ahead."""
        return self._means.places

    @contextlib.contextmanager
    def expecting(self, cursor: str | None) -> Generator[Expected]:
        """Announce that a page will be read: one request serves all who wait."""
        expected = Expected(cursor)
        self._expected.append(expected)
        try:
            yield expected
        finally:
            self._expected.remove(expected)
            self.record.news.announce()

    def is_asked_for(self, cursor: str | None) -> bool:
        """Whether a stream that waits for the page has its request under way."""
        return any(
            expected.is_asked_for and expected.cursor == cursor
            for expected in self._expected
        )

    @property
    def is_expected(self) -> bool:
        """Whether a stream is about to read, so that a look would be one too many."""
        return bool(self._expected)

    async def cancel(
        self, *, on_failure: OnFailure, is_wanted: Callable[[], bool]
    ) -> CancelAnswer:
        """Send the cancel, again and again while it gets no answer and is wanted."""
        call = self._means.endpoints.cancel(self.record.job_id)
        answer = await self._call(call, on_failure=on_failure, is_wanted=is_wanted)
        if answer.accepted and answer.is_confirmed:
            self._means.known_jobs.add(self.record.job_id)
        return answer

    def release(
        self, handle: object, within: float | None, after: float = 0.0
    ) -> asyncio.Future[Cancelled]:
        """Cancel the handle's job in the background; see ``Means``."""
        return self._means.release(handle, within, after)

    @property
    def job_is_known(self) -> bool:
        """Whether any answer about the job was seen by this client."""
        return self._means.known_jobs.has(self.record.job_id)

    async def persist(
        self, read: Callable[[OnFailure], Awaitable[T]], *, takes_turn: bool = True
    ) -> T:
        """Read again at the job's pace while a retry may cure what fails.

        An outage is counted from its first failure, also of one that a quick retry
        followed. The time spent waiting for a turn to poll is no part of it.

        Args:
            read: Makes the call, and reports each failure that is repeated.
            takes_turn: Whether each read waits for the client's poll limiter.

        Raises:
            OpenFunnelError: What failed, if it cannot be cured, if it lasted for the
                policy's ``outage``, or if its Retry-After is too long.
        """
        time = asyncio.get_running_loop().time
        began = math.inf
        retry = self._means.retry

        def note(_error: OpenFunnelError) -> None:
            nonlocal began
            began = min(began, time())

        while True:
            if takes_turn:
                before = time()
                await self.take_turn()
                began += time() - before
            try:
                return await read(note)
            except OpenFunnelError as exc:
                error = exc
            note(error)
            asked = retry_after_of(error) or 0.0
            is_curable_here = is_curable(error, job_is_known=self.job_is_known)
            has_lasted = time() - began >= retry.outage
            if has_lasted or not is_curable_here or asked > retry.max_retry_after:
                raise error
            pause = max(self.record.draw_delay(), asked)
            await sit_out(Kind.READ, pause, error, self.record.stalled)

    async def _call(
        self,
        call: Call[T],
        *,
        on_failure: OnFailure = ignore,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> T:
        """Make the call; soon after one's own submit a 404 means "not yet"."""
        while True:
            try:
                answer = await self._means.caller.call(
                    call,
                    on_stall=self.record.stalled,
                    on_failure=on_failure,
                    is_wanted=is_wanted,
                    job_is_known=self.job_is_known,
                )
            except JobNotFoundError as exc:
                missing = exc
            else:
                if call.kind is Kind.READ:
                    self._means.known_jobs.add(self.record.job_id)
                return answer
            left = self.record.visible_by - asyncio.get_running_loop().time()
            if left <= 0 or not is_wanted():
                raise missing
            on_failure(missing)
            await asyncio.sleep(min(_NOT_YET_PAUSE, left))


def _drop_if_not_found(error: OpenFunnelError) -> None:
    """Give a guessed page up at the first 404, from the service or not."""
    if isinstance(error, JobNotFoundError):
        raise error
