"""Make the handles of a client."""

import math

import attrs

from openfunnel_async._checkpoint import JobCheckpoint
from openfunnel_async._job import BulkJob
from openfunnel_async._pacing import PollPolicy
from openfunnel_async._reads import JobReads, Means
from openfunnel_async._record import JobRecord


@attrs.define(kw_only=True)
class Handles:
    """What a handle needs to know of its client.

    Attributes:
        means: What all handles share.
        polling: How waits are paced.
        wait_timeout: Seconds a wait takes unless told otherwise.
        read_ahead: Most pages to read at a time.
    """

    means: Means
    polling: PollPolicy
    wait_timeout: float | None
    read_ahead: int
    _submitted_at: float = attrs.field(default=-math.inf, init=False)

    def submitted(self, job_id: str, limit: int | None, at: float) -> BulkJob:
        """Return the handle of a job that was submitted just now."""
        before, self._submitted_at = self._submitted_at, at
        in_batch = at - before < self.polling.longest
        record = JobRecord(job_id, limit, self.polling, at, in_batch=in_batch)
        return self._handle(record, JobCheckpoint(job_id=job_id, limit=limit))

    def attached(self, start: JobCheckpoint) -> BulkJob:
        """Return a handle of a job that is there already, at a place in its rows."""
        record = JobRecord(start.job_id, start.limit, self.polling)
        return self._handle(record, start)

    def _handle(self, record: JobRecord, start: JobCheckpoint) -> BulkJob:
        reads = JobReads(self.means, record)
        return BulkJob(reads, self.wait_timeout, start, self.read_ahead)
