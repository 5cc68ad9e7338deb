"""The frozen values that the client returns for answers.

Field names are those of the API; their source is docs/reference/contract.md. A number
that is unknown is None.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from openfunnel_async._text import brief_repr, escaped
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.status import JobStatus


def _copy_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


def count_rows(rows: tuple[object, ...]) -> str:
    """Return the number of rows as text, for example ``"1 row"``."""
    return f"{len(rows)} row{'' if len(rows) == 1 else 's'}"


@attrs.frozen(kw_only=True, slots=False)
class Company(Value):
    """One delivered company: the six documented fields, ten observed ones, others.

    Every field is optional, because the keys changed within a week of recorded traffic.
    Two things are in ``extra``, unchanged: a key that this version does not know, and
    the value of a known field if its type is unexpected. ``linkedin_url`` identifies a
    company better than ``domain``: domains repeat. The source is
    docs/reference/contract.md, "Rows".
    """

    __module__ = "openfunnel_async"

    name: str | None = None
    domain: str | None = None
    linkedin_url: str | None = None
    headquarters: str | None = None
    match_reason: str | None = None
    employee_count: int | None = None
    rerank_score: float | None = None
    funding_stage: str | None = None
    revenue_usd: int | None = None
    industries: tuple[str, ...] | None = None
    hq_city: str | None = None
    hq_region: str | None = None
    hq_country: str | None = None
    linkedin_follower_count: int | None = None
    description: str | None = None
    tagline: str | None = None
    extra: Mapping[str, Any] = attrs.field(
        factory=dict[str, Any], converter=_copy_dict, hash=False
    )

    __repr__ = brief_repr


# A row that was read from the service has only the fields of the answer. The defaults
# of the other fields, and the empty extra of most rows, are attributes of the class.
for _field in attrs.fields(Company):
    setattr(Company, _field.name, None)
Company.extra = MappingProxyType[str, Any]({})


@attrs.frozen(kw_only=True)
class Manifest(Value):
    """The service's summary of a terminal job: rows, pages, bill.

    ``credits_consumed`` is the bill. A cancelled job has a partial manifest.
    """

    __module__ = "openfunnel_async"

    count: int | None = None
    pages: int | None = None
    page_size: int | None = None
    credits_consumed: float | None = None
    derived_query: str | None = None
    resolved_seed_domains: tuple[str, ...] | None = None
    unresolved_seed_domains: tuple[str, ...] | None = None
    rerank_degraded: bool | None = None
    partial: bool | None = None

    __repr__ = brief_repr


@attrs.frozen(kw_only=True, slots=False)
class JobSnapshot(Value):
    """One answer about a job.

    Attributes:
        job_id: The job.
        status: The most advanced status known when the answer arrived.
        raw_status: The status as this answer spells it; the answer may be a late one.
        manifest: Present once the job is terminal.
        error_message: The service's message about a failure.
        processed: Companies delivered towards the limit; None until the job starts.
        progress_message: A coarse label such as ``"retrieving_companies"``.
        limit: The job's limit, if the handle knows it.
        eta: Estimated seconds until the job is terminal, from its speed so far; None
            while there is no estimate. It is ignored in comparisons.
    """

    __module__ = "openfunnel_async"

    job_id: str
    status: JobStatus
    raw_status: str
    manifest: Manifest | None = None
    error_message: str | None = None
    processed: int | None = None
    progress_message: str | None = None
    limit: int | None = None
    eta: float | None = attrs.field(default=None, eq=False)

    __repr__ = brief_repr

    @property
    def is_terminal(self) -> bool:
        """Whether the job is completed, failed or cancelled, and cannot change."""
        return self.status.is_terminal

    @property
    def delivered(self) -> int | None:
        """Companies delivered so far, by the manifest's count, else ``processed``."""
        if self.manifest is not None and self.manifest.count is not None:
            return self.manifest.count
        return self.processed

    @property
    def fraction(self) -> float | None:
        """Delivered part of the limit, 0.0 to 1.0; 1.0 once completed.

        None if the limit or the number of delivered companies is unknown.
        """
        if self.status is JobStatus.COMPLETED:
            return 1.0
        if self.delivered is None or not self.limit:
            return None
        return min(1.0, self.delivered / self.limit)


@attrs.frozen(kw_only=True)
class JobPage(Value):
    """One answer with its rows.

    Attributes:
        snapshot: What the answer states about the job.
        label: The page's label, for example ``"page_0003"``.
        rows: Its companies; the newest page of a running job may still grow.
        next_cursor: The label of the next page. While the job is not terminal, None
            only means "not written yet".
    """

    __module__ = "openfunnel_async"

    snapshot: JobSnapshot
    label: str | None
    rows: tuple[Company, ...]
    next_cursor: str | None

    def __repr__(self) -> str:
        label = "without a label" if self.label is None else escaped(self.label, 60)
        return f"<JobPage {label}, {count_rows(self.rows)}, job {self.snapshot.status}>"


@attrs.frozen(kw_only=True)
class CreditBalance(Value):
    """The account's credits; fractions occur."""

    __module__ = "openfunnel_async"

    total_credits: float
    credits_used: float
    credits_left: float

    __repr__ = brief_repr


@attrs.frozen(kw_only=True)
class ValidationIssue(Value):
    """One fault that a 422 reports, without the input that the answer repeats."""

    __module__ = "openfunnel_async"

    loc: tuple[str | int, ...]
    msg: str
    type: str

    __repr__ = brief_repr
