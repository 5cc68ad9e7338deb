"""``BulkJob``: the handle that people hold."""

import asyncio
import math
from collections.abc import Callable
from inspect import iscoroutinefunction
from types import EllipsisType
from typing import Literal, NoReturn

import anyio
import attrs

from openfunnel_async._job.cancellation import Cancellation, receipt
from openfunnel_async._job.page_reader import Bookmark, PageReader
from openfunnel_async._job.poll_loop import OnProgress, PollLoop
from openfunnel_async._job.requests import JobRequests
from openfunnel_async._job.results import collect, take
from openfunnel_async._job.streams import PageStream, RowStream
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.checks import check_label, check_timeout, check_whole
from openfunnel_async._values.models import Company, JobPage, JobSnapshot
from openfunnel_async._values.results import BulkResult, CancelReceipt, TakeResult
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    ConfigurationError,
    OpenFunnelError,
    WaitTimeoutError,
)

_CANCEL_SETTLES = 60.0
_CANCEL_BLOCKS = 10.0


class BulkJob:
    """One job of the service: look at it, wait for it, cancel it, read its rows.

    Made by ``OpenFunnel.submit()`` and ``OpenFunnel.job()``. A handle is cheap,
    compares by identity, and letting go of it does not touch the job. Reading and
    cancelling are free; each delivered company bills one credit.
    """

    __module__ = "openfunnel_async"

    __slots__ = (
        "__weakref__",
        "_bookmark",
        "_cancellation",
        "_error",
        "_poll_loop",
        "_read_ahead",
        "_requests",
        "_state",
        "_wait_timeout",
    )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a BulkJob is not pickled or copied; keep job.id or "
            "str(job.checkpoint()), and attach with OpenFunnel.job() or resume()"
        )

    def __init__(
        self,
        requests: JobRequests,
        wait_timeout: float | None,
        start: JobCheckpoint,
        read_ahead: int,
    ) -> None:
        self._requests = requests
        self._bookmark = Bookmark(start)
        self._read_ahead = read_ahead
        self._state = requests.state
        self._poll_loop = PollLoop(requests)
        self._cancellation: Cancellation | None = None
        self._wait_timeout = wait_timeout
        self._error: OpenFunnelError | None = None

    def __repr__(self) -> str:
        return f"<BulkJob {self.id} {self.status}>"

    def _repr_html_(self) -> str:
        """Show it in a notebook: the last answer, without I/O."""
        from openfunnel_async._values.notebook import card, show  # noqa: PLC0415 -- notebooks alone

        if self.snapshot is not None:
            # The snapshot's status may be older than an accepted cancel.
            return show(attrs.evolve(self.snapshot, status=self.status), "BulkJob")
        facts = {"job_id": self.id, "status": self.status, "limit": self.limit}
        return card("BulkJob", facts)

    @property
    def id(self) -> str:
        """The job's id; keep it to attach again with ``OpenFunnel.job()``."""
        return self._state.job_id

    @property
    def limit(self) -> int | None:
        """Rows asked for, which caps the bill; None where it is not known."""
        return self._state.limit

    @property
    def status(self) -> JobStatus:
        """The furthest state seen, without I/O; never goes backwards."""
        return self._state.status

    @property
    def snapshot(self) -> JobSnapshot | None:
        """The last answer; None before the first."""
        return self._state.snapshot

    @property
    def is_terminal(self) -> bool:
        """Whether the job is known to be cancelled, completed or failed."""
        return self._state.is_terminal

    @property
    def cancel_requested(self) -> bool:
        """Whether this handle has asked for a cancel, whatever came of it."""
        return self._state.cancel_requested

    @property
    def error(self) -> OpenFunnelError | None:
        """What ended the last wait early, if anything did."""
        return self._error

    async def poll(self) -> JobSnapshot:
        """Look once, and return at once.

        Raises:
            JobNotFoundError: This key has no such job.
            TransportError: No answer after the policy's attempts.
            APIError: The service answered with another error.
            InvalidResponseError: An answer that cannot be believed, twice.

        Cancellation: leaves nothing behind; calling again is safe.
        """
        self._requests.check_loop()
        return await self._requests.read_status()

    async def fetch_page(self, cursor: str | None = None) -> JobPage:
        """Read one page, the first one without a cursor.

        Args:
            cursor: A page's label: ``next_cursor`` of the page before it.

        Raises:
            ConfigurationError: The cursor is not a label.
            OpenFunnelError: As ``poll()``.

        Cancellation: leaves nothing behind; calling again is safe.
        """
        self._requests.check_loop()
        if cursor is not None:
            check_label("cursor", cursor)
        page = await self._requests.read_page(cursor)
        return page.to_page(page.answer.rows)

    async def wait_until_terminal(
        self,
        *,
        timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
        on_timeout: Literal["leave", "cancel"] = "leave",
        on_progress: OnProgress | None = None,
    ) -> JobSnapshot:
        """Wait until the job is cancelled, completed or failed.

        Looks at the client's pace; a first look at an attached job is made at once.
        Several waits on one handle share one loop. Survives what a retry can cure
        for ``RetryPolicy.outage`` seconds of unbroken failure.

        Args:
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.
            on_timeout: ``"leave"`` the job running, or ``"cancel"`` it and wait up to
                60 s for the settling.
            on_progress: Called, or awaited, with each answer that differs from the
                one before it, the terminal one included. What it raises is raised.

        Returns:
            The terminal answer, whichever of the three it is.

        Raises:
            WaitTimeoutError: The time is over; also after ``on_timeout="cancel"``.
            JobNotFoundError: This key has no such job.
            RateLimitedError: The service asks to wait for longer than is left.
            TransportError: An outage longer than the policy survives.
            APIError: The service answered with another error.
            InvalidResponseError: An answer that cannot be believed, twice.

        Cancellation: the job goes on and the handle stays usable.
        """
        self._requests.check_loop()
        seconds = check_timeout(timeout, self._wait_timeout)
        if on_timeout not in ("leave", "cancel"):
            raise ConfigurationError("on_timeout must be 'leave' or 'cancel'")
        self._error = None
        try:
            return await self._wait(seconds, on_timeout, on_progress)
        except OpenFunnelError as exc:
            self._error = exc
            raise

    async def _wait(
        self,
        seconds: float | None,
        on_timeout: Literal["leave", "cancel"],
        on_progress: OnProgress | None,
    ) -> JobSnapshot:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                # Whoever wants a cancel when time is up is not sent away before it.
                until = limit.when() if on_timeout == "leave" else None
                deadline = math.inf if until is None else until
                await self._poll_loop.wait_until_terminal(deadline, on_progress)
        except TimeoutError:
            if not limit.expired():
                raise
        if self.snapshot is not None and self.is_terminal:
            return self.snapshot
        if on_timeout == "cancel":
            await self._cancel_overdue(seconds)
        msg = (
            f"job {self.id} was {self.status} after {seconds:g} s; "
            "it goes on, and bills what it delivers"
        )
        raise WaitTimeoutError(msg, self.id, self.snapshot)

    async def _cancel_overdue(self, seconds: float | None) -> None:
        """Cancel after a time-out and say, in the error, what came of it."""
        failed: OpenFunnelError | None = None
        try:
            await self._cancel_on_leaving(_CANCEL_SETTLES, _CANCEL_SETTLES)
        except OpenFunnelError as exc:
            failed = exc
        msg = f"job {self.id} was not terminal after {seconds:g} s"
        msg += f"; now it is {self.status}" if failed is None else f"; {failed}"
        raise WaitTimeoutError(msg, self.id, self.snapshot) from failed

    async def cancel(
        self,
        *,
        wait: bool = False,
        timeout: float | None = _CANCEL_SETTLES,  # noqa: ASYNC109 -- a total
    ) -> CancelReceipt:
        """Ask the job to stop at its next checkpoint; a terminal job is no error.

        Only what is delivered is billed, and up to the next checkpoint more may be.
        Concurrent calls on a handle share one request, and a handle that knows
        that the job is terminal sends none. What a repetition can cure (a lost
        answer, an outage, an answer that the service did not write) is repeated until
        the time has passed, and after that in the background while the client is open.

        Args:
            wait: Whether to wait for the terminal status, which brings the bill.
            timeout: Total seconds; None for ever.

        Returns:
            A receipt of what is known, ``accepted`` or ``already_terminal`` with the
            status that a read confirmed. Numbers no answer has stated are None.

        Raises:
            CancelConflictError: The service says that the job is terminal (409), and
                reads say that it is not.
            WaitTimeoutError: The time has passed; the message says how far it came.
            RateLimitedError: The service asks to wait for longer than is left.
            JobNotFoundError: This key has no such job.
            TransportError: A certificate that is not trusted, or a proxy that refuses.
            APIError: The service answered with another error.

        Cancellation: the request may or may not have been made; calling again is
        safe.
        """
        self._requests.check_loop()
        seconds = check_timeout(timeout)
        accepted = False
        with anyio.move_on_after(seconds) as scope:
            try:
                answer = await self._cancelling().request(scope.deadline)
            except OpenFunnelError as exc:
                if seconds is not None and self._requests.may_be_cured(exc):
                    # The service asks for a longer wait than the caller has.
                    after = with_jitter(retry_after_of(exc) or 0.0)
                    self._requests.cancel_in_background(self, None, after)
                raise
            accepted = answer.accepted
            if wait:
                await self._poll_loop.wait_until_terminal(scope.deadline)
            return receipt(self._state, answer)
        if not accepted:
            # The one request that stops a spend does not end with its caller's time.
            self._requests.cancel_in_background(self, None)
        raise self._cancel_timeout(accepted, seconds)

    def _cancelling(self) -> Cancellation:
        # Most handles are never cancelled, and a fleet's are many.
        if self._cancellation is None:
            self._cancellation = Cancellation(self._requests)
        return self._cancellation

    def _cancel_timeout(
        self, accepted: bool, seconds: float | None
    ) -> WaitTimeoutError:
        """Say how far a cancel has come whose caller's time has passed."""
        after = "" if seconds is None else f" after {seconds:g} s"
        fault = self._cancelling().fault
        if accepted:
            how = f"was accepted, but{after} no terminal status was read"
        else:
            how = f"was not accepted{after}{f' ({fault})' if fault else ''}"
            how += "; it is tried again while the client is open"
        msg = f"job {self.id}: the cancel {how}; the job may still bill"
        return WaitTimeoutError(msg, self.id, self.snapshot)

    async def _cancel_on_leaving(
        self, within: float, left: float | None
    ) -> CancelReceipt:
        """Cancel for a caller who leaves, and wait for the terminal status.

        Args:
            within: Most seconds until the cancel is accepted; it then continues in the
                background, whatever becomes of the caller.
            left: Seconds left until then and for the terminal status; None for ever.

        Raises:
            OpenFunnelError: What has kept the job from being cancelled so far.
        """
        time, seconds = asyncio.get_running_loop().time, left
        until = None if left is None else time() + left
        within = within if left is None else min(within, left)
        first = self._requests.cancel_in_background(self, None)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([first], timeout=within)
        if not first.done():
            raise self._cancel_timeout(False, within)
        outcome = first.result()
        if isinstance(outcome, OpenFunnelError):
            raise outcome
        left = None if until is None else max(0.0, until - time())
        with anyio.move_on_after(left) as scope:
            await self._poll_loop.wait_until_terminal(scope.deadline)
        if not self.is_terminal:
            raise self._cancel_timeout(True, seconds)
        answer = CancelAnswer(not outcome.already_terminal, outcome.message)
        return receipt(self._state, answer)

    def rows(self, *, follow: bool = True) -> RowStream:
        """Return the companies in order, each once, as they are delivered.

        Args:
            follow: Whether to wait for what is not written yet; without, the stream
                ends with the rows there are.
        """
        return RowStream(self._reader(follow=follow), self._bookmark)

    def pages(self, *, follow: bool = True) -> PageStream:
        """Return the pages in order, each whole, as they are delivered.

        Args:
            follow: Whether to wait for what is not written yet; without, the stream
                ends with the pages that are whole.
        """
        return PageStream(self._reader(follow=follow), self._bookmark)

    def _reader(self, *, follow: bool) -> PageReader:
        start = self._bookmark.start
        ahead = self._read_ahead
        return PageReader(
            self._requests, self._poll_loop, start, follow=follow, read_ahead=ahead
        )

    def checkpoint(self) -> JobCheckpoint:
        """Return the place of the stream that moved last, else the handle's start.

        ``OpenFunnel.resume()`` goes on from it, in this process or another one,
        with the very next row. ``take()`` and ``result()`` read by streams, too.
        """
        return self._bookmark.place

    async def result(
        self,
        *,
        timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
        partial_ok: bool = False,
    ) -> BulkResult:
        """Wait for the end and return all rows.

        Args:
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.
            partial_ok: Whether a failed or cancelled job is a result as well.

        Raises:
            JobFailedError: The job failed; the rows read are on the error's ``rows``.
            JobCancelledError: It was cancelled; likewise.
            WaitTimeoutError: The time is over; likewise. The job goes on.
            IncompleteResultsError: They do not add up to the manifest; likewise.
            OpenFunnelError: As ``wait_until_terminal()``.

        Cancellation: the job goes on; reading again is free.
        """
        self._requests.check_loop()
        seconds = check_timeout(timeout, self._wait_timeout)
        return await collect(self._state, self.rows(), seconds, partial_ok=partial_ok)

    async def take(
        self,
        n: int,
        *,
        where: Callable[[Company], bool] | None = None,
        timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
    ) -> TakeResult:
        """Read until n rows match, then cancel the job and wait for the settling.

        What is true of money: every row that is delivered is billed, matching or
        not; the hard cap is the search's ``limit``; and a cancel may still bill
        what comes up to the job's next checkpoint. If the job finishes first, the
        rows that matched are the result and nothing is lost.

        Args:
            n: Rows wanted.
            where: Which rows count; all of them by default.
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.

        Raises:
            ConfigurationError: n is not a whole number of at least 1, or where is
                no plain function.
            JobFailedError: The job failed; the matches are on the error's ``rows``.
            WaitTimeoutError: The time is over; likewise. The job goes on unless the
                message says that its cancel was accepted.
            JobError: The cancel failed; likewise. The job may be billing on.
            OpenFunnelError: As ``wait_until_terminal()``.

        Cancellation: the job goes on and bills; ``OpenFunnel.running()`` around it
        cancels it.
        """
        self._requests.check_loop()
        n = check_whole("n", n, 1)
        if where is not None and iscoroutinefunction(where):
            raise ConfigurationError("where must be a plain function of a company")
        seconds = check_timeout(timeout, self._wait_timeout)

        async def stop(left: float | None) -> CancelReceipt:
            return await self._cancel_on_leaving(_CANCEL_BLOCKS, left)

        return await take(self._state, self.rows(), stop, seconds, most=n, where=where)
