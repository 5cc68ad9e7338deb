"""A submit without a key of the caller's own, under the budget of its client."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._once import submit_once
from openfunnel_async.errors import OpenFunnelError

Cancel = Callable[[BulkJob], Awaitable[OpenFunnelError | None]]


async def submit_budgeted(
    ledger: Ledger, jobs: Jobs, search: LookalikeSearch, cancel: Cancel
) -> BulkJob:
    """Submit a search under the budget; cancel its job if its caller is cancelled.

    Raises:
        CreditCapError: It does not fit under the budget; nothing was sent.
        OpenFunnelError: As ``submit_once()``.
    """
    moment = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%S")
    key = f"submit/{moment}-{secrets.token_hex(4)}"
    try:
        return await submit_once(ledger, jobs, search, key)
    except asyncio.CancelledError:
        work = asyncio.create_task(_cancel_job(ledger, jobs, key, cancel))
        await wait_shielded([work])
        raise


async def _cancel_job(ledger: Ledger, jobs: Jobs, key: str, cancel: Cancel) -> None:
    """Cancel the job that was made for a caller who was cancelled."""
    # The answer may come after the caller's 5 s, and its job would bill unseen.
    await ledger.wait_for_submits([key])
    entry = await ledger.store.find_entry(key)
    if entry is not None and entry.job_id is not None:
        await cancel(jobs.attach(entry.start))
