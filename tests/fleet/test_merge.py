"""Results of several searches, merged by company."""

from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async import (
    BulkResult,
    Company,
    CreditCapError,
    IncompleteResultsError,
    JobFailedError,
    JobOutcome,
    JobStatus,
    LookalikeSearch,
    MergedCompany,
    OpenFunnelError,
    merge_results,
)

SEARCH = LookalikeSearch(query="voice", limit=5)


def result(*rows: Company) -> BulkResult:
    return BulkResult(status=JobStatus.COMPLETED, rows=rows, manifest=None)


def outcome(*rows: Company) -> JobOutcome:
    return JobOutcome(search=SEARCH, result=result(*rows))


def failed(error: OpenFunnelError) -> JobOutcome:
    return JobOutcome(search=SEARCH, error=error)


def company(
    name: str, linkedin: str | None = None, domain: str | None = None
) -> Company:
    return Company(name=name, linkedin_url=linkedin, domain=domain)


A, B, C = (company(name, f"linkedin/{name}", "group.example") for name in "abc")


def test_companies_come_in_the_order_of_first_appearance() -> None:
    merged = merge_results([result(B, A), result(C, A)])
    assert [one.company for one in merged.companies] == [B, A, C]


def test_the_first_delivery_is_kept() -> None:
    """Caught: the last delivery in place of the first."""
    again = company("a, again", "linkedin/a", "else.example")
    merged = merge_results([result(A), result(again)])
    assert merged.companies == (MergedCompany(company=A, found_by=(0, 1)),)


def test_found_by_names_the_searches_in_order_and_once() -> None:
    """Caught: a search named for each of its rows."""
    merged = merge_results([result(A, A), result(B), result(A)])
    assert [one.found_by for one in merged.companies] == [(0, 2), (1,)]


def test_new_by_counts_who_was_first() -> None:
    merged = merge_results([result(A, B), result(B, C), result(A, B, C)])
    assert merged.new_by == (2, 1, 0)


def test_one_domain_with_two_linkedin_pages_is_two_companies() -> None:
    """Caught: the domain before the page."""
    assert len(merge_results([result(A, B, C)]).companies) == 3


def test_the_domain_decides_where_there_is_no_page() -> None:
    rows = (company("a", None, "a.example"), company("a", "", "a.example"))
    assert len(merge_results([result(*rows)]).companies) == 1


def test_a_page_and_a_domain_of_the_same_text_are_two() -> None:
    """Caught: the bare text as the key."""
    rows = (company("a", "same.example"), company("b", None, "same.example"))
    assert len(merge_results([result(*rows)]).companies) == 2


def test_companies_with_neither_are_kept_apart() -> None:
    """Caught: all of them merged under None."""
    rows = (company("a"), company("a", "", ""))
    merged = merge_results([result(*rows), result(*rows)])
    assert len(merged.companies) == 4
    assert merged.new_by == (2, 2)


def test_outcomes_and_results_may_be_mixed() -> None:
    merged = merge_results([outcome(A), result(A, B)])
    assert merged.new_by == (1, 1)


def test_rows_on_an_error_count() -> None:
    """Caught: outcomes without a result skipped."""
    errors = (JobFailedError, IncompleteResultsError)
    outcomes = [failed(kind("it failed", "job-1", None, (A, B))) for kind in errors]
    merged = merge_results(outcomes)
    assert merged.new_by == (2, 0)
    assert [one.found_by for one in merged.companies] == [(0, 1)] * 2


def test_an_outcome_without_rows_keeps_its_place() -> None:
    """Caught: `found_by` counted over the outcomes that have rows."""
    merged = merge_results([failed(CreditCapError("too much")), outcome(A)])
    assert merged.companies == (MergedCompany(company=A, found_by=(1,)),)
    assert merged.new_by == (0, 1)


def test_nothing_merges_to_nothing() -> None:
    merged = merge_results([])
    assert (merged.companies, merged.new_by) == ((), ())


def test_any_iterable_will_do() -> None:
    assert merge_results(result(one) for one in (A, B)).new_by == (1, 1)


NAMES = st.sampled_from(["", "a", "b", "c"])
ROWS = st.builds(
    company, name=st.just("x"), linkedin=st.none() | NAMES, domain=st.none() | NAMES
)
RESULTS = st.lists(
    st.lists(ROWS, max_size=8).map(lambda rows: result(*rows)), max_size=5
)


@given(RESULTS)
def test_every_company_is_new_by_one_search(results: list[BulkResult]) -> None:
    """Caught: repeats within a search counted as new."""
    merged = merge_results(results)
    assert sum(merged.new_by) == len(merged.companies)
    assert len(merged.new_by) == len(results)


def matches(row: Company, merged: MergedCompany) -> bool:
    one = merged.company
    if row.linkedin_url:
        return row.linkedin_url == one.linkedin_url
    if row.domain:
        return not one.linkedin_url and row.domain == one.domain
    return row is one


@given(RESULTS)
def test_every_rows_company_is_found_by_its_search(results: list[BulkResult]) -> None:
    """Caught: only the first search that found a company named."""
    merged = merge_results(results)
    for place, one in enumerate(results):
        for row in one.rows:
            mine = [each for each in merged.companies if matches(row, each)]
            assert any(place in each.found_by for each in mine)


@given(RESULTS)
def test_new_by_is_where_the_first_finder_stands(results: list[BulkResult]) -> None:
    merged = merge_results(results)
    firsts = [one.found_by[0] for one in merged.companies]
    assert firsts == sorted(firsts)
    assert merged.new_by == tuple(firsts.count(place) for place in range(len(results)))


@given(RESULTS)
def test_merging_twice_finds_nothing_new(results: list[BulkResult]) -> None:
    known = [row for one in results for row in one.rows if row.linkedin_url]
    merged = merge_results([result(*known), result(*known)])
    assert merged.new_by[1] == 0
