"""The results of a handle's methods about a whole job."""

from collections.abc import Iterator
from typing import SupportsIndex, overload

import attrs

from openfunnel_async._text import brief_repr
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.models import Company, Manifest, count_rows
from openfunnel_async._values.status import JobStatus


class _Rows:
    """A result is also the sequence of its rows."""

    __slots__ = ()
    rows: tuple[Company, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Company]:
        return iter(self.rows)

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Company: ...
    @overload
    def __getitem__(self, place: slice, /) -> tuple[Company, ...]: ...
    def __getitem__(
        self, place: SupportsIndex | slice, /
    ) -> Company | tuple[Company, ...]:
        return self.rows[place]

    def __bool__(self) -> bool:
        # Also without rows it is a result.
        return True


@attrs.frozen(kw_only=True)
class CancelReceipt(Value):
    """The effect of a cancel, as far as an answer stated it.

    Attributes:
        job_id: The job.
        accepted: Whether the service accepted a cancel of this job, now or earlier.
        already_terminal: Whether the job was terminal before this cancel.
        status: The job's status when the receipt was created.
        message: The service's message in the acceptance, if any.
        delivered: Companies delivered; None until the job is terminal.
        credits_consumed: The bill; None until the job is terminal.
        requested_limit: The job's limit; None if it is unknown.
        credits_avoided: For a cancelled job, the most that the remaining companies up
            to the limit would have cost. 0.0 for a job that completed or failed; None
            while one of the numbers is unknown.
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


@attrs.frozen(kw_only=True)
class BulkResult(_Rows, Value):
    """All rows of a terminal job, in order."""

    __module__ = "openfunnel_async"

    status: JobStatus
    rows: tuple[Company, ...]
    manifest: Manifest | None

    @property
    def credits_consumed(self) -> float | None:
        """The bill as the manifest states it; None where it does not."""
        return None if self.manifest is None else self.manifest.credits_consumed

    def __repr__(self) -> str:
        return f"<BulkResult {self.status}, {count_rows(self.rows)}>"


@attrs.frozen(kw_only=True)
class TakeResult(_Rows, Value):
    """The result of ``BulkJob.take()``.

    Attributes:
        rows: The companies that matched, in order.
        scanned: Number of rows that were checked; all of them are billed.
        receipt: The effect of the cancel; ``already_terminal`` if the job had ended.
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
