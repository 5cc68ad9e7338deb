"""Many searches at once: a few jobs in flight, a cap on the spend, no job forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import anyio
import attrs

from openfunnel_async._credits import CreditCap, exposure
from openfunnel_async._custody import Custody, is_being_cancelled
from openfunnel_async._invalid import ConfigurationError
from openfunnel_async._job import BulkJob
from openfunnel_async._models import BulkResult, LookalikeSearch
from openfunnel_async._status import JobStatus
from openfunnel_async._submit import warn_of_unknown
from openfunnel_async._text import brief_repr
from openfunnel_async.errors import (
    CreditCapError,
    JobFailedError,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)

Submit = Callable[[LookalikeSearch], Awaitable[BulkJob]]
Attach = Callable[[str], BulkJob]


@attrs.frozen(kw_only=True)
class JobOutcome:
    """What became of one search of ``run_many``.

    Attributes:
        search: The search.
        job: Its handle; None if no job was started, or none is known of.
        result: Its rows, also of a job that was cancelled; None with an error.
        error: What went wrong; a failed job's rows are on it. With a ``job`` that is
            not terminal, that job may still be running and billing.
    """

    search: LookalikeSearch
    job: BulkJob | None = None
    result: BulkResult | None = None
    error: OpenFunnelError | None = None

    __repr__ = brief_repr


class Batch:
    """One call of ``run_many``."""

    def __init__(  # noqa: PLR0913 -- what a batch is made of, once
        self,
        submit: Submit,
        attach: Attach,
        custody: Custody,
        cap: CreditCap,
        *,
        max_active: int,
        cancel_rest: bool,
    ) -> None:
        self._submit = submit
        self._attach = attach
        self._custody = custody
        self._cap = cap
        self._slots = asyncio.Semaphore(max_active)
        self._cancel_rest = cancel_rest
        self._failed = False
        self._made: list[BulkJob] = []
        self._releases: dict[BulkJob, asyncio.Task[OpenFunnelError | None]] = {}
        self._active = 0
        self._freed = asyncio.Event()
        self._outcomes: dict[int, JobOutcome] = {}

    async def run(self, searches: Sequence[LookalikeSearch]) -> list[JobOutcome]:
        """Run the searches; the outcomes come in their order.

        The work goes on in a task of its own: when the caller is cancelled, the jobs
        are cancelled at once, beside the rescue of a submit under way.

        Raises:
            ConfigurationError: The client was closed meanwhile.
        """
        work = self._custody.lend(self._work(searches))
        work.add_done_callback(self._release_if_cut_off)
        is_done = False
        try:
            await asyncio.shield(work)
            if self._releases:
                await asyncio.wait(self._releases.values())
            is_done = True
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            msg = "the client was closed meanwhile; the jobs of run_many are cancelled"
            raise ConfigurationError(msg) from None
        finally:
            if not is_done:
                self._warn_of_unknown()
                releases = self._release_all()
                work.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([work, *releases])
        return [self._outcomes[place] for place in range(len(searches))]

    async def _work(self, searches: Sequence[LookalikeSearch]) -> None:
        async with anyio.create_task_group() as group:
            for place, search in enumerate(searches):
                # One submit at a time, so none is sent before the last answer.
                await self._slots.acquire()
                job = await self._start(place, search)
                if job is None:
                    self._slots.release()
                else:
                    self._active += 1
                    group.start_soon(self._collect, place, search, job)

    async def _start(self, place: int, search: LookalikeSearch) -> BulkJob | None:
        """Submit a search once it fits, or write down why it was not."""
        most, job = exposure(search), None
        error = await self._room_for(most)
        if error is None:
            self._cap.reserve(most)
            try:
                return self._keep(await self._submit(search))
            except SubmitOutcomeUnknownError as exc:
                error = exc  # It may bill, so the reservation stays.
                job = self._keep(self._attach(exc.job_id)) if exc.job_id else None
            except OpenFunnelError as exc:
                error = exc
                self._cap.release(most)
            self._note_failure()
        self._outcomes[place] = JobOutcome(search=search, job=job, error=error)
        return None

    def _keep(self, job: BulkJob) -> BulkJob:
        """Know of a job that was made; one that came too late is cancelled."""
        self._made.append(job)
        if self._failed:
            self._release(job)
        return job

    async def _room_for(self, most: float) -> OpenFunnelError | None:
        """Wait while running jobs may give room back; say why there is none."""
        while True:
            if self._failed:
                msg = "not submitted, because another search failed; nothing was sent"
                return OpenFunnelError(msg)
            if self._cap.fits_now(most):
                return None
            if not self._active or not self._cap.can_ever_fit(most):
                msg = f"{most:g} credits no longer fit under max_credits; not sent"
                return CreditCapError(msg)
            await self._freed.wait()

    async def _collect(self, place: int, search: LookalikeSearch, job: BulkJob) -> None:
        """Read a job to its end and write down what became of it."""
        result: BulkResult | None = None
        error: OpenFunnelError | None = None
        try:
            result = await job.result(partial_ok=True)
        except OpenFunnelError as exc:
            error = exc
        if result is not None and result.status is JobStatus.FAILED:
            msg = f"job {job.id} failed"
            error = JobFailedError(msg, job.id, job.snapshot, result.rows)
            result = None
        self._outcomes[place] = JobOutcome(
            search=search, job=job, result=result, error=error
        )
        self._settle(search, job)
        if error is not None:
            self._note_failure()

    def _settle(self, search: LookalikeSearch, job: BulkJob) -> None:
        """Give the room back as far as the manifest says what was billed."""
        manifest = job.snapshot.manifest if job.snapshot is not None else None
        billed = manifest.credits_consumed if manifest is not None else None
        self._cap.settle(exposure(search), billed if job.is_terminal else None)
        self._active -= 1
        self._slots.release()
        self._announce()

    def _announce(self) -> None:
        self._freed.set()
        self._freed = asyncio.Event()

    def _note_failure(self) -> None:
        """Cancel the others, the first time something fails, if that is wanted."""
        if self._cancel_rest and not self._failed:
            self._failed = True
            self._release_all()
            self._announce()

    def _warn_of_unknown(self) -> None:
        """Say what the outcomes would have told, now that nobody gets them."""
        for outcome in self._outcomes.values():
            is_unknown = isinstance(outcome.error, SubmitOutcomeUnknownError)
            if is_unknown and outcome.job is None:
                warn_of_unknown(outcome.search)

    def _release_if_cut_off(self, work: asyncio.Task[None]) -> None:
        """Cancel the jobs in the moment that the work ends without its outcomes."""
        if work.cancelled() or work.exception() is not None:
            self._release_all()

    def _release_all(self) -> list[asyncio.Task[OpenFunnelError | None]]:
        """Begin to cancel every job that was made and is not over, each once."""
        return [self._release(job) for job in self._made if not job.is_terminal]

    def _release(self, job: BulkJob) -> asyncio.Task[OpenFunnelError | None]:
        if job not in self._releases:
            self._releases[job] = self._custody.begin_release(job)
        return self._releases[job]
