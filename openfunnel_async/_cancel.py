"""Cancel a job and find out what became of it.

Source: facts.md, "Cancel". 409 means "already completed, failed or cancelled" and does
not say which, so one GET finds out; it is never inferred.
"""

import anyio

from openfunnel_async._answers import CancelAnswer
from openfunnel_async._endpoints import Kind
from openfunnel_async._models import CREDITS_PER_COMPANY, CancelReceipt
from openfunnel_async._reads import JobReads
from openfunnel_async._record import JobRecord
from openfunnel_async._shared import Shared
from openfunnel_async._status import JobStatus
from openfunnel_async.errors import CancelConflictError

# How long a replica may lag behind the 409 before it is taken at its word.
_SETTLE_LOOKS = (0.0, 0.5, 1.0, 2.0)


class Cancellation:
    """The cancel of one handle: one POST, however many ask at the same time."""

    __slots__ = ("_reads", "_request")

    def __init__(self, reads: JobReads) -> None:
        self._reads = reads
        self._request = Shared(reads.record, Kind.CANCEL, self._ask)

    async def request(self, deadline: float) -> CancelAnswer:
        """Ask, or share the asking under way.

        Args:
            deadline: When the caller will give up; see ``Shared.join``.

        Returns:
            Accepted, or not: then the record knows the terminal status.

        Raises:
            CancelConflictError: 409 twice, yet the job is still going.
            RateLimitedError: The service asks to wait beyond the deadline.
        """
        if self._reads.record.is_terminal:
            return CancelAnswer(accepted=False)
        return await self._request.join(deadline)

    async def _ask(self) -> CancelAnswer:
        record = self._reads.record
        record.cancel_requested = True
        for _ in range(2):
            answer = await self._reads.cancel()
            if answer.accepted:
                record.accept_cancel()
                return answer
            await self._find_out()
            if record.is_terminal:
                return answer
            if record.status is JobStatus.CANCELLING:
                return CancelAnswer(accepted=True)
        msg = (
            f"job {record.job_id}: the service refuses to cancel it as already over "
            f"(409), yet reports it as {record.status}; it may still be billing"
        )
        raise CancelConflictError(msg, record.job_id, record.snapshot)

    async def _find_out(self) -> None:
        """Look until the job is seen to be over or cancelling, or the window closes."""
        record = self._reads.record
        for pause in _SETTLE_LOOKS:
            await anyio.sleep(pause)
            await self._reads.look()
            if record.is_terminal or record.status is JobStatus.CANCELLING:
                return


def receipt(record: JobRecord, answer: CancelAnswer) -> CancelReceipt:
    """State what is known now; what no answer stated is None."""
    manifest = record.snapshot.manifest if record.snapshot is not None else None
    if not record.is_terminal:
        manifest = None
    consumed = manifest.credits_consumed if manifest is not None else None
    return CancelReceipt(
        job_id=record.job_id,
        accepted=answer.accepted or record.accepted_at is not None,
        already_terminal=not answer.accepted,
        status=record.status,
        message=answer.message,
        delivered=manifest.count if manifest is not None else None,
        credits_consumed=consumed,
        requested_limit=record.limit,
        credits_avoided=_avoided(record, consumed),
    )


def _avoided(record: JobRecord, consumed: float | None) -> float | None:
    if record.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        return 0.0
    if not record.is_terminal or record.limit is None or consumed is None:
        return None
    return max(0.0, record.limit * CREDITS_PER_COMPANY - consumed)
