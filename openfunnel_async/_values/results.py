"""What the methods of a handle return about a whole job."""

import attrs

from openfunnel_async._text import brief_repr
from openfunnel_async._values.models import Company, Manifest, count_rows
from openfunnel_async._values.status import JobStatus


@attrs.frozen(kw_only=True)
class CancelReceipt:
    """What a cancel achieved, as far as an answer stated it.

    Attributes:
        job_id: The job.
        accepted: Whether the service took a cancel of this job, now or earlier.
        already_terminal: Whether the job was over before this cancel.
        status: The job's status when the receipt was written.
        message: The service's words on accepting, if any.
        delivered: Companies delivered; None until the job has settled.
        credits_consumed: The bill; None until the job has settled.
        requested_limit: The job's limit; None where it is not known.
        credits_avoided: For a cancelled job, what the companies up to the limit
            would still have cost at most; 0.0 for one that completed or failed;
            None while a part of it is not known.
    """

    __module__ = "openfunnel_async"

    job_id: str
    accepted: bool
    already_terminal: bool
    status: JobStatus
    message: str | None = None
    delivered: int | None = None
    credits_consumed: float | None = None
    requested_limit: int | None = None
    credits_avoided: float | None = None

    __repr__ = brief_repr

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._values.notebook import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)


@attrs.frozen(kw_only=True)
class BulkResult:
    """All rows of a job that has ended, in order."""

    __module__ = "openfunnel_async"

    status: JobStatus
    rows: tuple[Company, ...]
    manifest: Manifest | None

    def __repr__(self) -> str:
        return f"<BulkResult {self.status}, {count_rows(self.rows)}>"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._values.notebook import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)


@attrs.frozen(kw_only=True)
class TakeResult:
    """What ``BulkJob.take()`` took.

    Attributes:
        rows: The companies that matched, in order.
        scanned: Rows looked at, matching or not; all of them are billed.
        receipt: What the cancel achieved; ``already_terminal`` if the job was over.
        status: The job's status at the end.
    """

    __module__ = "openfunnel_async"

    rows: tuple[Company, ...]
    scanned: int
    receipt: CancelReceipt
    status: JobStatus

    def __repr__(self) -> str:
        rows = count_rows(self.rows)
        return f"<TakeResult {self.status}, {rows} of {self.scanned} scanned>"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._values.notebook import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)
