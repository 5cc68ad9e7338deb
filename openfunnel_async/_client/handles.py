"""Make the handles of a client."""

import math

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.requests import JobRequests
from openfunnel_async._job.resources import Resources
from openfunnel_async._job.state import JobState
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.policies import PollPolicy


class Handles:
    """What a handle needs to know of its client.

    Args:
        resources: What all handles share.
        polling: How waits are paced.
        wait_timeout: Seconds a wait takes by default.
        read_ahead: Most pages to read at a time.
    """

    def __init__(
        self,
        resources: Resources,
        polling: PollPolicy,
        *,
        wait_timeout: float | None,
        read_ahead: int,
    ) -> None:
        self.wait_timeout = wait_timeout
        self._resources = resources
        self._polling = polling
        self._read_ahead = read_ahead
        self._submitted_at = -math.inf

    def submitted(self, job_id: str, limit: int | None, at: float) -> BulkJob:
        """Return the handle of a job that was submitted just now."""
        before, self._submitted_at = self._submitted_at, at
        in_batch = at - before < self._polling.longest
        emitter = self._resources.caller.emitter
        state = JobState(job_id, limit, self._polling, emitter, at, in_batch=in_batch)
        return self._handle(state, JobCheckpoint(job_id=job_id, limit=limit))

    def attached(self, start: JobCheckpoint) -> BulkJob:
        """Return a handle of a job that is there already, at a place in its rows."""
        emitter = self._resources.caller.emitter
        state = JobState(start.job_id, start.limit, self._polling, emitter)
        return self._handle(state, start)

    def _handle(self, state: JobState, start: JobCheckpoint) -> BulkJob:
        requests = JobRequests(self._resources, state)
        return BulkJob(requests, self.wait_timeout, start, self._read_ahead)
