"""Jobs of single submits whose bills are not in the Book yet.

Their rows went to callers, and a bill is written when a handle reads that its job is
terminal. So what is reserved for a job may be out of date.
"""

from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import OpenFunnelError

# The oldest ones, which are the first to be terminal; a refusal must stay cheap.
_MOST_POLLED = 20


async def settle_open_jobs(ledger: Ledger, jobs: Jobs) -> bool:
    """Write the bills of single jobs that are terminal; return whether one was."""
    states = (EntryState.SUBMITTED,)
    found = False
    for entry in await ledger.store.find_entries(
        states=states, most=_MOST_POLLED, is_single=True
    ):
        if entry.job_id is None:
            continue
        start = JobCheckpoint(job_id=entry.job_id, limit=entry.job_limit)
        try:
            snapshot = await jobs.attach(start).poll()
        except OpenFunnelError:
            continue
        manifest = snapshot.manifest
        billed = None if manifest is None else manifest.credits_consumed
        if snapshot.is_terminal and billed is not None:
            status = snapshot.status.value
            error = snapshot.error_message
            await ledger.store.record_bill(entry.id, status, billed, error)
            ledger.open_jobs.pop(entry.job_id, None)
            found = True
    return found
