"""What the actors of one schedule share: the client and the evidence."""

import attrs

from openfunnel_async import (
    BulkJob,
    CancelReceipt,
    JobError,
    JobSnapshot,
    JobStatus,
    OpenFunnel,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)
from tests.storm.event_log import Step
from tests.storm.evidence import Evidence
from tests.storm.random_choices import RandomChoices
from tests.storm.records import Balance, Receipt, WatchedHandle


@attrs.define(eq=False)
class Scenario:
    """The client under test, and the record of what it does."""

    client: OpenFunnel
    evidence: Evidence

    def watch(self, job: BulkJob, *, skipped: int = 0) -> WatchedHandle:
        """Record the statuses of a handle from now on."""
        handle = WatchedHandle(job, skipped)
        self.evidence.handles.append(handle)
        self.evidence.record_statuses()
        return handle

    def attach(self, rng: RandomChoices) -> WatchedHandle:
        """Make a second handle for a job that has one, or for an orphan."""
        ids = [handle.job.id for handle in self.evidence.handles] + [
            *self.client.orphans
        ]
        job_id = rng.choice(ids)
        jobs = self.evidence.service.jobs
        knows = rng.chance(0.5) and job_id in jobs
        limit = jobs[job_id].limit if knows else None
        return self.watch(self.client.job(job_id, limit=limit))

    async def read_balance(self) -> None:
        """Read the credits, and record the ledger before and after."""
        before = self.evidence.service.ledger.used
        balance = await self.client.credit_balance()
        after = self.evidence.service.ledger.used
        self.evidence.balances.append(Balance(balance, before, after))

    def record_receipt(self, handle: WatchedHandle, receipt: CancelReceipt) -> None:
        """Record a receipt and the true state of its job."""
        view = self.evidence.service.jobs[handle.job.id]
        true = JobStatus(view.status)
        self.evidence.receipts.append(Receipt(receipt, handle.job.limit, view, true))

    def check_snapshot(self, handle: WatchedHandle, snapshot: JobSnapshot) -> None:
        """Check that a handle is terminal once an answer was."""
        if snapshot.status is not handle.job.status and snapshot.is_terminal:
            message = (
                f"{snapshot.status} was reported, the handle states {handle.job.status}"
            )
            self.evidence.unexpected.append(message)

    def record_error(self, step: Step, error: OpenFunnelError) -> None:
        """Record an error and what it is about."""
        tag = None
        if isinstance(error, SubmitOutcomeUnknownError):
            tag = error.search.query
        job_id = error.job_id if isinstance(error, JobError) else None
        self.evidence.record_error(step, error, job_id, tag)
