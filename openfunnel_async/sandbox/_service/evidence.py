"""What a test may look at: everything that arrived, and the truth about the jobs."""

from typing import Literal

import attrs

from openfunnel_async.sandbox._service.companies import Row
from openfunnel_async.sandbox._service.job_lifetimes import Ending
from openfunnel_async.sandbox._service.jobs import Job, Status
from openfunnel_async.sandbox._service.ledger import Ledger
from openfunnel_async.sandbox._service.messages import Kind

KEY_HEADER = "x-api-key"


@attrs.frozen(kw_only=True)
class SeenRequest:
    """A request that arrived, and how it was answered.

    Attributes:
        time: Sandbox time of its arrival, in seconds.
        kind: The operation, ``other`` where there was none.
        method: The verb.
        path: The path as on the wire.
        query: Decoded pairs.
        headers: Pairs of lower-case name and value; the key's value is not kept,
            in its place stands ``right`` or ``wrong``.
        body: The bytes; empty where a fault did not wait for them.
        job_id: The job its path names; for a submit, the job it made.
        status: The status answered, also where the answer was dropped; 0 where
            that happened before the request took effect.
        answered: Whether an answer went out, if only a part of it.
    """

    __module__ = "openfunnel_async.sandbox"

    time: float
    kind: Kind
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    job_id: str | None
    status: int
    answered: bool

    @property
    def key(self) -> Literal["right", "wrong"] | None:
        """Return whether the request carried a key, and whether it was right."""
        word = dict(self.headers).get(KEY_HEADER)
        return None if word is None else ("right" if word == "right" else "wrong")


@attrs.frozen(kw_only=True)
class JobView:
    """The truth about a job, whether a client has seen it or not.

    Moments are sandbox time in seconds. A cancel or a fault can still change what
    is said here of a job that is going; of one that has ended nothing changes.

    Attributes:
        time: The moment this view was taken.
    """

    __module__ = "openfunnel_async.sandbox"

    time: float
    _job: Job = attrs.field(alias="job", repr=False)
    _ledger: Ledger = attrs.field(alias="ledger", repr=False)

    @property
    def id(self) -> str:
        """Return the job's id."""
        return self._job.id

    @property
    def limit(self) -> int:
        """Return the most companies it may deliver; see `Unknowns.least_limit`."""
        return self._job.search.limit

    @property
    def status(self) -> Status:
        """Return its status now."""
        return self._job.at(self.time).status

    @property
    def processed(self) -> int | None:
        """Return the companies delivered by now; None before it started."""
        return self._job.at(self.time).processed

    @property
    def rows_written(self) -> int:
        """Count the rows that can be read now."""
        return self._job.at(self.time).written

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return all rows the job has delivered when it ends, in order."""
        return tuple(self._job.rows(0, self._job.delivered))

    @property
    def created_at(self) -> float:
        """Return when it was submitted."""
        return self._job.timeline.created_at

    @property
    def running_at(self) -> float:
        """Return when it leaves the queue, if it is not stopped before."""
        return self._job.timeline.running_at

    @property
    def page_times(self) -> tuple[float, ...]:
        """Return when each of its pages is whole; a cancelled job stops short."""
        ends_at = self._job.ends_at
        return tuple(at for at in self._job.timeline.page_times if at <= ends_at)

    @property
    def ends_at(self) -> float:
        """Return when it ends."""
        return self._job.ends_at

    @property
    def ends(self) -> Ending | Literal["cancelled"]:
        """Return the status it ends with."""
        return self._job.ends

    @property
    def credits(self) -> float | None:
        """Return what it was billed; None until it has ended."""
        billed = self._ledger.has(self._job.id)
        return self._ledger.credits_of(self._job.id) if billed else None
