"""The frozen values that go in and come out.

Field names are the API's own. Fields and limits: openapi.yaml; how real rows look:
facts.md, "Rows". A number that is not known is None.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, SupportsIndex

import attrs

from openfunnel_async._invalid import (
    ConfigurationError,
    check_text,
    check_texts,
    check_whole,
)
from openfunnel_async._status import JobStatus
from openfunnel_async._text import brief_repr, escaped

MAX_LIMIT = 10_000
"""The most companies that one search may ask for."""
CREDITS_PER_COMPANY = 1
"""What the service bills for each delivered company."""
_MAX_QUERY = 200
_MAX_SEEDS = 10


def _seed_domains(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("seed_domains", value)


def _stages(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("funding_stages", value)


def _own_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


def _locations(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("locations", value)


def _limit(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("limit", value, 1, MAX_LIMIT)


def _min_employees(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("min_employees", value, 0)


def _max_employees(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("max_employees", value, 0)


def _count(rows: tuple[object, ...]) -> str:
    return f"{len(rows)} row{'' if len(rows) == 1 else 's'}"


@attrs.frozen(kw_only=True)
class LookalikeSearch:
    """Describe the companies to look for; submitting it starts a billed job.

    Checked here is only what cannot be right, because the vendor's limits drift
    from its docs: vocabularies (funding stages, countries, search types) are
    passed through for the service to judge. Source: facts.md, "Submit".

    Attributes:
        query: What the companies do, 1-200 characters. With ``seed_domains`` it
            is a must-have angle on the seeds.
        seed_domains: 1-10 domains of companies to look like.
        limit: The most companies to deliver, 1-10,000: the hard cap of the bill,
            at one credit a company.
        min_employees: Fewest employees, included.
        max_employees: Most employees, included.
        funding_stages: For example ``("Seed", "Series A")``.
        locations: Headquarters countries, ISO 3166-1 alpha-3, or ``"EU"``.
        search_type: ``"semantic"`` or ``"agentic"``; sent only when set.

    Raises:
        ConfigurationError: No query and no seeds; an empty or over-long query;
            more than ten seeds; a limit outside 1-10,000; min above max.
    """

    __module__ = "openfunnel_async"

    query: str | None = None
    seed_domains: tuple[str, ...] = attrs.field(default=(), converter=_seed_domains)
    limit: int | None = attrs.field(default=None, converter=_limit)
    min_employees: int | None = attrs.field(default=None, converter=_min_employees)
    max_employees: int | None = attrs.field(default=None, converter=_max_employees)
    funding_stages: tuple[str, ...] = attrs.field(default=(), converter=_stages)
    locations: tuple[str, ...] = attrs.field(default=(), converter=_locations)
    search_type: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.query is not None:
            check_text("query", self.query, _MAX_QUERY)
        elif not self.seed_domains:
            raise ConfigurationError("a search needs a query, seed_domains, or both")
        if len(self.seed_domains) > _MAX_SEEDS:
            msg = f"seed_domains must hold 1 to {_MAX_SEEDS} domains"
            raise ConfigurationError(msg)
        if self.search_type is not None:
            check_text("search_type", self.search_type, 100)
        low, high = self.min_employees, self.max_employees
        if low is not None and high is not None and low > high:
            raise ConfigurationError("min_employees must not be above max_employees")

    __repr__ = brief_repr


@attrs.frozen(kw_only=True, slots=False)
class Company:
    """One delivered company: the six documented fields, ten observed ones, the rest.

    Every field is optional, because keys came and went within a week of recorded
    traffic. A key this version does not know, and a known field whose value has
    an unexpected type, stands in ``extra`` as it came; nothing is coerced.
    ``linkedin_url`` is the better identity: domains repeat. Source: facts.md, "Rows".
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
        factory=dict[str, Any], converter=_own_dict, hash=False
    )

    __repr__ = brief_repr


# A row read from the service holds only the fields that came; the others, and an
# extra that most rows do not have, stand here once for all.
for _field in attrs.fields(Company):
    setattr(Company, _field.name, None)
Company.extra = MappingProxyType[str, Any]({})


@attrs.frozen(kw_only=True)
class Manifest:
    """What a terminal job says of its whole: rows, pages, bill.

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


@attrs.frozen(kw_only=True)
class JobSnapshot:
    """One answer about a job.

    Attributes:
        job_id: The job.
        status: The furthest state known when the answer came.
        raw_status: The word of this very answer, which may be a late one.
        manifest: Present once the job is terminal.
        error_message: The service's own words on a failure.
        processed: Companies delivered towards the limit; None until it starts.
        progress_message: A coarse label such as ``"retrieving_companies"``.
        limit: Rows asked for, where the handle knows it.
        eta: Seconds until the job is expected to be over, guessed from its own
            speed so far; None while nothing can be said. Left out of comparisons.
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
        """Whether the job can change no more."""
        return self.status.is_terminal

    @property
    def delivered(self) -> int | None:
        """Companies delivered so far, by the manifest's count, else ``processed``."""
        if self.manifest is not None and self.manifest.count is not None:
            return self.manifest.count
        return self.processed

    @property
    def fraction(self) -> float | None:
        """How much of the limit is delivered, 0.0-1.0; 1.0 once completed.

        None where the limit or the delivered rows are not known.
        """
        if self.status is JobStatus.COMPLETED:
            return 1.0
        if self.delivered is None or not self.limit:
            return None
        return min(1.0, self.delivered / self.limit)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._html import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)


@attrs.frozen(kw_only=True)
class JobPage:
    """One answer with its rows.

    Attributes:
        snapshot: The answer's status part.
        label: The page's own name, for example ``"page_0003"``.
        rows: Its companies; the newest page of a running job may still grow.
        next_cursor: The label after this one. None on a job that is still going
            only means "not written yet".
    """

    __module__ = "openfunnel_async"

    snapshot: JobSnapshot
    label: str | None
    rows: tuple[Company, ...]
    next_cursor: str | None

    def __repr__(self) -> str:
        label = "without a label" if self.label is None else escaped(self.label, 60)
        return f"<JobPage {label}, {_count(self.rows)}, job {self.snapshot.status}>"


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
        from openfunnel_async._html import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)


@attrs.frozen(kw_only=True)
class BulkResult:
    """All rows of a job that has ended, in order."""

    __module__ = "openfunnel_async"

    status: JobStatus
    rows: tuple[Company, ...]
    manifest: Manifest | None

    def __repr__(self) -> str:
        return f"<BulkResult {self.status}, {_count(self.rows)}>"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._html import show  # noqa: PLC0415 -- for notebooks alone

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
        rows = _count(self.rows)
        return f"<TakeResult {self.status}, {rows} of {self.scanned} scanned>"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from openfunnel_async._html import show  # noqa: PLC0415 -- for notebooks alone

        return show(self)


@attrs.frozen(kw_only=True)
class CreditBalance:
    """The account's credits; fractions occur."""

    __module__ = "openfunnel_async"

    total_credits: float
    credits_used: float
    credits_left: float

    __repr__ = brief_repr


@attrs.frozen(kw_only=True)
class ValidationIssue:
    """One complaint of a 422, without the input that it echoes."""

    __module__ = "openfunnel_async"

    loc: tuple[str | int, ...]
    msg: str
    type: str

    __repr__ = brief_repr
