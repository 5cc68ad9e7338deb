"""``submit(search, once=…)``: one job for one key, however often it is called."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shared_task import SharedTask
from openfunnel_async._text import escaped
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._open_jobs import settle_open_jobs
from openfunnel_async.book._planning import check_name
from openfunnel_async.book._records import EntryRecord, Intent, Resolution, Room
from openfunnel_async.book._requests import PlannedSearch, plan_one
from openfunnel_async.book._rules import check_same_request
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import (
    BookInUseError,
    ConfigurationError,
    CreditCapError,
    SubmitOutcomeUnknownError,
)

_LOCK_WITHIN = 30.0
_LONGEST_PAUSE = 0.1
_OTHERS_EVERY = 0.5


async def _submit_or_share(
    ledger: Ledger, jobs: Jobs, search: LookalikeSearch, once: str
) -> BulkJob:
    """Return the job of the key; submit the search if there is none.

    There are three cases. A key whose job is known, or whose outcome is unknown, is
    answered from the Book. Calls in this process that come during the submit share it.
    Otherwise the entry is planned and submitted as one of a batch is.

    Raises:
        SubmitOutcomeUnknownError: It was submitted, and its outcome is unknown.
        ConfigurationError: The key belongs to another search, or was skipped.
        BookInUseError: Another process runs the Book; nothing was sent.
        OpenFunnelError: As a submit; calling again is safe.
    """
    planned = plan_one(check_name("once", once), search)
    await ledger.store.bind_account(jobs.fingerprint)
    entry = await ledger.store.find_entry(planned.key)
    if entry is not None:
        check_same_request(entry.key, entry.request, planned.request)
        job = _find_job(ledger, jobs, entry)
        if job is not None:
            return job
    known = ledger.once.get(planned.key)
    if known is None:
        work = SharedTask(partial(_submit_and_forget, ledger, jobs, planned))
        known = ledger.once[planned.key] = (planned.request, work)
    request, shared = known
    check_same_request(planned.key, request, planned.request)
    return await shared.join(math.inf)


async def submit_once(
    ledger: Ledger, jobs: Jobs, search: LookalikeSearch, once: str
) -> BulkJob:
    """Do as ``_submit_or_share()``; poll the open jobs before a cap refuses it.

    Their bills may give room back.
    """
    try:
        return await _submit_or_share(ledger, jobs, search, once)
    except CreditCapError:
        if not await settle_open_jobs(ledger, jobs):
            raise
    return await _submit_or_share(ledger, jobs, search, once)


async def _submit_and_forget(
    ledger: Ledger, jobs: Jobs, planned: PlannedSearch
) -> BulkJob:
    try:
        return await _submit(ledger, jobs, planned)
    finally:
        ledger.once.pop(planned.key, None)


def _find_job(ledger: Ledger, jobs: Jobs, entry: EntryRecord) -> BulkJob | None:
    """Return the job of an entry; None if the entry may be submitted.

    Raises:
        SubmitOutcomeUnknownError: Its outcome is unknown.
        ConfigurationError: A person skipped it.
    """
    if entry.job_id is not None:
        if entry.state is EntryState.SUBMITTED:
            ledger.open_jobs[entry.job_id] = entry.id
        return jobs.attach(entry.start)
    shown = escaped(entry.key, 100)
    if entry.state is EntryState.UNKNOWN or (
        entry.state is EntryState.SKIPPED and entry.was_unknown
    ):
        raise SubmitOutcomeUnknownError(
            f"the outcome of the submit of {shown} is unknown ({entry.error}); nothing "
            "was sent again. Book.resolve() decides it",
            entry.search,
            False,
            None,
            None if entry.exposure is None else int(entry.exposure),
        )
    if entry.state is EntryState.SKIPPED:
        msg = (
            f"{shown} was skipped; Book.resolve(key, submit_again=True) plans it again"
        )
        raise ConfigurationError(msg)
    return None


async def _submit(ledger: Ledger, jobs: Jobs, planned: PlannedSearch) -> BulkJob:
    """Submit the search, unless another process did so in the meantime.

    One of a shared Book may be doing so now, or begin at the same moment; if it ends,
    the outcome is unknown.
    """
    while True:
        job = await _submit_here(ledger, jobs, planned)
        if job is not None:
            return job
        await ledger.wait_for_change(_OTHERS_EVERY)


async def _submit_here(
    ledger: Ledger, jobs: Jobs, planned: PlannedSearch
) -> BulkJob | None:
    """Submit the search; None if another process is submitting it, or has begun to."""
    async with ledger.one_submit(), _run_lock(ledger):
        # An earlier caller was cancelled, and the answer is on its way.
        await ledger.wait_for_submits([planned.key])
        entry = await ledger.store.plan_one(planned)
        job = _find_job(ledger, jobs, entry)
        if job is not None:
            return job
        if entry.state is EntryState.SUBMITTING:
            return None
        if entry.state is EntryState.REJECTED:
            # No job was made, and what was refused may be accepted today. Another
            # process may plan it again at the same moment.
            with suppress(ConfigurationError):
                await ledger.store.resolve(entry.key, Resolution.SUBMIT_AGAIN)
        intent = await ledger.begin_submit(entry, jobs.budget)
        if intent.room is Room.NOT_PLANNED:
            return None
        if intent.room is not Room.RESERVED:
            raise CreditCapError(_refusal(entry, intent))
        record = ledger.carry(entry.key, intent.attempt)
        try:
            job = await jobs.submit(entry.search, record, ledger.store.may_send)
        except SubmitOutcomeUnknownError as exc:
            if exc.job_id is None:
                raise
            start = JobCheckpoint(job_id=exc.job_id, limit=exc.search.limit)
            job = jobs.attach(start)
        ledger.open_jobs[job.id] = entry.id
        return job


def _refusal(entry: EntryRecord, intent: Intent) -> str:
    most = "an unknown number of" if entry.exposure is None else f"{entry.exposure:g}"
    where = "a cap" if intent.budget is None else f"the budget {intent.budget}"
    return f"{most} credits do not fit under {where} now; nothing was sent"


@asynccontextmanager
async def _run_lock(ledger: Ledger) -> AsyncGenerator[None]:
    """Hold the lock of the Book; another process may need it for a submit as well."""
    until = asyncio.get_running_loop().time() + _LOCK_WITHIN
    while True:
        try:
            await ledger.store.acquire_run_lock()
            break
        except BookInUseError:
            if asyncio.get_running_loop().time() > until:
                raise
        # Processes that wait must not try in step.
        await asyncio.sleep(random.uniform(0.01, _LONGEST_PAUSE))
    try:
        async with ledger.run_lock():
            yield
    finally:
        await ledger.store.release_run_lock()
