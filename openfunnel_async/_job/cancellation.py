"""Cancel a job and find out what became of it.

Source: docs/reference/contract.md, "Cancel". There are three kinds of answers. A 2xx
that names the job is an acceptance. A 409 means "already completed, failed or
cancelled" and does not say which, so a read finds out; it is never inferred. Any other
2xx may be nobody's answer, so reads decide: while they say that the job is pending or
running, the cancel is sent again.
"""

import asyncio
import math

from openfunnel_async._job.requests import JobRequests
from openfunnel_async._job.shared_task import SharedTask
from openfunnel_async._job.state import JobState
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_rules import (
    is_curable,
    retry_after_of,
    with_jitter,
)
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async._values.search import CREDITS_PER_COMPANY
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import CancelConflictError, OpenFunnelError

# How long a replica may lag behind the 409 before the cancel is sent once more.
_CONFLICT_PAUSES = (0.0, 0.5, 1.0, 2.0)
# Between the two reads that together say that a cancel had no effect.
_UNCONFIRMED_PAUSES = (0.0, 2.0)
_MOST_CONFLICTS = 2


class Cancellation:
    """The cancel of one handle: one POST, however many ask at the same time.

    Attributes:
        fault: The last thing that kept the cancel from being accepted, in words;
            None if nothing did so far.
    """

    __slots__ = ("_has_read", "_no_read_before", "_requests", "_shared", "fault")

    def __init__(self, requests: JobRequests) -> None:
        self._requests = requests
        self._shared = SharedTask(self._cancel)
        self._has_read = False
        self._no_read_before = -math.inf
        self.fault: str | None = None

    async def request(self, deadline: float) -> CancelAnswer:
        """Send the cancel, or share the one under way.

        Args:
            deadline: When the caller will give up; see ``SharedTask.join``.

        Returns:
            Accepted, or not: then the terminal status is known.

        Raises:
            CancelConflictError: 409 twice, yet the job is still pending or running.
            RateLimitedError: The service asks to wait beyond the deadline.
            OpenFunnelError: What a repetition cannot cure.
        """
        if self._requests.state.is_terminal:
            return CancelAnswer(accepted=False)
        return await self._shared.join(deadline)

    async def _cancel(self) -> CancelAnswer:
        """Send the cancel until it is known to be accepted or too late."""
        state = self._requests.state
        state.note_cancel_requested()
        conflicts = 0
        while conflicts < _MOST_CONFLICTS:
            answer = await self._send()
            if answer.accepted and answer.is_confirmed:
                state.accept_cancel()
                return answer
            known = await self._find_out(answer)
            if known is not None:
                return known
            conflicts += self._has_read and not answer.accepted
        msg = (
            f"job {state.job_id}: the service refuses to cancel it as already "
            f"terminal (409), yet reports it as {state.status}; "
            "it may still be billing"
        )
        raise CancelConflictError(msg, state.job_id, state.snapshot)

    async def _send(self) -> CancelAnswer:
        """Send the cancel until it is answered, or somebody reads that it is late."""
        state = self._requests.state
        try:
            return await self._requests.send_cancel(
                self._note, self._note_stall, lambda: not state.is_terminal
            )
        except OpenFunnelError:
            if state.is_terminal:
                return CancelAnswer(accepted=False)
            raise

    async def _find_out(self, answer: CancelAnswer) -> CancelAnswer | None:
        """Read what became of a cancel; None if it had no effect.

        A status that only a cancel can bring confirms an acceptance.
        """
        state = self._requests.state
        self._has_read = False
        pauses: tuple[float, ...] = _CONFLICT_PAUSES
        if answer.accepted:
            self.fault = "its answer did not name the job"
            pauses = _UNCONFIRMED_PAUSES
        for pause in pauses:
            await asyncio.sleep(pause)
            await self._read()
            if state.status is JobStatus.CANCELLING:
                state.accept_cancel()
                return CancelAnswer(accepted=True)
            if state.is_terminal:
                was_cancelled = state.status is JobStatus.CANCELLED
                return CancelAnswer(accepted=answer.accepted and was_cancelled)
        return None

    async def _read(self) -> None:
        """Read the status, as long as what fails may be cured.

        A cancel is not held up by what a read was answered: where the service asks
        reads to wait for long, none is made before that, and the cancel is sent again.
        """
        state, time = self._requests.state, asyncio.get_running_loop().time
        while not state.is_terminal:
            if time() < self._no_read_before:
                await asyncio.sleep(state.draw_delay())
                return
            try:
                await self._requests.read_status()
            except OpenFunnelError as exc:
                if not is_curable(exc, job_is_known=self._requests.job_is_known):
                    raise
                self._note(exc)
                asked = with_jitter(retry_after_of(exc) or 0.0)
                if asked > self._requests.max_retry_after:
                    self._no_read_before = time() + asked
                else:
                    await asyncio.sleep(max(state.draw_delay(), asked))
            else:
                self._has_read = True
                return

    def _note(self, error: OpenFunnelError) -> None:
        self.fault = str(error)

    def _note_stall(self, _kind: Kind, until: float, cause: OpenFunnelError) -> None:
        self._shared.note_stall(until, cause)


def write_receipt(state: JobState, answer: CancelAnswer) -> CancelReceipt:
    """State what is known now; what no answer stated is None."""
    manifest = state.snapshot.manifest if state.snapshot is not None else None
    if not state.is_terminal:
        manifest = None
    consumed = manifest.credits_consumed if manifest is not None else None
    return CancelReceipt(
        job_id=state.job_id,
        accepted=answer.accepted or state.accepted_at is not None,
        already_terminal=not answer.accepted,
        status=state.status,
        message=answer.message,
        delivered=manifest.count if manifest is not None else None,
        credits_consumed=consumed,
        requested_limit=state.limit,
        credits_avoided=_avoided(state, consumed),
    )


def _avoided(state: JobState, consumed: float | None) -> float | None:
    if state.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        return 0.0
    if not state.is_terminal or state.limit is None or consumed is None:
        return None
    return max(0.0, state.limit * CREDITS_PER_COMPANY - consumed)
