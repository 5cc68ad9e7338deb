"""A program that buys a batch into a Book; a test kills it at any moment.

    python -m tests.book.kill.worker BOOK

It prints ``ready`` before it opens the Book, and at its end what the Book says of the
batch. The exit code says how it ended.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from openfunnel_async import (
    Book,
    BookError,
    BookInUseError,
    LookalikeSearch,
    OpenFunnel,
    OpenFunnelError,
    PollPolicy,
)
from openfunnel_async.book._sql import submitting
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sqlite import connection
from openfunnel_async.book._sqlite.connection import open_database
from openfunnel_async.book._sqlite.database import SqliteDatabase

BATCH = "kill"
DONE = 0
IN_USE = 3
BOOK_FAILED = 4
OTHER = 5
_NOBODY = 65_534


def make_searches(count: int) -> list[LookalikeSearch]:
    """Make the searches of a batch: the same ones in every life of the program."""
    rng = Random("searches")
    return [
        LookalikeSearch(query=f"kill {number}", limit=rng.choice([5, 30, 90, 130, 250]))
        for number in range(count)
    ]


async def buy(path: Path, options: argparse.Namespace) -> None:
    """Run the batch to its end."""
    polling = PollPolicy.fixed(0.02)
    async with OpenFunnel(book=Book(path), polling=polling) as client:
        searches = make_searches(options.searches)
        batch = await client.batch(BATCH, searches, max_credits=options.cap)
        report = await batch.run(max_active=options.active)
        sys.stdout.write(f"{json.dumps(report.to_dict())}\n")


async def load() -> None:
    """Import what is imported when it is needed: nobody may not read it later."""
    with TemporaryDirectory() as folder:
        async with OpenFunnel(book=Book(Path(folder, "book.sqlite"))) as client:
            await client.batch(BATCH, make_searches(1))


def forget_intents(db: Database, under_way: Collection[str]) -> list[str]:
    """Plan the submits of a dead process again, as a Book without intents would."""
    del under_way
    db.execute("UPDATE of_search SET state = 'planned' WHERE state = 'submitting'")
    db.execute(
        "DELETE FROM of_reservation WHERE reserved > 0 AND search IN"
        " (SELECT id FROM of_search WHERE state = 'planned')"
    )
    db.execute(
        "UPDATE of_cap SET reserved = (SELECT coalesce(sum(reserved), 0)"
        " FROM of_reservation WHERE cap = of_cap.id)"
    )
    return []


def open_without_sync(path: Path) -> SqliteDatabase:
    """Open a Book whose commits do not wait for the disk."""
    db = open_database(path)
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def main() -> int:
    """Buy the batch; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill.worker")
    parser.add_argument("book", type=Path)
    parser.add_argument("--searches", type=int, default=12)
    parser.add_argument("--active", type=int, default=8)
    parser.add_argument("--cap", type=float)
    parser.add_argument("--forget-intents", action="store_true", help="the control")
    parser.add_argument("--no-sync", action="store_true", help="another control")
    parser.add_argument("--most-bytes", type=int, help="of a file, as on a full disk")
    parser.add_argument("--as-nobody", action="store_true", help="give up being root")
    options = parser.parse_args()
    if options.forget_intents:
        submitting.sweep = forget_intents
    if options.no_sync:
        connection.open_database = open_without_sync
    if options.most_bytes is not None:
        most = (options.most_bytes, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    if options.as_nobody and os.geteuid() == 0:
        asyncio.run(load())
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return _end(lambda: asyncio.run(buy(options.book, options)))


def _end(work: Callable[[], None]) -> int:
    try:
        work()
    except BookInUseError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return IN_USE
    except BookError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return BOOK_FAILED
    except OpenFunnelError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return OTHER
    return DONE


if __name__ == "__main__":
    sys.exit(main())
