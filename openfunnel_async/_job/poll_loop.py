"""When the next request about a job is due, and what it reads.

Two kinds of callers wait here. A wait needs a terminal status. A stream that has used
the newest page of a running job needs that page again, once it may have grown. One
request at a time serves them all: it reads the page that a stream waits for, which
carries the status as well, or else the status. An answer that another caller got
(``poll()``, the read after a cancel) moves the moment at which the next one is due.

Between two requests there is a timer and no task.
"""

import asyncio
import contextvars
import inspect
import math
from collections import deque
from collections.abc import Callable

import anyio

from openfunnel_async._job.requests import JobRequests, Outage, PageRead
from openfunnel_async._job.shared_task import copy_error
from openfunnel_async._job.shielded import cancel_and_wait
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.retry_loop import OnFailure, OnStall
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.models import JobSnapshot
from openfunnel_async.errors import (
    AuthenticationError,
    InvalidResponseError,
    OpenFunnelError,
    RateLimitedError,
)

OnProgress = Callable[[JobSnapshot], object]


class _Follower:
    """A caller who waits.

    Attributes:
        deadline: The moment at which the caller stops to wait.
        page: The page that it has and wants again; None for the status alone.
        changes: The snapshots to report to it; None if it wants none of them.
        is_done: Whether it has what it waits for, or an error.
        error: What has ended it, if anything did.
        newer: The page as it was read again, if it was.
    """

    __slots__ = ("_waiter", "changes", "deadline", "error", "is_done", "newer", "page")

    def __init__(
        self,
        deadline: float,
        page: "WantedPage | None" = None,
        changes: deque[JobSnapshot] | None = None,
    ) -> None:
        self.deadline: float = deadline
        self.page: WantedPage | None = page
        self.changes: deque[JobSnapshot] | None = changes
        self.is_done: bool = False
        self.error: BaseException | None = None
        self.newer: PageRead | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return at the end, or when there are changes to report."""
        if self.is_done or self.changes:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Let ``wait`` return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, error: BaseException | None = None) -> None:
        """Note that the caller need not wait any more; the first end counts.

        The error is a copy, as callers add the rows that they have read to theirs.
        """
        if self.is_done:
            return
        self.is_done = True
        if isinstance(error, OpenFunnelError):
            error = copy_error(error)
        self.error = error
        self.wake()


class WantedPage:
    """The page that a stream wants again: what it was read with, and its label."""

    __slots__ = ("cursor", "label")

    def __init__(self, cursor: str | None, label: str | None) -> None:
        self.cursor: str | None = cursor
        self.label: str | None = label

    def is_same(self, other: "WantedPage | None") -> bool:
        """Whether both are one page of the job."""
        if other is None:
            return False
        has_label = self.label is not None and self.label == other.label
        return has_label or self.cursor == other.cursor


class PollLoop:
    """The requests of one handle that are sent because somebody waits."""

    __slots__ = (
        "_counted_from",
        "_due",
        "_followers",
        "_has_begun",
        "_has_status",
        "_not_before",
        "_outage",
        "_reading",
        "_requests",
        "_stall",
        "_task",
        "_timer",
    )

    def __init__(self, requests: JobRequests) -> None:
        self._requests = requests
        self._followers: dict[_Follower, None] = {}
        self._outage = Outage(requests.state)
        self._due = -math.inf
        self._counted_from: tuple[float | None, float | None] = (None, None)
        self._has_begun = False
        self._has_status = False
        self._not_before = -math.inf
        self._reading: WantedPage | None = None
        self._stall: tuple[float, OpenFunnelError] | None = None
        self._task: asyncio.Task[PageRead | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def wait_until_terminal(
        self, deadline: float, on_progress: OnProgress | None = None
    ) -> None:
        """Return when the job is terminal; report each change to ``on_progress``.

        The deadline only serves to raise early when the service asks to wait beyond
        it; the caller enforces it.
        """
        state = self._requests.state
        if state.is_terminal:
            if on_progress is not None and state.snapshot is not None:
                await _report(deque([state.snapshot]), on_progress)
            return
        changes = None if on_progress is None else deque[JobSnapshot]()
        follower = _Follower(deadline, changes=changes)
        self._add(follower)
        try:
            while changes or not follower.is_done:
                await follower.wait()
                if changes and on_progress is not None:
                    await _report(changes, on_progress)
        finally:
            await self._remove(follower)
        if follower.error is not None:
            raise follower.error

    async def read_again(self, page: WantedPage) -> PageRead | None:
        """Return the page as it is when the next request is due.

        Returns:
            None if the job became terminal by another answer: then nothing needs to
            be waited for.
        """
        if self._requests.state.is_terminal:
            return None
        follower = _Follower(anyio.current_effective_deadline(), page)
        self._add(follower)
        try:
            await follower.wait()
        finally:
            await self._remove(follower)
        if follower.error is not None:
            raise follower.error
        return follower.newer

    def _add(self, follower: _Follower) -> None:
        if not self._has_waiting():
            self._outage.end()
        self._requests.state.listener = self._note_answer
        self._followers[follower] = None
        self._refuse_beyond_deadline(follower)
        self._schedule()

    async def _remove(self, follower: _Follower) -> None:
        """Forget the follower; a request that nobody waits for any more ends."""
        del self._followers[follower]
        is_wanted = self._reading is None or any(map(self._is_reading, self._followers))
        if self._followers and is_wanted:
            return
        if not self._followers:
            self._requests.state.listener = None
        self._cancel_timer()
        # What the service has asked to wait for still holds for the next request.
        task, self._task = self._task, None
        if task is not None:
            await cancel_and_wait([task])
        self._schedule()

    def _has_waiting(self) -> bool:
        return not all(follower.is_done for follower in self._followers)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        """Send the next request if it is due and has its turn, else come back."""
        if self._task is not None:
            return
        self._cancel_timer()
        waiting = [each for each in self._followers if not each.is_done]
        if not waiting:
            return
        loop, due = asyncio.get_running_loop(), self._next_due()
        if due > loop.time():
            self._timer = loop.call_at(due, self._schedule)
            return
        if not self._requests.starts.may_begin(self._schedule):
            return
        self._reading = next((each.page for each in waiting if each.page), None)
        self._has_begun = False
        # Its answer is for all, so it runs in no context of a caller.
        context = contextvars.Context()
        self._task = asyncio.create_task(self._request(), context=context)
        self._task.add_done_callback(self._end_request)

    def _next_due(self) -> float:
        """Return when the next request is due, counted from the last answer.

        An answer and an accepted cancel change the pace, so each has a delay of its
        own drawn.
        """
        state = self._requests.state
        counted_from = (state.answered_at, state.accepted_at)
        if counted_from != self._counted_from:
            self._counted_from = counted_from
            answered_at, accepted_at = counted_from
            if answered_at is not None:
                start = max(answered_at, accepted_at or 0.0)
                self._due = start + state.draw_delay()
        return max(self._due, self._not_before)

    async def _request(self) -> PageRead | None:
        """Read the wanted page, or else the status, through an outage."""
        return await self._requests.persist(
            self._read, self._outage, on_stall=self._note_stall
        )

    async def _read(
        self, on_failure: OnFailure, on_stall: OnStall | None
    ) -> PageRead | None:
        """Read the wanted page or the status, now that the turn has come.

        Where the page fails and others wait for the status alone, it is read at once:
        they must not learn of the end of the job after the outage of a page.
        """
        self._has_begun, self._has_status = True, False
        if self._reading is None:
            await self._requests.read_status(on_failure, on_stall)
            return None

        def note(error: OpenFunnelError) -> None:
            on_failure(error)
            if self._is_status_due(error):
                raise error

        try:
            cursor = self._reading.cursor
            return await self._requests.read_page(cursor, note, on_stall)
        except OpenFunnelError as exc:
            if not self._is_status_due(exc):
                raise
            failed = exc
        time = asyncio.get_running_loop().time
        before = time()
        await self._requests.take_turn()
        self._outage.exclude(time() - before)
        before = time()
        await self._requests.read_status(on_failure, on_stall)
        # An answer, however slow, is no part of the outage of the page.
        self._outage.exclude(time() - before)
        self._has_status = True
        raise failed

    def _is_status_due(self, error: OpenFunnelError) -> bool:
        """Whether a page's failure keeps others from a status that may be readable."""
        is_limited = isinstance(error, RateLimitedError)
        if is_limited or retry_after_of(error) is not None:
            return False
        if not (self._is_about_page(error) and self._requests.may_be_cured(error)):
            return False
        return any(each.page is None and not each.is_done for each in self._followers)

    def _end_request(self, task: asyncio.Task[PageRead | None]) -> None:
        """Give the answer, or the error, to those who wait for it."""
        error = None if task.cancelled() else task.exception()
        if task is not self._task:
            return
        self._task = self._stall = None
        if task.cancelled():
            error = asyncio.CancelledError()
        is_terminal = self._requests.state.is_terminal
        for follower in list(self._followers):
            has_page = self._is_reading(follower)
            if error is None and (has_page or is_terminal):
                follower.newer = task.result() if has_page else None
                follower.end()
            elif error is not None and (has_page or not self._is_about_page(error)):
                follower.end(error)
        if self._has_status or not self._has_waiting():
            # An outage of a page is none of the status.
            self._outage.end()
        self._schedule()

    def _is_reading(self, follower: _Follower) -> bool:
        """Whether the request that was sent last is for the page of the follower."""
        return follower.page is not None and follower.page.is_same(self._reading)

    def _is_about_page(self, error: BaseException) -> bool:
        """Whether the status may be readable although this page is not.

        The status is then read next. An outage of both has still lasted as long, so
        those who wait for the status learn of it from that request.
        """
        if self._reading is None or not isinstance(error, OpenFunnelError):
            return False
        has_own_url = self._reading.cursor is not None
        is_refused_key = isinstance(error, AuthenticationError)
        return isinstance(error, InvalidResponseError) or (
            has_own_url and not is_refused_key
        )

    def _note_answer(self, before: JobSnapshot | None, now: JobSnapshot | None) -> None:
        """Report an answer about the job, also one of another caller; reschedule."""
        is_terminal = self._requests.state.is_terminal
        for follower in self._followers:
            if follower.changes is not None and now is not None and now != before:
                follower.changes.append(now)
                follower.wake()
            # A page that is being read comes with its own answer.
            is_under_way = self._task is not None and self._has_begun
            is_coming = is_under_way and self._is_reading(follower)
            if is_terminal and not is_coming:
                follower.end()
        task = self._task
        is_own_answer = task is not None and asyncio.current_task() is task
        is_wanted = self._has_begun and self._has_waiting()
        if task is not None and not is_own_answer and not is_wanted:
            # Another caller was answered. Either nobody waits for this request any
            # more, or it waits for its turn, and the answer has made it unneeded for
            # now. A caller who comes before it has ended must not get its cancellation.
            self._task = None
            task.cancel()
        self._schedule()

    def _note_stall(self, _kind: Kind, until: float, cause: OpenFunnelError) -> None:
        """End those who would stop waiting before the service allows a request."""
        self._stall = until, cause
        now = asyncio.get_running_loop().time()
        self._not_before = now + with_jitter(until - now)
        for follower in self._followers:
            self._refuse_beyond_deadline(follower)

    def _refuse_beyond_deadline(self, follower: _Follower) -> None:
        if self._stall is not None and self._stall[0] > follower.deadline:
            follower.end(self._stall[1])


async def _report(changes: deque[JobSnapshot], on_progress: OnProgress) -> None:
    while changes:
        outcome = on_progress(changes.popleft())
        if inspect.isawaitable(outcome):
            await outcome
