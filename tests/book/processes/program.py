"""``python -m tests.book.processes.program WORD ADDRESS ARGUMENTS``: one process.

It prints ``ready``, waits for a line, and prints what it found as JSON. The arguments
are JSON; the sandbox is that of the environment.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from openfunnel_async import Book, LookalikeSearch, OpenFunnel, PollPolicy

POLLING = PollPolicy(shortest=0.05, longest=0.2)


def make_searches(queries: Sequence[tuple[str, int]]) -> list[LookalikeSearch]:
    """Return a search for each query and limit."""
    return [LookalikeSearch(query=query, limit=limit) for query, limit in queries]


async def submit(client: OpenFunnel, _book: Book, asked: dict[str, Any]) -> str:
    """Submit a search under a key; return the id of its job."""
    (search,) = make_searches(asked["searches"])
    return (await client.submit(search, once=asked["key"])).id


async def run(client: OpenFunnel, _book: Book, asked: dict[str, Any]) -> dict[str, Any]:
    """Run a batch; return its report."""
    searches = make_searches(asked["searches"])
    batch = await client.batch(asked["name"], searches, **asked["limits"])
    report = await batch.run(max_active=asked["max_active"])
    return report.to_dict()


async def add_known(_client: OpenFunnel, book: Book, asked: dict[str, Any]) -> int:
    """Add the companies of a list; return how many were not known."""
    return await book.add_known(asked["companies"], label=asked["label"])


_WORDS = {"submit": submit, "run": run, "add_known": add_known}


async def _main(word: str, address: str, asked: dict[str, Any]) -> None:
    book = Book.connect(address)
    async with OpenFunnel(book=book, polling=POLLING) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        found = await _WORDS[word](client, book, asked)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
