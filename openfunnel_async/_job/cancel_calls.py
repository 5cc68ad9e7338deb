"""The calls that cancel the job of a handle, and the receipts that they return."""

import asyncio
import math

import anyio

from openfunnel_async._job.cancellation import Cancellation, write_receipt
from openfunnel_async._job.poll_loop import PollLoop
from openfunnel_async._job.requests import JobRequests
from openfunnel_async._job.shielded import cancel_and_wait, wait_shielded
from openfunnel_async._protocol.replies import CancelAnswer
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.results import CancelReceipt
from openfunnel_async.errors import OpenFunnelError, WaitTimeoutError


class CancelCalls:
    """Cancel one job for its callers, however long they wait.

    A cancel does not end with the time of its caller, as it is the one request that
    stops a spend: what is not confirmed by then continues in the background while the
    client is open.

    Args:
        requests: Sends the requests about the job.
        poll_loop: Waits for the terminal status.
    """

    __slots__ = ("_cancellation", "_poll_loop", "_requests")

    def __init__(self, requests: JobRequests, poll_loop: PollLoop) -> None:
        self._requests = requests
        self._poll_loop = poll_loop
        self._cancellation = Cancellation(requests)

    async def cancel(
        self, handle: object, seconds: float | None, *, wait: bool
    ) -> CancelReceipt:
        """Cancel the job of the handle; see ``BulkJob.cancel``."""
        state, time = self._requests.state, asyncio.get_running_loop().time
        deadline = math.inf if seconds is None else time() + seconds
        try:
            answer = await self._request(handle, seconds, deadline)
        except OpenFunnelError as exc:
            if seconds is not None and self._requests.may_be_cured(exc):
                # The service asks for a longer wait than the caller has.
                after = with_jitter(retry_after_of(exc) or 0.0)
                self._requests.cancel_in_background(handle, None, after)
            raise
        if answer is None:
            raise self._timeout_error(seconds, accepted=False)
        if not wait:
            return write_receipt(state, answer)
        with anyio.CancelScope(deadline=deadline):
            await self._poll_loop.wait_until_terminal(deadline)
            return write_receipt(state, answer)
        accepted = answer.accepted or state.accepted_at is not None
        raise self._timeout_error(seconds, accepted=accepted)

    async def _request(
        self, handle: object, seconds: float | None, deadline: float
    ) -> CancelAnswer | None:
        """Return what the cancel was answered; None if the time has passed before.

        The background then joins the request that is under way, before this caller
        leaves it: its answer may come in this very moment, and none is sent twice.
        """
        if seconds is None:
            # Without a task of its own, so that the background joins in its first step.
            return await self._cancellation.request(deadline)
        state = self._requests.state
        asked = asyncio.create_task(self._cancellation.request(deadline))
        try:
            await asyncio.wait([asked], timeout=seconds)
            if asked.done():
                return asked.result()
            if state.accepted_at is not None:
                return CancelAnswer(accepted=True)
            self._requests.cancel_in_background(handle, None)
            return None
        finally:
            if asked.done() and not asked.cancelled():
                # Retrieved, also if the caller was cancelled in the same moment.
                asked.exception()
            await cancel_and_wait([asked])

    async def cancel_on_leaving(
        self, handle: object, within: float, left: float | None
    ) -> CancelReceipt:
        """Cancel for a caller who leaves, and wait for the terminal status.

        Args:
            handle: The handle of the job.
            within: Most seconds until the cancel is accepted; it then continues in the
                background, whatever becomes of the caller.
            left: Seconds left until then and for the terminal status; None for ever.

        Raises:
            OpenFunnelError: What has kept the job from being cancelled so far.
        """
        state, time = self._requests.state, asyncio.get_running_loop().time
        until = None if left is None else time() + left
        within = within if left is None else min(within, left)
        first = self._requests.cancel_in_background(handle, None)
        await wait_shielded([first], within)
        if not first.done():
            raise self._timeout_error(within, accepted=False)
        outcome = first.result()
        if isinstance(outcome, OpenFunnelError):
            raise outcome
        rest = None if until is None else max(0.0, until - time())
        with anyio.move_on_after(rest) as scope:
            await self._poll_loop.wait_until_terminal(scope.deadline)
        if not state.is_terminal:
            raise self._timeout_error(left, accepted=True)
        answer = CancelAnswer(not outcome.already_terminal, outcome.message)
        return write_receipt(state, answer)

    def _timeout_error(
        self, seconds: float | None, *, accepted: bool
    ) -> WaitTimeoutError:
        """Say how far a cancel has come when the time of its caller has passed."""
        state, fault = self._requests.state, self._cancellation.fault
        after = "" if seconds is None else f" after {seconds:g} s"
        if accepted:
            how = f"was accepted, but{after} no terminal status was read"
        else:
            how = f"was not accepted{after}{f' ({fault})' if fault else ''}"
            how += "; it is tried again while the client is open"
        msg = f"job {state.job_id}: the cancel {how}; the job may still bill"
        return WaitTimeoutError(msg, state.job_id, state.snapshot)
