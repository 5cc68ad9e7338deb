"""Results of several searches merged by company."""

from collections.abc import Iterable

import attrs

from openfunnel_async._client.run_many import JobOutcome
from openfunnel_async._text import brief_repr
from openfunnel_async._values.json_form import Value
from openfunnel_async._values.models import Company
from openfunnel_async._values.results import BulkResult


@attrs.frozen(kw_only=True)
class MergedCompany(Value):
    """A company and the searches that found it.

    Attributes:
        company: As the first search delivered it.
        found_by: Places of the searches among those merged, in order, from 0.
    """

    __module__ = "openfunnel_async"

    company: Company
    found_by: tuple[int, ...]

    __repr__ = brief_repr


@attrs.frozen(kw_only=True)
class MergedResults(Value):
    """What several searches found together.

    Attributes:
        companies: Each company once, in the order of first appearance.
        new_by: For each search, how many companies it was the first to find.
    """

    __module__ = "openfunnel_async"

    companies: tuple[MergedCompany, ...]
    new_by: tuple[int, ...]

    def __repr__(self) -> str:
        found, searches = len(self.companies), len(self.new_by)
        return f"<MergedResults {found} companies of {searches} searches>"


def merge_results(results: Iterable[BulkResult | JobOutcome]) -> MergedResults:
    """Merge results by company: by ``linkedin_url``, else by ``domain``.

    LinkedIn pages do not repeat and domains do ("Rows" in the contract page), so two
    companies that share a domain but not the page stay two. A company with neither is
    kept as it is. Rows that an outcome's error carries were paid for and count as well.

    Args:
        results: Results, or outcomes of ``run_many``, in any mixture.
    """
    first: dict[object, Company] = {}
    found: dict[object, dict[int, None]] = {}
    new_by: list[int] = []
    for place, result in enumerate(results):
        known = len(first)
        for row, company in enumerate(_rows(result)):
            key = _identity(company) or (place, row)
            first.setdefault(key, company)
            found.setdefault(key, {})[place] = None
        new_by.append(len(first) - known)
    merged = tuple(
        MergedCompany(company=company, found_by=tuple(found[key]))
        for key, company in first.items()
    )
    return MergedResults(companies=merged, new_by=tuple(new_by))


merge_results.__module__ = "openfunnel_async"


def _rows(result: BulkResult | JobOutcome) -> tuple[Company, ...]:
    if isinstance(result, BulkResult):
        return result.rows
    if result.result is not None:
        return result.result.rows
    return result.error.rows if result.error is not None else ()


def _identity(company: Company) -> tuple[str, str] | None:
    if company.linkedin_url:
        return ("linkedin_url", company.linkedin_url)
    return ("domain", company.domain) if company.domain else None
