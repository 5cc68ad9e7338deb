"""`python -m tests.workers.program WORD URL ...`: what one process does to a Book.

``plan NUMBER LIMIT`` plans the batch, ``work`` is a worker, ``export FILE`` writes the
companies. The leases are short, so that a test need not wait for a minute.
"""

import asyncio
import sys
from pathlib import Path

from openfunnel_async import Book, LookalikeSearch, OpenFunnel
from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.export import to_file
from openfunnel_async.workers import run_worker

BATCH = "q4"
LEASE = 4.0


def connect(url: str, lease: float = LEASE, patience: float = 20.0) -> Book:
    """Return a Book whose leases are short, and which waits so long for a database."""
    book = Book.connect(url)
    store = book._ledger.store  # pyright: ignore[reportPrivateUsage]
    assert isinstance(store, PostgresStore)
    store.lease = lease
    store._connections._patience = patience  # pyright: ignore[reportPrivateUsage]
    return book


def make_searches(number: int, limit: int) -> list[LookalikeSearch]:
    """Return different searches."""
    return [LookalikeSearch(query=f"case {n}", limit=limit) for n in range(number)]


async def run(word: str, url: str, *arguments: str) -> None:
    """Do what the words say."""
    book = connect(url)
    async with OpenFunnel(book=book) as client:
        if word == "plan":
            number, limit = map(int, arguments)
            await client.batch(BATCH, make_searches(number, limit), max_credits=1e6)
        elif word == "work":
            await run_worker(book, client)
        else:
            batch = await client.batch(BATCH)
            await to_file(batch, Path(arguments[0]))


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
