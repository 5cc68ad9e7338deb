"""A program that buys a batch beside others; a test kills it at any moment.

    python -m tests.book.kill_postgres.worker URL

It prints ``ready`` before it connects. The exit code says how it ended.
"""

import argparse
import asyncio
import signal
import sys
from asyncio import FIRST_COMPLETED
from collections.abc import Collection

from openfunnel_async import (
    Batch,
    Book,
    BookError,
    BookTooNewError,
    OpenFunnel,
    OpenFunnelError,
    PollPolicy,
)
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._postgres import connection, leases, schema
from openfunnel_async.book._postgres import store as store_module
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.book._sql import following
from openfunnel_async.book._sql.database import Database
from openfunnel_async.workers import run_worker
from tests.book.kill.worker import BATCH, BOOK_FAILED, DONE, OTHER, make_searches

TOO_NEW = 6
STOPPED = 7
_LOOK_EVERY = 0.2
_STALLED_AFTER = 5.0


async def buy(options: argparse.Namespace) -> int:
    """Run the batch to its end, together with the other processes."""
    book = Book.connect(options.url)
    store = ledger_of(book).store
    assert isinstance(store, PostgresStore)
    store.lease = options.lease
    store._connections._patience = options.patience
    store_module._RENEW_WITHIN = connection._CLOSE_WITHIN = options.patience
    connection._STALLED_AFTER = connection._READ_STALLED_AFTER = _STALLED_AFTER
    polling = PollPolicy.fixed(0.02)
    async with OpenFunnel(book=book, polling=polling) as client:
        searches = make_searches(options.searches)
        batch = await client.batch(BATCH, searches, max_credits=options.cap)
        if not options.engine:
            await batch.run(max_active=options.active)
            return DONE
        stop, is_stopped = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, is_stopped.set)
        work = asyncio.create_task(
            run_worker(book, client, concurrency=options.active, stop=stop)
        )
        ends = asyncio.create_task(is_stopped.wait())
        while not (work.done() or ends.done() or await is_bought(batch, store)):
            both = (work, ends)
            await asyncio.wait(both, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
        stop.set()
        await work
        return STOPPED if ends.done() else DONE


async def is_bought(batch: Batch, store: PostgresStore) -> bool:
    """Whether nothing is left to do, unless a person decides about unknown submits."""
    status = await batch.status()
    return not (status.submitting or status.submitted or await store.find_due(1, None))


def forget_intents(
    db: PostgresDatabase, under_way: Collection[str], owner: str
) -> list[str]:
    """Plan the submits of a dead process again, as a Book without intents would."""
    del under_way, owner
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


def follow_always(db: Database, entry_id: int, epoch: int | None) -> None:
    """Let everybody write the pages of a job."""
    del db, entry_id, epoch


def main() -> int:
    """Buy the batch; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill_postgres.worker")
    parser.add_argument("url")
    parser.add_argument("--searches", type=int, default=12)
    parser.add_argument("--active", type=int, default=8)
    parser.add_argument("--cap", type=float)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--patience", type=float, default=3.0)
    parser.add_argument("--engine", action="store_true", help="dispatch by tasks")
    parser.add_argument("--newer", action="store_true", help="a version of next year")
    parser.add_argument("--forget-intents", action="store_true", help="the control")
    parser.add_argument("--ignore-leases", action="store_true", help="another one")
    options = parser.parse_args()
    if options.newer:
        newer = (*schema.MIGRATIONS, "ALTER TABLE of_batch ADD COLUMN tried text")
        schema.MIGRATIONS = newer  # type: ignore[assignment]  # one more than there is
    if options.forget_intents:
        leases.sweep = forget_intents
    if options.ignore_leases:
        leases._FREE = "(owner IS NULL OR ?::float8 > 0)"
        following._check_lease = follow_always
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        return asyncio.run(buy(options))
    except BookTooNewError:
        return TOO_NEW
    except BookError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return BOOK_FAILED
    except OpenFunnelError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return OTHER


if __name__ == "__main__":
    sys.exit(main())
