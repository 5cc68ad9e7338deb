"""What the actors of one schedule share: the client, its handles, the notes."""

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
from tests.storm.diary import Step
from tests.storm.dice import Dice
from tests.storm.evidence import Evidence
from tests.storm.notes import Balance, Held, Receipt


@attrs.define(eq=False)
class Stage:
    """The client under test and where its doings are written down."""

    client: OpenFunnel
    evidence: Evidence

    def hold(self, job: BulkJob, *, skipped: int = 0) -> Held:
        """Watch a handle from now on."""
        held = Held(job, skipped)
        self.evidence.held.append(held)
        self.evidence.look_around()
        return held

    def attach(self, dice: Dice) -> Held:
        """Take a second handle of a job that has one, or of an orphan."""
        ids = [held.job.id for held in self.evidence.held] + [*self.client.orphans]
        job_id = dice.choice(ids)
        jobs = self.evidence.service.jobs
        knows = dice.chance(0.5) and job_id in jobs
        limit = jobs[job_id].limit if knows else None
        return self.hold(self.client.job(job_id, limit=limit))

    async def read_balance(self) -> None:
        """Read the credits, and note what the ledger said before and after."""
        before = self.evidence.service.ledger.used
        balance = await self.client.credit_balance()
        after = self.evidence.service.ledger.used
        self.evidence.balances.append(Balance(balance, before, after))

    def keep_receipt(self, held: Held, receipt: CancelReceipt) -> None:
        """Note a receipt beside the truth."""
        view = self.evidence.service.jobs[held.job.id]
        true = JobStatus(view.status)
        self.evidence.receipts.append(Receipt(receipt, held.job.limit, view, true))

    def keep_snapshot(self, held: Held, snapshot: JobSnapshot) -> None:
        """Note what an answer showed, which a handle must show as well."""
        if snapshot.status is not held.job.status and snapshot.is_terminal:
            told = f"{snapshot.status} was shown, the handle says {held.job.status}"
            self.evidence.surprises.append(told)

    def complain(self, step: Step, error: OpenFunnelError) -> None:
        """Note an error, and what it is about."""
        tag = None
        if isinstance(error, SubmitOutcomeUnknownError):
            tag = error.search.query
        job_id = error.job_id if isinstance(error, JobError) else None
        self.evidence.complain(step, error, job_id, tag)
