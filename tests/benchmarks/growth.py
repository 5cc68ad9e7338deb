"""Growth: what a row costs in a Book that is ten or a hundred times as large."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from openfunnel_async import Book, Company
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._planning import plan_batch
from openfunnel_async.book._records import BatchOptions
from openfunnel_async.export import to_file
from tests.benchmarks.book import make_searches
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import STRAIGHT, Table, make_growth_rows

_PAGE = 100
_LAST = 50
_ROWS_A_JOB = 10_000
_BATCH = "bench"
_WHY = "The curve bends: the index of known companies no longer fits the cache."
_NAMES = {
    "open": "to open it, ms",
    "page": "to record a page of 100 new companies, ms",
    "known": "`Book.known()`, one company, µs",
    "report": "the report of its batch, ms",
    "export": "to export it as CSV, µs a row",
}

Numbers = dict[str, float]


def measure(sizes: Sequence[int]) -> Table:
    """Fill one Book after the other, and time what is done to it."""
    found: list[Numbers] = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            found.append(asyncio.run(_measure_one(Path(folder), rows)))
    lines = make_growth_rows(_NAMES, found, ("page", "known", "export"), _WHY)
    about = (
        "A Book on SQLite (synchronous=FULL) with that many rows of different "
        f"companies, filled page by page; medians of the last {_LAST} pages and of "
        f"{_LAST} lookups. A cost by row, page or lookup is to stay below "
        f"{STRAIGHT:g} times the least of the smaller Books."
    )
    heads = ("", *(f"{rows:,} rows" for rows in sizes), "to reach")
    return Table("Growth of a Book", heads, lines, about)


def _make_rows(first: int) -> list[dict[str, object]]:
    return [
        {
            "name": f"Company {number}",
            "domain": f"company{number}.example",
            "linkedin_url": f"https://www.linkedin.com/company/company-{number}",
            "match_reason": "Builds voice agents for clinics.",
        }
        for number in range(first, first + _PAGE)
    ]


async def _measure_one(folder: Path, rows: int) -> Numbers:
    path = folder / "book.sqlite"
    page = await _fill(path, rows)
    began = time.perf_counter()
    async with Book(path) as book:
        (status,) = await book.batches()
        opened = time.perf_counter() - began
        assert status.rows == rows
        batch = await book.batch(_BATCH)
        lookups = [
            await _time(book.known(Company(domain=f"company{number}.example")))
            for number in range(0, rows, max(1, rows // _LAST))
        ]
        report = await _time(batch.report())
        exported = await _time(to_file(batch, folder / "rows.csv"))
    return {
        "open": 1000 * opened,
        "page": 1000 * page,
        "known": 1e6 * statistics.median(lookups),
        "report": 1000 * report,
        "export": 1e6 * exported / rows,
    }


async def _time(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _fill(path: Path, rows: int) -> float:
    """Record all rows, by jobs of at most 10,000; return the seconds of a late page."""
    times: list[float] = []
    limit = min(rows, _ROWS_A_JOB)
    searches = make_searches(rows // limit, limit)
    async with Book(path) as book:
        store = ledger_of(book).store
        planned = plan_batch(_BATCH, searches, 1e9, None)
        await store.plan(_BATCH, planned, BatchOptions(most=1e9))
        for job, entry in enumerate(await store.find_entries(batch=_BATCH)):
            await store.begin_submit(entry.id, _BATCH)
            await store.record_submitted(entry.key, 1, f"job-{job}", limit)
            for first in range(0, limit, _PAGE):
                found = _make_rows(job * limit + first)
                work = store.record_page(entry.id, first, found, "place")
                times.append(await _time(work))
            await store.record_bill(entry.id, "completed", float(limit), None)
    return statistics.median(times[-_LAST:])
