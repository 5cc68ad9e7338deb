"""Sandbox and client on one virtual clock, and the truth to hold the client to."""

import asyncio
from collections.abc import Coroutine, Iterable
from itertools import cycle
from typing import Any, NamedTuple, Self, TypeVar

import attrs

from openfunnel_async import (
    APIError,
    BulkJob,
    CancelReceipt,
    Company,
    JobNotFoundError,
    JobStatus,
    OpenFunnel,
    PollPolicy,
    RateLimitedError,
    RowStream,
    ServerError,
    TransportError,
)
from openfunnel_async.sandbox import JobLife, JobView, Service, Unknowns
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.virtual_time import VirtualClockLoop

T = TypeVar("T")
ATTEMPTS = 4
_FURTHER = {status: place for place, status in enumerate(JobStatus)}


def is_row(company: Company, row: dict[str, object]) -> bool:
    """Whether a company is this row of six fields, one by one."""
    return not company.extra and all(
        getattr(company, key) == value for key, value in row.items()
    )


@attrs.define(eq=False)
class Watched:
    """A handle, and the furthest status it has shown."""

    job: BulkJob
    submitted: bool
    _shown: JobStatus = JobStatus.UNKNOWN

    def check(self, truth: JobView) -> None:
        """Never backwards, never ahead of the truth, and never wrong at the end."""
        status, before = self.job.status, self._shown
        if status is JobStatus.UNKNOWN:
            assert before is not JobStatus.CANCELLING, f"{before} -> {status}"
            assert not before.is_terminal, f"{before} -> {status}"
            return
        if before.is_terminal:
            assert status is before
        if before is not JobStatus.UNKNOWN:
            assert _FURTHER[status] >= _FURTHER[before], f"{before} -> {status}"
        self._shown = status
        if status.is_terminal:
            assert status.value == truth.status
        else:
            assert _FURTHER[status] <= _FURTHER[JobStatus(truth.status)]
        assert self.job.is_terminal is status.is_terminal


@attrs.define(eq=False)
class Reading:
    """A stream, and what it has handed out."""

    handle: Watched
    stream: RowStream
    follow: bool
    rows: list[Company] = attrs.field(factory=list[Company])
    is_over: bool = False
    _checked: int = 0

    @property
    def job(self) -> BulkJob:
        """The job the rows are of."""
        return self.handle.job

    async def read(self, most: int) -> None:
        """Take up to so many rows; the cancelled call takes none by halves."""
        for _ in range(most):
            try:
                self.rows.append(await anext(self.stream))
            except StopAsyncIteration:
                self.is_over = True
                return

    def check(self, truth: JobView) -> None:
        """What was handed out is how the job's rows begin, each once, in order."""
        assert self.stream.delivered == len(self.rows)
        rows = truth.rows
        assert len(self.rows) <= len(rows)
        for place in range(self._checked, len(self.rows)):
            assert is_row(self.rows[place], rows[place]), f"row {place} is another"
        self._checked = len(self.rows)

    def check_end(self, truth: JobView) -> None:
        """At the end the rows are the job's, all of them."""
        self.check(truth)
        assert truth.status in {"completed", "cancelled", "failed"}
        assert len(self.rows) == len(truth.rows)


class Mark(NamedTuple):
    """What stood on the clock and on the list of failures before a call."""

    time: float
    failures: int


class World:
    """One account of one sandbox, and one client that uses it.

    Attributes:
        loop: The virtual loop; it stands still except in `run`.
        service: The sandbox, on the loop's time.
        transport: The way there.
        client: Under test. Its pace has no jitter, so that moments can be told.
        life: The plan of the next job.
    """

    def __init__(
        self,
        *,
        unknowns: Unknowns | None = None,
        latencies: Iterable[float] = (0.0,),
        credit: float = 50_000.0,
        polling: PollPolicy | None = None,
    ) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualClockLoop)
        self.loop = self._runner.get_loop()
        self.life = JobLife()
        self.service = Service(
            clock=self.loop.time,
            credits=credit,
            unknowns=unknowns or Unknowns(),
            row_shape="six",
            plan=lambda _number, _limit: self.life,
        )
        delays = cycle(latencies)
        self.transport = SandboxTransport(self.service, latency=lambda: next(delays))
        self.client = OpenFunnel(
            self.service.api_key,
            base_url=ORIGIN,
            transport=self.transport,
            polling=polling or PollPolicy(jitter=0.0),
            wait_timeout=None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and see that nothing of it goes on."""
        try:
            return self._runner.run(work)
        finally:
            self.check_nothing_left()

    def close(self) -> None:
        """Close the client, which leaves nothing behind either."""
        self.run(self.client.aclose())
        assert self.transport.closed == 1

    def check_nothing_left(self) -> None:
        """No task and no exchange outlives the call that made it.

        But for the pages that an open stream reads ahead, which the client keeps.
        """
        ahead = set(self.client._background._idle)
        assert asyncio.all_tasks(self.loop) <= ahead
        assert self.transport.in_flight <= len(ahead)

    def truth(self, job: BulkJob) -> JobView:
        """Tell what is true of the job at this moment."""
        return self.service.jobs[job.id]

    def check_receipt(self, job: BulkJob, receipt: CancelReceipt) -> None:
        """Every number on a receipt is the ledger's; what is not known is None."""
        truth = self.truth(job)
        assert receipt.job_id == job.id
        assert receipt.requested_limit == job.limit
        assert receipt.accepted or receipt.already_terminal
        if receipt.accepted:
            assert truth._job.cancelled_at <= truth.time
        if not receipt.status.is_terminal:
            assert not receipt.already_terminal
            numbers = (receipt.delivered, receipt.credits_consumed)
            assert (*numbers, receipt.credits_avoided) == (None, None, None)
            return
        assert receipt.status == truth.status
        assert receipt.delivered == len(truth.rows)
        assert receipt.credits_consumed == self.service.ledger.credits_of(job.id)
        if receipt.status is not JobStatus.CANCELLED:
            assert receipt.credits_avoided == 0
        elif job.limit is None:
            assert receipt.credits_avoided is None
        else:
            assert truth.credits is not None
            assert receipt.credits_avoided == truth.limit - truth.credits

    def failures(self) -> int:
        """Count the exchanges so far that a retry can cure."""
        said = (r for r in self.service.requests if r.answered)
        curable = {408, 429, 500, 502, 503, 504}
        return self.transport.failed + sum(r.status in curable for r in said)

    def mark(self) -> Mark:
        """Remember where a call begins."""
        return Mark(self.loop.time(), self.failures())

    def excuse(
        self,
        handle: Watched,
        error: BaseException,
        mark: Mark,
        *,
        wants: int = ATTEMPTS,
        in_time: bool = False,
    ) -> None:
        """See that there was reason enough for the error, else raise it."""
        if isinstance(error, JobNotFoundError) and not handle.submitted:
            visible_after = self.service.unknowns.job_visible_after
            age = mark.time - self.truth(handle.job).created_at
            if age < visible_after:
                return
        curable = isinstance(error, (ServerError, RateLimitedError, TransportError))
        curable |= isinstance(error, APIError) and error.status_code == 408
        failures = self.failures() - mark.failures
        if not curable or in_time or failures < wants:
            raise error
