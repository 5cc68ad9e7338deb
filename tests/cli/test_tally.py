"""Which rows are the same company."""

from openfunnel_async import BulkJob, Company, LookalikeSearch, OpenFunnel
from openfunnel_async.cli.demo._part import Part
from openfunnel_async.cli.demo._tally import add_up, unique


def _job() -> BulkJob:
    client = OpenFunnel("of_" + "0" * 64, base_url="http://127.0.0.1:9")
    return client.job("a-job")


def _part(name: str, *rows: Company) -> Part:
    search = LookalikeSearch(query=f"search {name}", limit=10)
    return Part(name=name, search=search, job=_job(), rows=list(rows))


def _company(name: str, linkedin: str | None = None, domain: str = "") -> Company:
    return Company(name=name, linkedin_url=linkedin, domain=domain)


def test_the_linkedin_page_decides_and_the_first_delivery_is_kept() -> None:
    first = _company("one", "linkedin/one", "group.example")
    sister = _company("two", "linkedin/two", "group.example")
    again = _company("one again", "linkedin/one", "else.example")
    found = unique([_part("A", first, sister), _part("B", again)])
    assert [one.company for one in found.companies] == [first, sister]
    assert [one.found_by for one in found.companies] == [(0, 1), (0,)]


def test_the_domain_decides_where_there_is_no_page() -> None:
    rows = (_company("one", None, "a.example"), _company("two", None, "a.example"))
    found = unique([_part("A", *rows)])
    assert [one.found_by for one in found.companies] == [(0,)]


def test_a_company_without_either_is_nobody_else() -> None:
    rows = (_company("one"), _company("one"))
    assert len(unique([_part("A", *rows), _part("B", *rows)]).companies) == 4


def test_jobs_without_a_bill_or_a_receipt_add_nothing() -> None:
    tally = add_up([_part("A", _company("one"))])
    assert (tally.delivered, tally.used, tally.saved) == (1, 0.0, 0.0)


def test_a_ledger_that_differs_is_not_called_equal() -> None:
    lines = add_up([]).lines(0, agrees=False)
    assert any("is NOT what is in the sandbox's ledger" in why for _, _, why in lines)
