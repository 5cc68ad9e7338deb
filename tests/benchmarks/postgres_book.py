"""The Book on PostgreSQL: rows a second of two workers, and many waiting jobs.

`python -m tests.benchmarks.postgres_book BASE_URL DATABASE` is one worker, which ends
with its standard input; for each line that it reads it prints what is resident, and the
CPU seconds since it began.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import attrs
import psycopg

from openfunnel_async import Book, OpenFunnel, PollPolicy
from openfunnel_async.book import BatchStatus
from openfunnel_async.workers import run_worker
from tests.benchmarks.answers import ENDLESS
from tests.benchmarks.book import make_searches, measure_in_process, spent_cpu
from tests.benchmarks.clients import KEY
from tests.benchmarks.resident import resident
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.support.postgres import PostgresServer, make_schema

_BATCH = "bench"
_WORKERS = 2
_MB = 1e6
_RATE = Goal(
    10_000,
    at_least=True,
    why="The two workers, the database and the service share the cores; each page is "
    "decoded, looked up among the known companies, packed, sent and committed.",
)
_RESIDENT = Goal(130, why="The imports and a task for each job take most of it.")
_COMMITS = Goal(30, why="Leases are renewed, and each slice of a task is a commit.")
_RATIO = Goal(
    1.5,
    why="Each page is packed as JSON again, compressed and sent to the database, and "
    "an entry is a task of a queue, with a lease that is renewed. It would take "
    "several pages in a transaction, which a crash would make the service send again.",
)
_AT_MOST = 200.0


@attrs.frozen(kw_only=True)
class PostgresSize:
    """How much is measured.

    Attributes:
        jobs: Searches of the batch that two workers run.
        rows: Rows of each of its jobs.
        waiting: Jobs that run for ever.
        seconds: How long they are watched.
    """

    jobs: int
    rows: int
    waiting: int
    seconds: float


async def measure(origin: str, size: PostgresSize) -> Table:
    """Measure on a server of our own whose commits wait for the disk."""
    with PostgresServer(is_safe=True) as server:
        rate, cpu = await _measure_rate(origin, make_schema(server.url), size)
        waiting, memory, commits = await _measure_waiting(
            origin, make_schema(server.url), size
        )
    ratio = cpu / measure_in_process("run-many", origin, size.jobs, size.rows)["cpu"]
    rows: list[Sequence[Cell]] = [
        [
            f"rows a second into the database, {_WORKERS} workers",
            Figure(rate, _RATE, digits=0),
            _RATE,
        ],
        [
            f"CPU of the {_WORKERS} workers, in that of `run_many`",
            Figure(ratio, _RATIO),
            _RATIO,
        ],
        [
            f"{waiting:,} waiting jobs in one process, resident, MB",
            Figure(memory / _MB, _RESIDENT, digits=1),
            _RESIDENT,
        ],
        [
            f"{waiting:,} waiting jobs in one process, commits a second",
            Figure(commits, _COMMITS, digits=1),
            _COMMITS,
        ],
    ]
    about = (
        f"A batch of {size.jobs} searches of {size.rows:,} rows of six fields by "
        f"`run_worker()` in {_WORKERS} processes, from the first submit to the last "
        "bill, on a PostgreSQL whose commits wait for the disk; the database and the "
        "service run on the same cores, and their CPU is not counted. The waiting jobs "
        f"have a limit of {ENDLESS:,}, deliver 100 rows every 16 s, are polled as the "
        f"default policy says, and are watched for {size.seconds:g} s. At most "
        f"{_AT_MOST:.0f} s are given to submit {size.waiting:,}; if fewer wait, "
        "the commits are also those of submits."
    )
    return Table("The Book on PostgreSQL", ("", "workers", "to reach"), rows, about)


async def _measure_rate(
    origin: str, url: str, size: PostgresSize
) -> tuple[float, float]:
    """Return rows a second, and the CPU seconds of the workers."""
    await _plan(url, size.jobs, size.rows)
    async with _working(origin, url, _WORKERS, "quick") as workers:
        await _until(url, lambda status: status.settled == size.jobs, 200)
        cpu = sum([(await _ask(worker))[1] for worker in workers])
    async with Book.connect(url) as book:
        entries = await book.entries(batch=_BATCH)
    assert sum(entry.rows for entry in entries) == size.jobs * size.rows
    began = min(_need_moment(entry.submitted_at) for entry in entries)
    ended = max(_need_moment(entry.settled_at) for entry in entries)
    return size.jobs * size.rows / (ended - began).total_seconds(), cpu


async def _ask(worker: asyncio.subprocess.Process) -> tuple[float, float]:
    """Return the resident bytes of a worker, and its CPU seconds."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(b"\n")
    memory, cpu = (await worker.stdout.readline()).split()
    return float(memory), float(cpu)


def _need_moment(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment


async def _measure_waiting(
    origin: str, url: str, size: PostgresSize
) -> tuple[int, float, float]:
    """Return how many jobs wait, the bytes of their process, commits a second."""
    await _plan(url, size.waiting, ENDLESS)
    async with _working(origin, url, 1, "default") as (worker,):
        status = await _until(
            url, lambda status: status.submitted == size.waiting, _AT_MOST
        )
        # The work of the submits ends within this time.
        await asyncio.sleep(min(5.0, size.seconds))
        before, began = _count_commits(url), time.perf_counter()
        await asyncio.sleep(size.seconds)
        commits = _count_commits(url) - before
        commits_a_second = commits / (time.perf_counter() - began)
        memory, _ = await _ask(worker)
    return status.submitted, memory, commits_a_second


def _count_commits(url: str) -> int:
    """Return the commits of the database so far, but for those of this look."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT xact_commit FROM pg_stat_database"
            " WHERE datname = current_database()"
        ).fetchone()
    assert found is not None
    return int(found[0])


async def _plan(url: str, jobs: int, limit: int) -> None:
    async with (
        Book.connect(url) as book,
        OpenFunnel(KEY, base_url="http://127.0.0.1:9", book=book) as client,
    ):
        await client.batch(_BATCH, make_searches(jobs, limit), max_credits=1e9)


async def _until(
    url: str, is_true: Callable[[BatchStatus], bool], seconds: float
) -> BatchStatus:
    """Wait until the batch is so, or for so long."""
    over = time.perf_counter() + seconds
    async with Book.connect(url) as book:
        while True:
            (status,) = await book.batches()
            if is_true(status) or time.perf_counter() > over:
                return status
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _working(
    origin: str, url: str, number: int, polling: str
) -> AsyncGenerator[list[asyncio.subprocess.Process]]:
    command = [sys.executable, "-m", __name__, origin, url, polling]
    workers = [
        await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(number)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            await worker.communicate()


async def _work(origin: str, url: str, polling: str) -> None:
    """Work until the process is killed."""
    began = spent_cpu()

    def tell() -> None:
        if sys.stdin.readline():
            sys.stdout.write(f"{resident()} {spent_cpu() - began}\n")
            sys.stdout.flush()

    asyncio.get_running_loop().add_reader(sys.stdin, tell)
    policy = PollPolicy.fixed(0.001) if polling == "quick" else PollPolicy()
    book = Book.connect(url)
    async with OpenFunnel(KEY, base_url=origin, book=book, polling=policy) as client:
        await run_worker(book, client, concurrency=5000, stop=asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]))
