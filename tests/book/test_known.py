"""What a Book knows: new companies, when to stop, and what is not bought twice."""

import json

import pytest

from openfunnel_async import Book, Company, ConfigurationError, LookalikeSearch
from openfunnel_async.book import EntryState
from openfunnel_async.book._identity import make_identity
from tests.book.account import BookAccount
from tests.fleet.account import lasting, search, searches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


@pytest.mark.parametrize(
    "url",
    [
        "https://www.linkedin.com/company/acme-labs",
        "http://linkedin.com/company/acme-labs/",
        "https://de.linkedin.com/company/Acme-Labs/about/?trk=x",
        "www.linkedin.com/company/acme%2Dlabs",
        "  https://www.linkedin.com/company/ACME-labs/de  ",
    ],
)
def test_forms_of_one_page(url: str) -> None:
    assert make_identity(url, None).page == "company/acme-labs"


@pytest.mark.parametrize(
    ("url", "page"),
    [
        (None, None),
        ("", None),
        ("https://example.com/company/acme", None),
        ("https://notlinkedin.com/company/acme", None),
        ("https://www.linkedin.com/feed", None),
        ("https://[bad", None),
        ("https://www.linkedin.com/company/m%C3%BCller", "company/müller"),
        ("https://www.linkedin.com/company/mu%CC%88ller", "company/müller"),
        ("https://www.linkedin.com/school/acme", "school/acme"),
    ],
)
def test_pages(url: str | None, page: str | None) -> None:
    assert make_identity(url, None).page == page


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (None, None),
        ("", None),
        ("acme.com", "acme.com"),
        ("WWW.Acme.com", "acme.com"),
        ("https://www.acme.com/about?x=1", "acme.com"),
        ("acme.com:8080", "acme.com"),
        ("acme.com.", "acme.com"),
        ("müller.de", "xn--mller-kva.de"),
        ("xn--mller-kva.de", "xn--mller-kva.de"),
        ("localhost", None),
        ("not a domain", None),
    ],
)
def test_domains(domain: str | None, expected: str | None) -> None:
    assert make_identity(None, domain).domain == expected


async def test_what_was_bought_is_known_with_its_batch(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(30))
        await batch.run()
        (company, *_) = [row async for row in batch.rows()]
        assert await account.book.known(company) == "q4"
        page = Company(linkedin_url=f"{company.linkedin_url}/?x=1")
        assert await account.book.known(page) == "q4"
        assert await account.book.known(Company(domain=company.domain)) == "q4"
        assert await account.book.known(Company(domain="stranger.example")) is None
        assert await account.book.known(Company(name="Acme")) is None


async def test_two_companies_of_one_domain_stay_two(address: str) -> None:
    async with Book.connect(address) as book:
        first = {"linkedin_url": "https://linkedin.com/company/a", "domain": "x.com"}
        second = {"linkedin_url": "https://linkedin.com/company/b", "domain": "x.com"}
        assert await book.add_known([first, first], label="crm") == 1
        assert await book.known(Company(**second)) is None  # type: ignore[arg-type]  # what a caller without types gives
        assert await book.add_known([second], label="crm") == 1
        assert await book.count_known() == 2


async def test_a_list_of_domains_knows_companies_with_pages(address: str) -> None:
    async with Book.connect(address) as book:
        assert await book.add_known([{"domain": "WWW.x.com"}], label="crm") == 1
        page = Company(linkedin_url="https://linkedin.com/company/a", domain="x.com")
        assert await book.known(page) == "crm"


async def test_lists_are_counted_and_forgotten(address: str) -> None:
    async with Book.connect(address) as book:
        companies = [{"domain": f"d{number}.com"} for number in range(2_000)]
        assert await book.add_known(companies, label="crm") == 2_000
        assert await book.add_known(companies, label="again") == 0
        found = {one.label: one.companies for one in await book.known_lists()}
        assert found == {"crm": 2_000, "again": 0}
        assert await book.remove_known("crm") == 2_000
        assert await book.count_known() == 0
        with pytest.raises(ConfigurationError, match="no list"):
            await book.remove_known("crm")


async def test_a_company_without_marks_is_refused_by_its_place(
    address: str,
) -> None:
    async with Book.connect(address) as book:
        with pytest.raises(ConfigurationError, match=r"companies\[1\]"):
            await book.add_known([{"domain": "a.com"}, {"name": "B"}], label="crm")
        assert await book.count_known() == 0


async def test_only_what_is_new_is_counted_and_returned(address: str) -> None:
    """Caught: a company that two searches deliver counted as new twice."""
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(100))
        await batch.run()
        again = await account.client.batch("q5", [search(0, 100), search(7, 100)])
        report = await again.run()
        new = [company async for company in again.rows(new_only=True)]
        every = [company async for company in again.rows()]
        assert (report.rows, len(every)) == (200, 200)
        assert report.new == len(new)
        assert report.known == 200 - len(new) >= 100
        known = {company.linkedin_url async for company in batch.rows()}
        pages = [company.linkedin_url for company in new]
        assert known.isdisjoint(pages)
        assert len(pages) == len(set(pages))
        diff = await account.book.diff("q4", "q5")
        assert (len(diff.both), len(diff.first)) == (100, 0)
        assert len(diff.second) == report.new
        await account.check()


async def test_a_batch_stops_at_so_many_new_companies(address: str) -> None:
    """Caught: searches that are submitted after it; jobs that continue."""
    async with BookAccount(address, lasting(60)) as account:
        batch = await account.client.batch("q4", searches(*[100] * 9), distinct=250)
        report = await batch.run(max_active=2)
        assert 250 <= report.new <= 450
        assert report.skipped > 0
        assert report.submitted == report.planned == 0
        assert len(account.views) < 9
        assert report.spent == account.service.ledger.used
        before = len(account.seen("submit"))
        await batch.run()
        assert len(account.seen("submit")) == before
        more = await account.client.batch("q4", searches(*[100] * 9), distinct=10_000)
        assert (await more.run()).settled == 9
        await account.check()


async def test_a_job_that_brings_nothing_new_is_cancelled(address: str) -> None:
    pages = lasting(30)
    slow = type(pages)(
        queue=0, processed_after=0, first_page_after=5, seconds_per_page=30, closing=0
    )
    async with BookAccount(address, pages, slow) as account:
        await (await account.client.batch("q4", [search(1, 2000)])).run()
        again = await account.client.batch("q5", [search(1, 1900)])
        report = await again.run(min_new_share=0.2, over=200)
        assert (report.cancelled, report.stopped_early) == (1, 1)
        assert report.rows < 1900
        assert 0 <= report.rows_after_stop <= 300
        assert report.spent == report.rows
        await account.check()


async def test_an_identical_search_is_answered_from_the_book(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        first = await account.client.batch("q4", searches(30))
        await first.run()
        used = account.service.ledger.used
        again = await account.client.batch(
            "q5", [search(0, 30), search(5, 30)], reuse_days=30
        )
        report = await again.run()
        assert account.service.ledger.used == used + 30
        assert (report.reused, report.settled, report.rows) == (1, 2, 60)
        assert report.credits_consumed == 30
        entry = (await again.searches(state=EntryState.SETTLED))[0]
        assert entry.reused_from == (await first.searches())[0].key
        assert (entry.billed, entry.new, entry.known) == (0, 0, 30)
        rows = [company async for company in again.rows()]
        assert rows[:30] == [company async for company in first.rows()]
        await account.check_sums()


@pytest.mark.parametrize(
    "options",
    [{"distinct": 0}, {"distinct": 1.5}, {"reuse_days": 0}, {"reuse_days": "x"}],
)
async def test_limits_that_are_refused(address: str, options: dict[str, int]) -> None:
    async with BookAccount(address, lasting(20)) as account:
        with pytest.raises(ConfigurationError):
            await account.client.batch("q4", searches(30), **options)  # type: ignore[arg-type]  # what a caller without types gives
        assert await account.book.batches() == []


@pytest.mark.parametrize(
    "options", [{"min_new_share": 0}, {"min_new_share": 1.1}, {"over": 0}]
)
async def test_rules_that_are_refused(address: str, options: dict[str, int]) -> None:
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(30))
        with pytest.raises(ConfigurationError):
            await batch.run(**options)  # type: ignore[arg-type]  # what a caller without types gives
        assert account.seen("submit") == []


async def test_take_what_a_book_does_not_know(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        await (await account.client.batch("q4", [search(1, 100)])).run()
        job = await account.client.submit(LookalikeSearch(query="search 1", limit=300))
        taken = await job.take(50, new_to=account.book)
        assert len(taken.rows) == 50
        assert taken.scanned > 50
        for company in taken.rows:
            assert await account.book.known(company) is None


async def test_the_balance_is_kept(address: str) -> None:
    async with BookAccount(address, lasting(20), credit=200) as account:
        batch = await account.client.batch("q4", searches(*[50] * 4))
        report = await batch.run(keep_credits=90)
        assert (report.settled, report.planned) == (2, 2)
        assert json.loads(report.to_json())["spent"] == 100
