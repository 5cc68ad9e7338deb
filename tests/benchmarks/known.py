"""Known companies: the time to look one up, and the bytes to keep it."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from openfunnel_async import Book, Company
from openfunnel_async.book._sql.companies import note_rows
from openfunnel_async.book._sqlite.connection import open_database
from openfunnel_async.book._sqlite.database import SqliteDatabase
from tests.benchmarks.tables import Cell, Figure, Goal, Table

_PAGE = 100
_LOOKUP = Goal(20, why="A page is looked up by one query for each 900 marks.")
_BYTES = Goal(150, why="A company with a page and a domain is two entries of an index.")
_WORDS = ("acme", "northwind-traders", "contoso", "globex-systems", "initech")

Row = dict[str, str]


def measure(*, companies: int, pages: int) -> Table:
    """Add a list of companies, and look up pages of them."""
    rng = Random(14)
    known = [_make_row(rng, number) for number in range(companies)]
    rng.shuffle(known)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.sqlite"
        seconds = asyncio.run(_add(path, known))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        single = asyncio.run(_look_up_each(path, rng.choices(known, k=pages)))
        db = open_database(path)
        old = [rng.choices(known, k=_PAGE) for _ in range(pages)]
        all_known = _look_up(db, old)
        half = [_mix(rng, page, companies) for page in old]
        half_known = _look_up(db, half)
        db.close()
    about = (
        f"{companies:,} companies, each with a LinkedIn page and a domain, added by "
        f"`add_known()`; then pages of {_PAGE} rows of companies at random, from their "
        f"addresses as they arrive: medians of {pages} pages. The rows of what was "
        "bought come on top of the bytes."
    )
    rows: list[Sequence[Cell]] = [
        ["a page, all known: µs a company", Figure(all_known, _LOOKUP, 1), _LOOKUP],
        ["a page, half new, which is added: µs a company", Figure(half_known, None, 1)],
        ["`Book.known()`, one company: µs", Figure(single, None, 1)],
        ["bytes a known company", Figure(size / companies, _BYTES, 1), _BYTES],
        ["adding the list: µs a company", Figure(1e6 * seconds / companies, None, 1)],
    ]
    cells = [[*row, None] if len(row) == 2 else row for row in rows]
    return Table("Known companies", ("", "measured", "to reach"), cells, about)


def _make_row(rng: Random, number: int) -> Row:
    name = f"{rng.choice(_WORDS)}-{number:x}"
    return {
        "linkedin_url": f"https://www.linkedin.com/company/{name}",
        "domain": f"{name}.com",
    }


def _mix(rng: Random, page: list[Row], companies: int) -> list[Row]:
    """Return a page whose second half nobody knows."""
    numbers = rng.sample(range(companies, 10 * companies + 10 * _PAGE), _PAGE // 2)
    return page[: _PAGE // 2] + [_make_row(rng, number) for number in numbers]


async def _add(path: Path, known: list[Row]) -> float:
    async with Book(path) as book:
        began = time.perf_counter()
        await book.add_known(known, label="crm")
        return time.perf_counter() - began


async def _look_up_each(path: Path, rows: list[Row]) -> float:
    took: list[float] = []
    async with Book(path) as book:
        for row in rows:
            company = Company(**row)  # type: ignore[arg-type]  # texts alone
            began = time.perf_counter()
            await book.known(company)
            took.append(time.perf_counter() - began)
    return 1e6 * statistics.median(took)


def _look_up(db: SqliteDatabase, pages: list[list[Row]]) -> float:
    """Return the median of microseconds a company; nothing is kept."""
    db.execute("PRAGMA foreign_keys = OFF")
    took: list[float] = []
    for page in pages:
        db.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        note_rows(db, 1, page)
        took.append(time.perf_counter() - began)
        db.execute("ROLLBACK")
    return 1e6 * statistics.median(took) / _PAGE
