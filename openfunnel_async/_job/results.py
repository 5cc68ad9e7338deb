"""Collect rows into a result: all of them, or a number of matching ones."""

import math
from asyncio import isfuture
from collections.abc import Awaitable, Callable
from inspect import isasyncgen, isawaitable, iscoroutine, isgenerator
from typing import Protocol

import anyio

from openfunnel_async._job.state import JobState
from openfunnel_async._job.streams import RowStream
from openfunnel_async._values.models import Company
from openfunnel_async._values.results import BulkResult, CancelReceipt, TakeResult
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    ConfigurationError,
    JobCancelledError,
    JobError,
    JobFailedError,
    OpenFunnelError,
    WaitTimeoutError,
)

Where = Callable[[Company], bool]


class Knows(Protocol):
    """What knows companies: a Book."""

    async def known(self, company: Company) -> str | None:
        """Return where a company is known from, else None."""
        ...


Cancel = Callable[[float | None], Awaitable[CancelReceipt]]


async def collect(
    state: JobState, stream: RowStream, seconds: float | None, *, partial_ok: bool
) -> BulkResult:
    """Read the stream to its end; see ``BulkJob.result``."""
    collection = _Collection(state, stream)
    try:
        await collection.read(seconds)
    except JobFailedError:
        if not partial_ok:
            raise
    if state.status is JobStatus.CANCELLED and not partial_ok:
        msg = f"job {state.job_id} was cancelled after {len(collection.rows)} rows"
        raise JobCancelledError(
            msg, state.job_id, state.snapshot, tuple(collection.rows)
        )
    snapshot = state.snapshot
    manifest = snapshot.manifest if snapshot is not None else None
    rows = tuple(collection.rows)
    return BulkResult(status=state.status, rows=rows, manifest=manifest)


async def take(  # noqa: PLR0913 -- what BulkJob.take was given
    state: JobState,
    stream: RowStream,
    cancel: Cancel,
    seconds: float | None,
    *,
    most: int,
    where: Where | None,
    new_to: Knows | None = None,
) -> TakeResult:
    """Read until enough rows match, then cancel; see ``BulkJob.take``."""
    began = anyio.current_time()
    collection = _Collection(state, stream, most=most, where=where, new_to=new_to)
    await collection.read(seconds)
    rows = tuple(collection.rows)
    left = None
    if seconds is not None:
        left = max(0.0, began + seconds - anyio.current_time())
    failed: OpenFunnelError | None = None
    try:
        receipt = await cancel(left)
    except JobError as exc:
        raise type(exc)(exc.message, state.job_id, exc.snapshot, rows) from exc
    except OpenFunnelError as exc:
        failed = exc
    else:
        return TakeResult(
            rows=rows, scanned=collection.scanned, receipt=receipt, status=state.status
        )
    outcome = "failed and the job may still be billing"
    if state.accepted_at is not None:
        outcome = "was accepted, and the terminal status could not be read"
    msg = (
        f"job {state.job_id}: {len(rows)} rows were taken, but the cancel after them "
        f"{outcome}: {failed}"
    )
    raise JobError(msg, state.job_id, state.snapshot, rows) from failed


class _Collection:
    """The rows of a stream so far, kept whatever ends the stream."""

    def __init__(
        self,
        state: JobState,
        stream: RowStream,
        *,
        most: float = math.inf,
        where: Where | None = None,
        new_to: Knows | None = None,
    ) -> None:
        self._state = state
        self._stream = stream
        self._most = most
        self._where = where
        self._new_to = new_to
        self.rows: list[Company] = []

    @property
    def scanned(self) -> int:
        return self._stream.delivered

    async def read(self, seconds: float | None) -> None:
        """Read to the end, or until there are enough; errors carry the rows."""
        job_id = self._state.job_id
        with anyio.move_on_after(seconds) as scope:
            async with self._stream:
                await self._fill()
        if scope.cancelled_caught:
            rest = "it continues, and bills what it delivers"
            if self._state.is_terminal:
                rest = "its rows were not all read; reading them again is free"
            msg = f"job {job_id} was {self._state.status} after {seconds:g} s; {rest}"
            rows = tuple(self.rows)
            raise WaitTimeoutError(msg, job_id, self._state.snapshot, rows)

    def _matches(self, company: Company) -> bool:
        """Call the caller's function, which must not be async by accident.

        An awaitable is true: the first rows would be taken for matches, and the job
        would be cancelled after them.
        """
        if self._where is None:
            return True
        verdict: object = self._where(company)
        if not _is_deferred(verdict):
            return bool(verdict)
        if iscoroutine(verdict):
            verdict.close()
        elif isfuture(verdict):
            verdict.cancel()
        error = ConfigurationError(
            "where returned an awaitable or a generator, which is always true; it must "
            "be a plain function that returns whether the company counts. The job was "
            "not cancelled"
        )
        # The row in question was paid for as well.
        error.rows = (*self.rows, company)
        raise error

    async def _fill(self) -> None:
        while len(self.rows) < self._most:
            # An error of the caller's own ``where`` stays as it is.
            try:
                company = await anext(self._stream)
            except StopAsyncIteration:
                return
            except OpenFunnelError as exc:
                exc.rows = tuple(self.rows)
                raise
            if self._matches(company) and await self._is_new(company):
                self.rows.append(company)

    async def _is_new(self, company: Company) -> bool:
        """Whether the caller's Book does not know the company."""
        if self._new_to is None:
            return True
        try:
            return await self._new_to.known(company) is None
        except OpenFunnelError as exc:
            # The row in question was paid for as well.
            exc.rows = (*self.rows, company)
            raise


def _is_deferred(verdict: object) -> bool:
    """Whether it would have to be awaited or iterated over to say yes or no."""
    return isawaitable(verdict) or isasyncgen(verdict) or isgenerator(verdict)
