"""``BulkJob``: the handle that people hold."""

import asyncio
import math
from collections.abc import Callable
from inspect import iscoroutinefunction
from types import EllipsisType
from typing import Literal, NoReturn

import attrs

from openfunnel_async._job.cancel_calls import CancelCalls
from openfunnel_async._job.page_reader import Bookmark, PageReader
from openfunnel_async._job.poll_loop import OnProgress, PollLoop
from openfunnel_async._job.requests import JobRequests
from openfunnel_async._job.results import Knows, collect, take
from openfunnel_async._job.streams import PageStream, RowStream
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

_CANCEL_WITHIN = 60.0
_CANCEL_BLOCKS = 10.0


class BulkJob:
    """One job of the service: poll it, wait for it, cancel it, read its rows.

    Made by ``OpenFunnel.submit()`` and ``OpenFunnel.job()``. A handle is cheap,
    compares by identity, and dropping it does not change the job. Reading and
    cancelling are free; each delivered company bills one credit.
    """

    __module__ = "openfunnel_async"

    __slots__ = (
        "__weakref__",
        "_bookmark",
        "_cancel_calls",
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
        self._cancel_calls: CancelCalls | None = None
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
        """The furthest status that was seen, without I/O; it never goes backwards."""
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
        """Whether this handle has asked for a cancel, also one without success."""
        return self._state.cancel_requested

    @property
    def error(self) -> OpenFunnelError | None:
        """What ended the last wait early, if anything did."""
        return self._error

    async def poll(self) -> JobSnapshot:
        """Read the status once.

        Raises:
            JobNotFoundError: This key has no such job.
            TransportError: No answer after the policy's attempts.
            APIError: The service answered with another error.
            InvalidResponseError: An answer that cannot be trusted, twice.

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

        Polls at the pace of the client, an attached job at once. Several waits on one
        handle share one poll loop. A wait survives what a retry can cure for
        ``RetryPolicy.outage`` seconds of unbroken failure.

        Args:
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.
            on_timeout: ``"leave"`` the job running, or ``"cancel"`` it and wait up to
                60 s for the terminal status.
            on_progress: Called, or awaited, with each answer that differs from the
                one before it, the terminal one included. What it raises is raised.

        Returns:
            The terminal answer, whichever of the three it is.

        Raises:
            WaitTimeoutError: The time has passed; also after ``on_timeout="cancel"``.
            JobNotFoundError: This key has no such job.
            RateLimitedError: The service asks to wait for longer than is left.
            TransportError: An outage longer than the policy survives.
            APIError: The service answered with another error.
            InvalidResponseError: An answer that cannot be trusted, twice.

        Cancellation: the job continues and the handle stays usable.
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
                # A caller who wants a cancel at the end of the time waits until then.
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
            "it continues, and bills what it delivers"
        )
        raise WaitTimeoutError(msg, self.id, self.snapshot)

    async def _cancel_overdue(self, seconds: float | None) -> None:
        """Cancel after a time-out, and state the outcome in the error."""
        failed: OpenFunnelError | None = None
        try:
            await self._cancels.cancel_on_leaving(self, _CANCEL_WITHIN, _CANCEL_WITHIN)
        except OpenFunnelError as exc:
            failed = exc
        msg = f"job {self.id} was not terminal after {seconds:g} s"
        msg += f"; now it is {self.status}" if failed is None else f"; {failed}"
        raise WaitTimeoutError(msg, self.id, self.snapshot) from failed

    async def cancel(
        self,
        *,
        wait: bool = False,
        timeout: float | None = _CANCEL_WITHIN,  # noqa: ASYNC109 -- a total
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
        return await self._cancels.cancel(self, check_timeout(timeout), wait=wait)

    @property
    def _cancels(self) -> CancelCalls:
        # Most handles are never cancelled, and a batch has many.
        if self._cancel_calls is None:
            self._cancel_calls = CancelCalls(self._requests, self._poll_loop)
        return self._cancel_calls

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
        """Return the position of the stream that moved last, else the handle's start.

        ``OpenFunnel.resume()`` continues from it, in this process or another one,
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
            JobCancelledError: It was cancelled; the rows read are on the error.
            WaitTimeoutError: The time has passed; the rows read are on the error. The
                job continues.
            IncompleteResultsError: The rows, which are on the error, do not add up to
                the manifest.
            OpenFunnelError: As ``wait_until_terminal()``.

        Cancellation: the job continues; reading again is free.
        """
        self._requests.check_loop()
        seconds = check_timeout(timeout, self._wait_timeout)
        return await collect(self._state, self.rows(), seconds, partial_ok=partial_ok)

    async def take(
        self,
        n: int,
        *,
        where: Callable[[Company], bool] | None = None,
        new_to: Knows | None = None,
        timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
    ) -> TakeResult:
        """Read until n rows match, then cancel the job and wait until it is terminal.

        Every row that is delivered is billed, also one that does not match. The hard
        cap is the ``limit`` of the search. After the cancel the job may still deliver
        and bill up to its next checkpoint. If the job finishes first, the rows that
        matched are the result and nothing is lost.

        Args:
            n: Rows wanted.
            where: Which rows count; all of them by default.
            new_to: A ``Book``; only companies that it does not know count.
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.

        Raises:
            ConfigurationError: n is not a whole number of at least 1, or where is
                no plain function.
            JobFailedError: The job failed; the matches are on the error's ``rows``.
            WaitTimeoutError: The time has passed; the matches are on the error. The job
                continues unless the message says that its cancel was accepted.
            JobError: The cancel failed; the matches are on the error. The job may
                still bill.
            OpenFunnelError: As ``wait_until_terminal()``.

        Cancellation: the job continues and bills; ``OpenFunnel.running()`` around it
        cancels it.
        """
        self._requests.check_loop()
        n = check_whole("n", n, 1)
        if where is not None and iscoroutinefunction(where):
            raise ConfigurationError("where must be a plain function of a company")
        seconds = check_timeout(timeout, self._wait_timeout)

        async def stop(left: float | None) -> CancelReceipt:
            return await self._cancels.cancel_on_leaving(self, _CANCEL_BLOCKS, left)

        return await take(
            self._state,
            self.rows(),
            stop,
            seconds,
            most=n,
            where=where,
            new_to=new_to,
        )
