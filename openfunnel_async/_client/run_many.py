"""Many searches at once: a few jobs in flight, a cap on the spend, no job forgotten."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import attrs

from openfunnel_async._client.background import (
    BackgroundCancel,
    BackgroundTasks,
    is_being_cancelled,
)
from openfunnel_async._client.credit_cap import CreditCap, exposure
from openfunnel_async._client.submit import warn_of_unknown
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._text import brief_repr, escaped
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.results import BulkResult
from openfunnel_async._values.search import CREDITS_PER_COMPANY, LookalikeSearch
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    ConfigurationError,
    CreditCapError,
    JobFailedError,
    OpenFunnelError,
    RateLimitedError,
    SubmitOutcomeUnknownError,
    TransportError,
)

Submit = Callable[..., Awaitable[BulkJob]]
Attach = Callable[..., BulkJob]
_READ_WITHIN = 60.0


@attrs.frozen(kw_only=True)
class JobOutcome(Value):
    """What became of one search of ``run_many``.

    Attributes:
        search: The search.
        job: Its handle; None if no job was started, or none is known of.
        result: Its rows, also of a job that was cancelled; None with an error.
        error: What went wrong; a failed job's rows are on it. With a ``job`` that is
            not terminal, that job may still be running and billing.
    """

    __module__ = "openfunnel_async"

    search: LookalikeSearch
    job: BulkJob | None = None
    result: BulkResult | None = None
    error: OpenFunnelError | None = None

    __repr__ = brief_repr

    @property
    def credits_consumed(self) -> float | None:
        """The bill of the job as its manifest states it; None where it does not."""
        if self.job is None or not self.job.is_terminal:
            return None
        return _stated_bill(self.job)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON has it, with the id of the job and the error."""
        error = self.error
        return {
            "search": self.search.to_dict(),
            "job_id": None if self.job is None else self.job.id,
            "result": None if self.result is None else self.result.to_dict(),
            "error": None
            if error is None
            else {"type": type(error).__name__, "message": str(error)},
            "credits_consumed": self.credits_consumed,
        }


class ManySearches:
    """One call of ``run_many``.

    A slot of ``max_active`` belongs to a job for as long as it may be running: until a
    terminal status was read, or its cancel was accepted. So a member that is given up
    (its time has passed, or it cannot be read) is cancelled first; while that is not
    confirmed, its outcome is written and its slot is kept.
    """

    def __init__(  # noqa: PLR0913 -- what a batch is made of, once
        self,
        submit: Submit,
        attach: Attach,
        background: BackgroundTasks,
        cap: CreditCap,
        *,
        max_active: int,
        cancel_rest: bool,
        job_timeout: float | None,
        patience: float,
    ) -> None:
        self._submit = submit
        self._attach = attach
        self._background = background
        self._cap = cap
        self._max_active = max_active
        self._cancel_rest = cancel_rest
        self._job_timeout = job_timeout
        self._patience = patience
        self._failed = False
        self._made: list[BulkJob] = []
        self._releases: dict[BulkJob, BackgroundCancel] = {}
        self._read = 0
        self._given_up = 0
        self._is_stuck = False
        self._freed = asyncio.Event()
        self._outcomes: dict[int, JobOutcome] = {}

    async def run(self, searches: Sequence[LookalikeSearch]) -> list[JobOutcome]:
        """Run the searches; the outcomes come in their order.

        The work is done in a task of its own: when the caller is cancelled, the jobs
        are cancelled at once, beside the rescue of a submit under way.

        Raises:
            ConfigurationError: The client was closed meanwhile.
        """
        work = self._background.start_idle_task(self._work(searches))
        work.add_done_callback(self._release_if_cut_off)
        is_done = False
        try:
            await asyncio.shield(work)
            if self._releases:
                await asyncio.wait([each.first for each in self._releases.values()])
            is_done = True
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            msg = "the client was closed meanwhile; the jobs of run_many are cancelled"
            raise ConfigurationError(msg) from None
        finally:
            if not is_done:
                self._warn_of_unknown()
                late: list[asyncio.Future[Any]] = [work]
                late += [release.first for release in self._release_all()]
                work.cancel()
                await wait_shielded(late)
        return [self._outcomes[place] for place in range(len(searches))]

    async def _work(self, searches: Sequence[LookalikeSearch]) -> None:
        async with anyio.create_task_group() as group:
            for place, search in enumerate(searches):
                # One submit at a time, so none is sent before the last answer.
                job = await self._start(place, search)
                if job is not None:
                    self._read += 1
                    group.start_soon(self._collect, place, search, job)

    async def _start(self, place: int, search: LookalikeSearch) -> BulkJob | None:
        """Submit a search once it fits, or write down why it was not."""
        most, job = exposure(search), None
        error = await self._room_for(most)
        if error is None:
            self._cap.reserve(most)
            try:
                job = self._keep(await self._submit(search, is_wanted=self._is_wanted))
            except SubmitOutcomeUnknownError as exc:
                error = exc  # It may bill, so the reservation stays.
                if exc.job_id is not None:
                    now = asyncio.get_running_loop().time()
                    job = self._keep(self._attach(exc.job_id, search.limit, now))
            except OpenFunnelError as exc:
                error = _not_submitted() if _was_not_wanted(exc, self._failed) else exc
                self._cap.release(most)
            else:
                # The service may have answered with a larger limit than was asked for.
                self._cap.reserve(_exposure(search, job) - most)
                return job
            self._note_failure()
        self._outcomes[place] = JobOutcome(search=search, job=job, error=error)
        # A job whose id came out of a broken answer is read as any other: it bills.
        return job

    def _is_wanted(self) -> bool:
        return not self._failed

    def _keep(self, job: BulkJob) -> BulkJob:
        """Know of a job that was made; one that came too late is cancelled."""
        self._made.append(job)
        if self._failed:
            self._release(job)
        return job

    async def _room_for(self, most: float) -> OpenFunnelError | None:
        """Wait for a free slot and for room under the cap; say why there is none."""
        while True:
            if self._failed:
                return _not_submitted()
            is_full = self._in_use >= self._max_active
            if not is_full and self._cap.fits_now(most):
                return None
            if not is_full and not (self._in_use and self._cap.can_ever_fit(most)):
                msg = f"{most:g} credits no longer fit under max_credits; not sent"
                return CreditCapError(msg)
            if await self._until_freed():
                continue
            held = f"{self._given_up} jobs that could not be cancelled may still run"
            if is_full:
                msg = f"not submitted: {held} and hold max_active; nothing was sent"
                return OpenFunnelError(msg)
            msg = (
                f"{most:g} credits do not fit under max_credits while {held}; not sent"
            )
            return CreditCapError(msg)

    @property
    def _in_use(self) -> int:
        return self._read + self._given_up

    async def _until_freed(self) -> bool:
        """Wait until a slot or credits come back; False once nothing can bring them.

        A job that is read ends some time. One that could not be cancelled is waited
        for as long as an outage is survived.
        """
        if self._is_stuck and not self._read:
            # Nothing has come back since it was waited for the last time.
            return False
        freed = asyncio.create_task(self._freed.wait())
        try:
            await asyncio.wait([freed], timeout=None if self._read else self._patience)
            self._is_stuck = not freed.done()
            return not self._is_stuck
        finally:
            freed.cancel()

    async def _collect(self, place: int, search: LookalikeSearch, job: BulkJob) -> None:
        """Read a job to its end and write down what became of it.

        The error of a broken answer to the submit stays the outcome of its search;
        the rows of its job are on it.
        """
        result: BulkResult | None = None
        error: OpenFunnelError | None = None
        known = self._outcomes.get(place)
        try:
            result = await job.result(timeout=self._job_timeout, partial_ok=True)
        except OpenFunnelError as exc:
            error = exc
            self._note_failure()
            await self._cancel(job, error)
        if result is not None and result.status is JobStatus.FAILED:
            error = _failure(job, result)
            result = None
        if known is not None and known.error is not None:
            source = error if result is None else result
            known.error.rows = source.rows if source is not None else ()
            result, error = None, known.error
        self._outcomes[place] = JobOutcome(
            search=search, job=job, result=result, error=error
        )
        self._free(search, job)
        if error is not None:
            self._note_failure()

    async def _cancel(self, job: BulkJob, error: OpenFunnelError) -> None:
        """Cancel a job that is given up, and read what it delivered all the same."""
        if job.is_terminal:
            return
        release = self._release(job)
        await asyncio.wait([release.first])
        if isinstance(release.first.result(), OpenFunnelError):
            return
        asked = retry_after_of(error)
        if asked is not None:
            if asked > _READ_WITHIN:
                return
            await asyncio.sleep(with_jitter(asked))
        with contextlib.suppress(OpenFunnelError):
            rest = await job.result(timeout=_READ_WITHIN, partial_ok=True)
            if len(rest.rows) > len(error.rows):
                error.rows = rest.rows

    def _free(self, search: LookalikeSearch, job: BulkJob) -> None:
        """Give slot and credits back, at once or when the job is cancelled."""
        self._read -= 1
        release = self._releases.get(job)
        if job.is_terminal or job.status is JobStatus.CANCELLING or release is None:
            self._free_slot(search, job)
            return

        def free_slot(_task: object) -> None:
            self._given_up -= 1
            self._free_slot(search, job)

        self._given_up += 1
        release.task.add_done_callback(free_slot)
        self._announce()

    def _free_slot(self, search: LookalikeSearch, job: BulkJob) -> None:
        """Give the credits back as far as the manifest states the bill."""
        manifest = job.snapshot.manifest if job.snapshot is not None else None
        billed = manifest.credits_consumed if manifest is not None else None
        self._cap.replace_by_bill(
            _exposure(search, job), billed if job.is_terminal else None
        )
        self._announce()

    def _announce(self) -> None:
        self._is_stuck = False
        self._freed.set()
        self._freed = asyncio.Event()

    def _note_failure(self) -> None:
        """Cancel the others, the first time something fails, if that is wanted."""
        if self._cancel_rest and not self._failed:
            self._failed = True
            self._release_all()
            self._announce()

    def _warn_of_unknown(self) -> None:
        """Log what the outcomes would have said, now that nobody gets them."""
        for outcome in self._outcomes.values():
            is_unknown = isinstance(outcome.error, SubmitOutcomeUnknownError)
            if is_unknown and outcome.job is None:
                warn_of_unknown(outcome.search)

    def _release_if_cut_off(self, work: asyncio.Task[None]) -> None:
        """Cancel the jobs in the moment that the work ends without its outcomes."""
        if work.cancelled() or work.exception() is not None:
            self._release_all()

    def _release_all(self) -> list[BackgroundCancel]:
        """Begin to cancel every job that was made and is not terminal, each once."""
        return [self._release(job) for job in self._made if not job.is_terminal]

    def _release(self, job: BulkJob) -> BackgroundCancel:
        if job not in self._releases:
            self._releases[job] = self._background.start_cancel(job)
        return self._releases[job]


def _stated_bill(job: BulkJob) -> float | None:
    manifest = job.snapshot.manifest if job.snapshot is not None else None
    return None if manifest is None else manifest.credits_consumed


def _not_submitted() -> OpenFunnelError:
    msg = "not submitted, because another search failed; nothing was sent"
    return OpenFunnelError(msg)


def _was_not_wanted(error: OpenFunnelError, has_failed: bool) -> bool:
    """Whether a submit was not sent, or not sent again, as another search failed."""
    is_unsent = isinstance(error, TransportError) and not error.request_sent
    return has_failed and (is_unsent or isinstance(error, RateLimitedError))


def _exposure(search: LookalikeSearch, job: BulkJob) -> float:
    """Return the most credits that a job can bill, by the larger limit."""
    if job.limit is None:
        return exposure(search)
    return max(exposure(search), float(job.limit * CREDITS_PER_COMPANY))


def _failure(job: BulkJob, result: BulkResult) -> JobFailedError:
    """Return the error of a failed job, with the service's reason and the rows."""
    reason = job.snapshot.error_message if job.snapshot is not None else None
    why = f": {escaped(reason)}" if reason else ""
    return JobFailedError(
        f"job {job.id} failed{why}", job.id, job.snapshot, result.rows
    )
