"""The requests about one job; every answer is reported to the state of the job."""

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import attrs

from openfunnel_async._job.resources import Cancelled, ReadAheadPlaces, Resources
from openfunnel_async._job.starts import RequestStarts
from openfunnel_async._job.state import JobState
from openfunnel_async._protocol.codec import JobAnswer
from openfunnel_async._protocol.endpoints import Call, Kind
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_loop import (
    OnFailure,
    OnStall,
    ignore,
    wait_after,
)
from openfunnel_async._protocol.retry_rules import is_curable, retry_after_of
from openfunnel_async._values.models import Company, JobPage, JobSnapshot
from openfunnel_async.errors import JobNotFoundError, OpenFunnelError

T = TypeVar("T")
Read = Callable[[OnFailure, OnStall | None], Awaitable[T]]
_NOT_YET_PAUSE = 0.5


class PageRead(NamedTuple):
    """An answer with its rows, and the state of the job when it came."""

    answer: JobAnswer
    snapshot: JobSnapshot

    @property
    def is_whole(self) -> bool:
        """Whether the page cannot grow any more."""
        return self.answer.next_cursor is not None or self.answer.status.is_terminal

    def to_page(self, rows: tuple[Company, ...]) -> JobPage:
        """Return the public value, with these of its rows."""
        answer, snapshot = self
        if snapshot.raw_status != answer.word:
            snapshot = attrs.evolve(snapshot, raw_status=answer.word)
        return JobPage(
            snapshot=snapshot,
            label=answer.label,
            rows=rows,
            next_cursor=answer.next_cursor,
        )


class Outage:
    """How long requests have failed, with no answer in between.

    It begins with the first failure, also with one after which the request was
    repeated at once.
    """

    __slots__ = ("_began", "_reported_at", "_state")

    def __init__(self, state: JobState) -> None:
        self._began = math.inf
        self._state = state
        self._reported_at: float | None = None

    def note(self, error: OpenFunnelError) -> None:
        """Note a failure."""
        self.note_quietly()
        if self._reported_at is None:
            self._reported_at = asyncio.get_running_loop().time()
            self._state.emit("OutageBegan", error=str(error))

    def note_quietly(self) -> None:
        """Note a failure that is raised at once, so that it is no event."""
        self._began = min(self._began, asyncio.get_running_loop().time())

    def exclude(self, seconds: float) -> None:
        """Leave out time in which nothing could be sent."""
        self._began += seconds

    def end(self) -> None:
        """Note an answer."""
        self._began = math.inf
        self.report_end(has_recovered=True)

    def report_end(self, *, has_recovered: bool = False) -> None:
        """Emit the end of the outage, if its beginning was emitted."""
        if self._reported_at is not None:
            seconds = asyncio.get_running_loop().time() - self._reported_at
            self._reported_at = None
            self._state.emit(
                "OutageEnded", seconds=seconds, has_recovered=has_recovered
            )

    def has_lasted(self, seconds: float) -> bool:
        """Whether it began at least that number of seconds ago."""
        return asyncio.get_running_loop().time() - self._began >= seconds


class JobRequests:
    """Send the requests about one job and report their answers to its state."""

    __slots__ = ("_resources", "_status_call", "state")

    def __init__(self, resources: Resources, state: JobState) -> None:
        self._resources = resources
        # A wait sends the same request over and over, so it is kept.
        self._status_call: Call[JobAnswer] | None = None
        self.state: JobState = state

    @property
    def outage(self) -> float:
        """Seconds of unbroken failure that ``persist`` survives."""
        return self._resources.retry.outage

    @property
    def max_retry_after(self) -> float:
        """Longest Retry-After, in seconds, that is waited for."""
        return self._resources.retry.max_retry_after

    @property
    def job_is_known(self) -> bool:
        """Whether any answer about the job was seen by this client."""
        return self._resources.known_jobs.has(self.state.job_id)

    @property
    def places(self) -> ReadAheadPlaces:
        """The places for pages that all streams of the client read ahead."""
        return self._resources.places

    @property
    def starts(self) -> RequestStarts:
        """When the requests of waits begin, for all handles of the client."""
        return self._resources.starts

    def check_loop(self) -> None:
        """Refuse any event loop but the one the client was first used on.

        Raises:
            ConfigurationError: Another one runs, or none.
        """
        self._resources.loop_guard.check()

    def may_be_cured(self, error: OpenFunnelError) -> bool:
        """Whether the same request about this job may be answered a little later."""
        return is_curable(error, job_is_known=self.job_is_known)

    async def take_turn(self) -> None:
        """Wait until the poll limiter of the client allows a request."""
        if self._resources.poll_limiter is not None:
            await self._resources.poll_limiter.take_turn(self.state.draw_urgency())

    async def read_status(
        self, on_failure: OnFailure = ignore, on_stall: OnStall | None = None
    ) -> JobSnapshot:
        """Read the status."""
        call = self._status_call
        if call is None:
            call = self._resources.endpoints.status(self.state.job_id)
            self._status_call = call
        return self.state.observe(await self._call(call, on_failure, on_stall))

    async def read_page(
        self,
        cursor: str | None,
        on_failure: OnFailure = ignore,
        on_stall: OnStall | None = None,
    ) -> PageRead:
        """Read one page; the status comes with it."""
        call = self._resources.endpoints.page(self.state.job_id, cursor)
        answer = await self._call(call, on_failure, on_stall)
        return PageRead(answer, self.state.observe(answer))

    def start_page_ahead(
        self, cursor: str, on_stall: OnStall
    ) -> asyncio.Task[PageRead]:
        """Start to read a page whose cursor is a guess; dropped at the first 404.

        The task serves another task than the one that started it, so it runs in no
        context of a caller. The client cancels it when it is closed.
        """
        work = self.read_page(cursor, _raise_if_not_found, on_stall)
        return self._resources.start_idle_task(work, contextvars.Context())

    async def send_cancel(
        self,
        on_failure: OnFailure,
        on_stall: OnStall,
        is_wanted: Callable[[], bool],
    ) -> CancelAnswer:
        """Send the cancel until it is answered, or no longer wanted."""
        call = self._resources.endpoints.cancel(self.state.job_id)
        answer = await self._call(call, on_failure, on_stall, is_wanted)
        if answer.accepted and answer.is_confirmed:
            self._resources.known_jobs.add(self.state.job_id)
        return answer

    def cancel_in_background(
        self, handle: object, within: float | None, after: float = 0.0
    ) -> asyncio.Future[Cancelled]:
        """Cancel the job of the handle in the background; see ``Resources``."""
        return self._resources.cancel_in_background(handle, within, after)

    async def persist(
        self,
        read: Read[T],
        outage: Outage,
        *,
        takes_turn: bool = True,
        on_stall: OnStall | None = None,
    ) -> T:
        """Read again, at the pace of the job, while a retry may cure what fails.

        The time spent waiting for a turn of the poll limiter is no part of an outage.

        Args:
            read: Sends the request, and reports failures and pauses.
            outage: Counts how long requests have failed.
            takes_turn: Whether each request waits for the poll limiter.
            on_stall: Called for each pause that the service asks for.

        Raises:
            OpenFunnelError: What failed, if it cannot be cured, if it lasted for the
                policy's ``outage``, or if its Retry-After is too long.
        """
        time = asyncio.get_running_loop().time
        try:
            while True:
                if takes_turn and self._resources.poll_limiter is not None:
                    before = time()
                    await self.take_turn()
                    outage.exclude(time() - before)
                try:
                    answer = await read(outage.note, on_stall)
                except OpenFunnelError as exc:
                    error = exc
                else:
                    outage.end()
                    return answer
                pause = self._pause_in(outage, error)
                await wait_after(Kind.READ, pause, error, on_stall)
        finally:
            outage.report_end()

    def _pause_in(self, outage: Outage, error: OpenFunnelError) -> float:
        """Return the seconds until the next read of an outage, or raise the error."""
        asked = retry_after_of(error) or 0.0
        if not self.may_be_cured(error) or asked > self.max_retry_after:
            outage.note_quietly()
            raise error
        outage.note(error)
        if outage.has_lasted(self.outage):
            raise error
        pause = max(self.state.draw_delay(), asked)
        self._report_retry(Kind.READ, pause, error)
        return pause

    def _report_retry(self, kind: Kind, seconds: float, error: OpenFunnelError) -> None:
        self.state.emit(
            "RetryScheduled", kind=kind.value, seconds=seconds, error=str(error)
        )

    async def _call(
        self,
        call: Call[T],
        on_failure: OnFailure,
        on_stall: OnStall | None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> T:
        """Send the request; soon after one's own submit a 404 means "not yet"."""
        while True:
            try:
                answer = await self._resources.caller.call(
                    call,
                    on_stall=on_stall,
                    on_failure=on_failure,
                    is_wanted=is_wanted,
                    job_is_known=self.job_is_known,
                    job_id=self.state.job_id,
                )
            except JobNotFoundError as exc:
                missing = exc
            else:
                if call.kind is Kind.READ:
                    self._resources.known_jobs.add(self.state.job_id)
                return answer
            left = self.state.visible_by - asyncio.get_running_loop().time()
            if left <= 0 or not is_wanted():
                raise missing
            on_failure(missing)
            pause = min(_NOT_YET_PAUSE, left)
            self._report_retry(call.kind, pause, missing)
            await asyncio.sleep(pause)


def _raise_if_not_found(error: OpenFunnelError) -> None:
    """Drop a guessed page at the first 404, also one of a gateway."""
    if isinstance(error, JobNotFoundError):
        raise error
