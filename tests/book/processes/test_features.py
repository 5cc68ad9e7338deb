"""What real processes do to one Book at the same time, or one after the other."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from openfunnel_async import (
    Batch,
    Book,
    ConfigurationError,
    LookalikeSearch,
    OpenFunnel,
)
from openfunnel_async.book import EntryState
from openfunnel_async.export import to_file
from openfunnel_async.sandbox import JobLife, Sandbox, SlowAnswer, Unknowns
from tests.book.processes.program import POLLING, make_searches
from tests.book.processes.programs import run_together
from tests.support.stakes import most_committed

pytestmark = pytest.mark.anyio

CHECKPOINT = 100


def lasting(rows: int | None = None, *, page: float = 0.0) -> JobLife:
    """Plan a job with a number of seconds for each page."""
    return JobLife(
        queue=0, first_page_after=page, seconds_per_page=page, closing=0, rows=rows
    )


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A service whose jobs end at once, and stop with a page after a cancel."""
    unknowns = Unknowns(settle="next_page")
    async with Sandbox(
        unknowns=unknowns, plan=lambda _number, _limit: lasting()
    ) as started:
        yield started


def open_client(sandbox: Sandbox, book: Book) -> OpenFunnel:
    key, url = sandbox.api_key, sandbox.base_url
    return OpenFunnel(key, base_url=url, book=book, polling=POLLING)


def count_submits(sandbox: Sandbox) -> int:
    return sum(seen.kind == "submit" for seen in sandbox.requests)


def asking_to_run(
    searches: Iterable[tuple[str, int]], *, max_active: int = 4, **limits: float
) -> tuple[str, dict[str, Any]]:
    """Return a program that runs the batch ``q4``."""
    asked = {"name": "q4", "searches": list(searches), "limits": limits}
    return "run", {**asked, "max_active": max_active}


def several(number: int, limit: int) -> list[tuple[str, int]]:
    return [(f"case {place}", limit) for place in range(number)]


async def truth(client: OpenFunnel, batch: Batch) -> list[dict[str, Any]]:
    """Return the rows of a batch as the service has them."""
    rows: list[dict[str, Any]] = []
    for entry in await batch.searches():
        assert entry.job_id is not None
        result = await client.job(entry.job_id).result()
        rows += [company.to_dict() for company in result]
    return rows


async def check_sums(address: str, sandbox: Sandbox) -> None:
    """Compare the bills of the Book with those of the service."""
    async with Book.connect(address) as book:
        assert (await book.check()).problems == ()
        billed = sum(entry.billed or 0.0 for entry in await book.entries())
        assert billed == sandbox.ledger.used


async def test_one_key_asked_for_at_once_is_one_job(
    address: str, sandbox: Sandbox
) -> None:
    """Caught: a process that submits while another one's answer is on its way."""
    sandbox.faults.append(SlowAnswer(on="submit", delay=0.5))
    asked = {"key": "crm-4711", "searches": [("voice ai", 50)]}
    found = await run_together(sandbox, address, *[("submit", asked)] * 3)
    (job_id,) = sandbox.jobs
    assert found == [job_id] * 3
    assert count_submits(sandbox) == 1
    async with Book.connect(address) as book, open_client(sandbox, book) as client:
        with pytest.raises(ConfigurationError, match="another search"):
            await client.submit(LookalikeSearch(query="x", limit=50), once="crm-4711")
    assert count_submits(sandbox) == 1


async def test_a_cap_is_exact_over_two_runs_of_a_batch(
    postgres_url: str, sandbox: Sandbox
) -> None:
    """Caught: a cap that is checked outside of the transaction that reserves."""
    bills = [40, 13, 40, 7]
    sandbox.plan = lambda number, _limit: lasting(bills[number % 4], page=0.3)
    run = asking_to_run(several(24, 40), max_credits=300)
    reports = await run_together(sandbox, postgres_url, run, run)
    assert reports[0] == reports[1]
    (report, _) = reports
    assert 260 < most_committed(sandbox.jobs.values()) <= 300
    assert report["spent"] == sandbox.ledger.used <= 300
    assert report["reserved"] == 0
    assert report["over_cap"] == report["skipped"] > 0
    assert report["settled"] == count_submits(sandbox) == len(sandbox.jobs)
    # What was skipped did not fit: the cap was used as far as it goes.
    assert report["spent"] + 40 > 300
    await check_sums(postgres_url, sandbox)


async def test_two_runs_stop_together_at_enough_new_companies(
    postgres_url: str, sandbox: Sandbox
) -> None:
    """Each job delivers at most a page after the decision, also the other process's.

    The Book counts a page once the next one has begun, so at the decision each job may
    have delivered one that is not counted yet.

    Caught: a run that counts its own companies alone, or follows its jobs to the end.
    """
    sandbox.plan = lambda _number, _limit: lasting(page=3.5)
    run = asking_to_run(several(8, 1_000), max_active=2, distinct=500)
    async with Book.connect(postgres_url) as book:
        runs = asyncio.create_task(run_together(sandbox, postgres_url, run, run))
        while True:
            await asyncio.sleep(0.02)
            statuses = await book.batches()
            if (statuses and statuses[0].new >= 500) or runs.done():
                break
        decided = {job.id: job.rows_written for job in sandbox.jobs.values()}
        reports = await runs
        entries = await book.entries()
    assert reports[0] == reports[1]
    (report, _) = reports
    after = {
        job.id: job.rows_written - decided.get(job.id, 0)
        for job in sandbox.jobs.values()
    }
    assert len(sandbox.jobs) == len(decided) == 4
    assert max(after.values()) <= CHECKPOINT
    assert 500 <= report["new"] <= 500 + CHECKPOINT * (2 * 4 + 1)
    assert (report["cancelled"], report["skipped"]) == (4, 4)
    assert report["spent"] == report["rows"] == sandbox.ledger.used
    skipped = {entry.state for entry in entries} - {EntryState.SETTLED}
    assert skipped == {EntryState.SKIPPED}
    await check_sums(postgres_url, sandbox)


async def test_a_search_of_another_process_is_answered_from_the_book(
    address: str, sandbox: Sandbox
) -> None:
    """Caught: an identical search that each process buys for itself."""
    searches = several(2, 30)
    await run_together(sandbox, address, asking_to_run(searches))
    book = Book.connect(address)
    async with open_client(sandbox, book) as client:
        wanted = [*make_searches(searches), LookalikeSearch(query="other", limit=30)]
        again = await client.batch("q5", wanted, reuse_days=30)
        report = await again.run()
        assert (report.reused, report.rows, report.credits_consumed) == (2, 90, 30)
        first = await client.batch("q4")
        assert [row async for row in again.rows()][:60] == [
            row async for row in first.rows()
        ]
    assert count_submits(sandbox) == 3
    await check_sums(address, sandbox)


async def test_companies_of_other_processes_are_known(
    address: str, sandbox: Sandbox
) -> None:
    """Caught: companies that a process remembers for itself."""
    listed = {"companies": [{"domain": "crm.example"}], "label": "crm"}
    bought, added = await run_together(
        sandbox, address, asking_to_run([("case 0", 100)]), ("add_known", listed)
    )
    assert (bought["new"], added) == (100, 1)
    book = Book.connect(address)
    async with open_client(sandbox, book) as client:
        rows = [row async for row in (await client.batch("q4")).rows()]
        assert {await book.known(row) for row in rows} == {"q4"}
        assert await book.known(type(rows[0])(domain="www.crm.example")) == "crm"
        assert await book.add_known(rows, label="again") == 0
        search = LookalikeSearch(query="case 0", limit=300)
        taken = await (await client.submit(search)).take(50, new_to=book)
        assert len(taken.rows) == 50
        assert taken.scanned > 50
        assert {await book.known(row) for row in taken.rows} == {None}
        await book.add_known(taken.rows, label="taken")
        again = await client.batch("q5", [search])
        report = await again.run()
        new = [row async for row in again.rows(new_only=True)]
        known = {row.linkedin_url for row in [*rows, *taken.rows]}
        pages = [row.linkedin_url for row in new]
        every = {row.linkedin_url async for row in again.rows()}
        assert set(pages) == every - known
        assert report.new == len(pages) == len(set(pages))
        assert (report.rows, report.known) == (300, 300 - report.new)
        assert report.known >= 50


def read_back(path: Path) -> list[list[str]]:
    """Return the names and the pages in a file, in its order."""
    columns = ("name", "linkedin_url")
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [[line[name] for name in columns] for line in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").splitlines()
        return [[json.loads(line)[name] for name in columns] for line in lines]
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    head, *cells = ([cell.value for cell in line] for line in sheet.iter_rows())
    places = [head.index(name) for name in columns]
    return [[str(line[place]) for place in places] for line in cells]


async def test_a_batch_of_two_processes_is_exported_by_a_third(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Caught: rows in the order of their arrival, or of one process alone."""
    sandbox.plan = lambda number, _limit: lasting(page=0.1 * (number % 3))
    run = asking_to_run(several(9, 250), max_active=3)
    reports = await run_together(sandbox, postgres_url, run, run)
    assert [report["rows"] for report in reports] == [2_250] * 2
    book = Book.connect(postgres_url)
    async with open_client(sandbox, book) as client:
        batch = await client.batch("q4")
        whole = await truth(client, batch)
        assert [row.to_dict() async for row in batch.rows()] == whole
        expected = [[row["name"], row["linkedin_url"]] for row in whole]
        for suffix in ("csv", "jsonl", "xlsx"):
            path = tmp_path / f"companies.{suffix}"
            report = await to_file(batch, path)
            assert report.rows == len(whole) == 2_250
            assert read_back(path) == expected
    await check_sums(postgres_url, sandbox)
