"""What notebooks show: what is known, escaped, and not too much of it."""

import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from openfunnel_async import (
    BulkResult,
    CancelReceipt,
    Company,
    CreditBalance,
    JobOutcome,
    JobPage,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    Manifest,
    OpenFunnelError,
    TakeResult,
    merge_results,
)
from tests.support.scripted import ScriptedTransport, connect, job_reply, manifest

EVIL = "<script>alert('\"&')</script>"
RUNNING = JobSnapshot(job_id="job-1", status=JobStatus.RUNNING, raw_status="running")
RECEIPT = CancelReceipt(
    job_id="job-1",
    accepted=True,
    already_terminal=False,
    status=JobStatus.CANCELLED,
    message=EVIL,
    credits_consumed=37.5,
)


class Page(HTMLParser):
    """Reads a table as a browser does."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(value: Any) -> Page:
    return Page(value._repr_html_())


def result(rows: int, **fields: Any) -> BulkResult:
    filled: dict[str, Any] = {"name": "Acme", **fields}
    company = Company(**filled)
    manifest = Manifest(count=rows, credits_consumed=float(rows))
    done = JobStatus.COMPLETED
    return BulkResult(status=done, rows=(company,) * rows, manifest=manifest)


@pytest.mark.parametrize(
    "value",
    [
        JobSnapshot(
            job_id="job-1",
            status=JobStatus.FAILED,
            raw_status=EVIL,
            error_message=EVIL,
            manifest=Manifest(derived_query=EVIL, resolved_seed_domains=(EVIL,)),
        ),
        RECEIPT,
        result(1, name=EVIL, linkedin_url=f"https://{EVIL}", domain=EVIL),
        TakeResult(
            rows=(Company(name=EVIL),),
            scanned=3,
            receipt=RECEIPT,
            status=JobStatus.CANCELLED,
        ),
        merge_results([result(1, name=EVIL)]),
        Company(description=EVIL, extra={EVIL: [EVIL]}),
        JobPage(
            snapshot=RUNNING, label=EVIL, rows=(Company(name=EVIL),), next_cursor=None
        ),
        JobOutcome(
            search=LookalikeSearch(query=EVIL, extra={EVIL: EVIL}),
            error=OpenFunnelError(EVIL),
        ),
    ],
)
def test_whatever_it_says_is_inert(value: Any) -> None:
    """Caught: a name that was put into the page as it came."""
    page = page_of(value)
    assert page.tags <= {"table", "tr", "td", "th", "p", "a"}
    assert any(EVIL in text for text in page.texts)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", " https://a.example", "//a"]
)
def test_only_web_addresses_are_links(url: str) -> None:
    page = page_of(result(1, linkedin_url=url))
    assert page.links == []
    assert url in page.texts


def test_a_web_address_is_a_link() -> None:
    url = 'https://a.example/?x="1"&y=é'
    page = page_of(result(1, linkedin_url=url))
    assert page.links == [url]
    assert url in page.texts


def test_a_result_shows_ten_companies_and_counts_the_others() -> None:
    page = page_of(result(1234))
    assert page.texts.count("Acme") == 10
    assert "and 1,224 more" in page.texts
    assert "1234" in page.texts


def test_a_result_without_companies_says_so() -> None:
    assert "no companies" in page_of(result(0)).texts


def test_what_is_not_known_is_left_out() -> None:
    texts = page_of(RECEIPT).texts
    assert "37.5" in texts
    assert "credits avoided" not in texts


def test_a_company_shows_its_known_fields_and_the_others() -> None:
    company = Company(
        name="Acme", industries=("Software", "Health"), extra={"signal": {"score": 3}}
    )
    texts = page_of(company).texts
    assert texts[:3] == ["Company", "name", "Acme"]
    assert "Software, Health" in texts
    assert "{'signal': {'score': 3}}" in texts
    assert "domain" not in texts
    assert "extra" not in page_of(Company(name="Acme")).texts


def test_a_page_shows_its_job_its_label_and_its_companies() -> None:
    rows = (Company(name="Acme", domain="acme.example"),) * 50
    texts = page_of(
        JobPage(snapshot=RUNNING, label="page_0001", rows=rows, next_cursor="page_0002")
    ).texts
    assert texts[0] == "JobPage"
    for text in ("job-1", "running", "page_0001", "acme.example", "and 40 more"):
        assert text in texts


def test_a_balance_shows_fractions_as_they_are() -> None:
    balance = CreditBalance(total_credits=1000.0, credits_used=0.5, credits_left=999.5)
    assert page_of(balance).texts[1:] == [
        *("total credits", "1000", "credits used", "0.5", "credits left", "999.5"),
    ]


def test_columns_that_no_company_fills_are_left_out() -> None:
    texts = page_of(result(3, domain="acme.example")).texts
    assert "domain" in texts
    assert "headquarters" not in texts
    assert "name" in page_of(result(1, name=None)).texts


def test_a_text_of_many_lines_is_shown_on_one() -> None:
    texts = page_of(Company(description="We make\n\n  voice\tAI.\u202e")).texts
    assert texts[-1] == r"We make voice AI.\u202e"


def test_text_that_no_page_can_carry_is_spelled_out() -> None:
    html = result(1, name="a\ud800")._repr_html_()
    assert "a\\ud800" in html.encode().decode()


def test_long_text_is_cut() -> None:
    assert f"{'x' * 79}…" in page_of(result(1, name="x" * 5000)).texts


def test_a_page_stays_small_whatever_it_shows() -> None:
    """Caught: a link to an address of a megabyte."""
    huge = "https://" + "x" * 1_000_000
    row = Company(name=huge, linkedin_url=huge, domain="<" * 10_000)
    seeds = Manifest(resolved_seed_domains=(huge,) * 10_000)
    status = JobStatus.COMPLETED
    shown = BulkResult(status=status, rows=(row,) * 20, manifest=seeds)
    assert len(shown._repr_html_()) < 30_000
    odd = Company(industries=(huge,) * 10_000, extra={huge: huge})
    assert len(odd._repr_html_()) < 5_000


@pytest.mark.anyio
async def test_a_handle_shows_its_last_answer_without_asking() -> None:
    transport = ScriptedTransport(read=[job_reply("running", processed=7)])
    async with connect(transport) as client:
        job = client.job("job-1", limit=50)
        assert "unknown" in page_of(job).texts
        assert "50" in page_of(job).texts
        await job.poll()
        texts = page_of(job).texts
        assert texts[texts.index("processed") + 1] == "7"
        assert "running" in texts
    assert transport.count("read") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["rows", "pages"])
async def test_a_stream_shows_its_position_without_asking(kind: str) -> None:
    rows = [{"name": "Acme"}, {"name": "Beta"}]
    done = job_reply("completed", rows=rows, manifest=manifest(2))
    transport = ScriptedTransport(read=[done])
    async with connect(transport) as client:
        job = client.job("job-1", limit=50)
        stream = getattr(job, kind)()
        assert page_of(stream).texts[1:5] == ["job id", "job-1", "row", "0"]
        assert repr(stream) == f"<{type(stream).__name__} at row 0 of job job-1>"
        assert transport.count("read") == 0
        async with stream:
            await anext(stream)
        read = 1 if kind == "rows" else 2
        texts = page_of(stream).texts
        assert texts[texts.index("row") + 1] == str(read)
        assert texts[-2:] == ["closed", "True"]
        assert repr(stream).endswith(f" closed at row {read} of job job-1>")


def test_importing_the_package_does_not_pay_for_it() -> None:
    code = (
        "import sys, openfunnel_async; openfunnel_async.BulkJob; "
        "sys.exit('openfunnel_async._values.notebook' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 -- ours
    assert done.returncode == 0
