"""What a test can check: every request that arrived, and the truth about jobs."""

from typing import Literal

import attrs

from openfunnel_async.sandbox._service.companies import Row
from openfunnel_async.sandbox._service.deliveries import Dropped
from openfunnel_async.sandbox._service.job_lifetimes import Ending
from openfunnel_async.sandbox._service.jobs import Job, Status
from openfunnel_async.sandbox._service.ledger import Ledger
from openfunnel_async.sandbox._service.messages import KEY_HEADER, Kind, SandboxReply
from openfunnel_async.sandbox._service.routing import RoutedRequest


@attrs.frozen(kw_only=True)
class SeenRequest:
    """A request that arrived, and its answer.

    Attributes:
        time: Sandbox time of its arrival, in seconds.
        kind: The operation; ``other`` for a request that matches none.
        method: The method.
        path: The path, percent-encoded.
        query: Decoded pairs.
        headers: Pairs of lower-case name and value. The key's value is replaced by
            ``right`` or ``wrong``.
        body: The bytes; empty if a fault answered before they were read.
        job_id: The job that its path names; for a submit, the job that it made.
        status: The status of the answer, also of a dropped one; 0 if the connection
            was reset before the request took effect.
        answered: Whether at least a part of the answer was sent.
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
        """Return whether the request's key was right; None if it had no key."""
        word = dict(self.headers).get(KEY_HEADER)
        return None if word is None else ("right" if word == "right" else "wrong")


@attrs.frozen(kw_only=True)
class JobView:
    """The truth about a job, whether or not a client has read it.

    All times are sandbox time in seconds. A cancel or a fault can change the values of
    an active job; those of a terminal job do not change.

    Attributes:
        time: The time of this view.
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
        """Return the most companies it can deliver; see `Unknowns.least_limit`."""
        return self._job.search.limit

    @property
    def status(self) -> Status:
        """Return its status at ``time``."""
        return self._job.at(self.time).status

    @property
    def processed(self) -> int | None:
        """Return the companies delivered by ``time``; None before the start."""
        return self._job.at(self.time).processed

    @property
    def rows_written(self) -> int:
        """Return the number of rows that can be read at ``time``."""
        return self._job.at(self.time).written

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return all rows that the job has delivered when it ends, in order."""
        return tuple(self._job.rows(0, self._job.delivered))

    @property
    def created_at(self) -> float:
        """Return when it was submitted."""
        return self._job.timeline.created_at

    @property
    def running_at(self) -> float:
        """Return when it leaves the queue, unless it is cancelled before."""
        return self._job.timeline.running_at

    @property
    def page_times(self) -> tuple[float, ...]:
        """Return when each page is complete; a cancelled job has fewer pages."""
        ends_at = self._job.ends_at
        return tuple(at for at in self._job.timeline.page_times if at <= ends_at)

    @property
    def ends_at(self) -> float:
        """Return when it ends."""
        return self._job.ends_at

    @property
    def ends(self) -> Ending | Literal["cancelled"]:
        """Return its terminal status."""
        return self._job.ends

    @property
    def credits(self) -> float | None:
        """Return the credits of its bill; None before it ends."""
        billed = self._ledger.has(self._job.id)
        return self._ledger.credits_of(self._job.id) if billed else None


def record_request(
    routed: RoutedRequest, job_id: str | None, reply: SandboxReply
) -> SeenRequest:
    """Make the record of a request and its answer."""
    request = routed.request
    headers = dict(request.headers)
    if KEY_HEADER in headers:
        headers[KEY_HEADER] = "wrong" if routed.account is None else "right"
    return SeenRequest(
        time=routed.moment,
        kind=routed.route.kind,
        method=request.method,
        path=request.path,
        query=request.query,
        headers=tuple(headers.items()),
        body=request.body,
        job_id=job_id,
        status=reply.status,
        answered=not isinstance(reply.delivery, Dropped),
    )
