"""The Book beside `run_many`: rows a second, memory, CPU, waiting jobs, commits.

`python -m tests.benchmarks.book MANNER BASE_URL FOLDER SIZE…` runs one of them in a
fresh process, so that what is resident is its own, and prints numbers as JSON.
"""

import asyncio
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from openfunnel_async import (
    AiohttpTransport,
    Book,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    WireReply,
    WireRequest,
)
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._planning import plan_batch
from openfunnel_async.book._records import BatchOptions
from tests.benchmarks.answers import ENDLESS
from tests.benchmarks.clients import KEY
from tests.benchmarks.resident import resident
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Goal, Table

_ACTIVE = 8
_MB = 1e6
_STATUS = Path("/proc/self/status")
_AT_ONCE = PollPolicy.fixed(0.001)
_RATE = Goal(
    20_000,
    at_least=True,
    why="One process decodes each page, builds its rows, packs them and writes them, "
    "beside the server on the same cores.",
)
_PEAK = Goal(60, why="The imports take most of it before anything is read.")
_RESIDENT = Goal(80)
_CORE = Goal(
    15,
    why="Each poll costs what the table of a page and a poll says, at the pace of the "
    "default policy. It would take fewer polls.",
)
_CHANGE = Goal(
    0.3,
    why="A commit waits for this disk. It would take a faster one: with fewer syncs "
    "a power cut could lose an id.",
)
_RATIO = Goal(
    1.5,
    why="Each page is packed as JSON again, compressed and committed, and each company "
    "is looked up among the known ones. A thread of its own does that: each "
    "transaction wakes it and then the event loop, and both take turns in Python. It "
    "would take pages that are stored as the bytes that came, and no known companies.",
)

Numbers = dict[str, float]


@attrs.frozen(kw_only=True)
class BookSize:
    """How much is measured.

    Attributes:
        jobs: Searches of a batch.
        rows: Rows of each of its jobs.
        waiting: Jobs that run for ever.
        seconds: How long they are watched.
        changes: Entries whose changes of state are timed.
        runs: Fresh processes for each of the batches.
    """

    jobs: int
    rows: int
    waiting: int
    seconds: int
    changes: int
    runs: int = 5


def measure(origin: str, size: BookSize) -> Table:
    """Measure everything, each in processes of its own; the batches in turns."""
    batches: dict[str, list[Numbers]] = {"book": [], "run-many": []}
    for _ in range(size.runs):
        for manner, runs in batches.items():
            runs.append(measure_in_process(manner, origin, size.jobs, size.rows))
    ours, others = batches.values()
    waiting = measure_in_process("waiting", origin, size.waiting, size.seconds)
    changes = measure_in_process("changes", origin, size.changes, 0)
    ratio = statistics.median(
        one["cpu"] / other["cpu"] for one, other in zip(ours, others, strict=True)
    )
    return _table(size, ours, others, ratio, waiting | changes)


def measure_in_process(manner: str, origin: str, *size: int) -> Numbers:
    """Measure a manner in a fresh process."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        command = [sys.executable, "-m", __name__, manner, origin, folder]
        output = subprocess.run(  # noqa: S603 -- our own module
            [*command, *map(str, size)], cwd=ROOT, check=True, capture_output=True
        ).stdout
    numbers: Numbers = json.loads(output)
    return numbers


def _table(
    size: BookSize,
    ours: list[Numbers],
    others: list[Numbers],
    ratio: float,
    single: Numbers,
) -> Table:
    def median(runs: list[Numbers], name: str) -> float:
        return statistics.median(run[name] for run in runs)

    total = size.jobs * size.rows
    rows: list[Sequence[Cell]] = [
        [
            f"rows a second into the file, {_ACTIVE} jobs at a time",
            Figure(total / median(ours, "seconds"), _RATE, digits=0),
            Figure(total / median(others, "seconds"), digits=0),
            _RATE,
        ],
        [
            f"peak of resident memory, {total:,} rows, MB",
            Figure(median(ours, "peak") / _MB, _PEAK, digits=1),
            Figure(median(others, "peak") / _MB, digits=1),
            _PEAK,
        ],
        [
            "of that, before the first request, MB",
            Figure(median(ours, "before") / _MB, digits=1),
            Figure(median(others, "before") / _MB, digits=1),
            None,
        ],
        [
            "CPU, in that of `run_many`",
            Figure(ratio, _RATIO),
            Figure(1.0),
            _RATIO,
        ],
        ["size of the file, MB", Figure(ours[0]["file"] / _MB, digits=1), None, None],
        [
            f"{size.waiting:,} waiting jobs, resident, MB",
            Figure(single["resident"] / _MB, _RESIDENT, digits=1),
            None,
            _RESIDENT,
        ],
        [
            f"{size.waiting:,} waiting jobs, % of a core",
            Figure(single["core"], _CORE, digits=1),
            None,
            _CORE,
        ],
        [
            f"{size.waiting:,} waiting jobs, polls a second",
            Figure(single["polls"], digits=0),
            None,
            None,
        ],
        [
            "a change of state, median, ms",
            Figure(single["change"], _CHANGE),
            None,
            _CHANGE,
        ],
        ["a page of 100 rows, median, ms", Figure(single["page"]), None, None],
    ]
    about = (
        f"A batch of {size.jobs} searches of {size.rows:,} rows of six fields in a "
        "Book (SQLite, synchronous=FULL), beside `run_many` over the same searches "
        f"that keeps all rows; fresh processes in turns, medians of {size.runs}. The "
        "jobs are terminal at once and have the same companies, and the server is a "
        "process of its own that adds nothing. The waiting jobs have a limit of "
        f"{ENDLESS:,}, deliver 100 rows every 16 s and are polled as the default "
        f"policy says, for {size.seconds} s. A change of state is an intent, an id or "
        "a bill, from the event loop to the disk and back."
    )
    return Table("The Book", ("", "Book", "`run_many`", "to reach"), rows, about)


def make_searches(count: int, limit: int) -> list[LookalikeSearch]:
    """Return different searches."""
    return [
        LookalikeSearch(query=f"bench {number}", limit=limit) for number in range(count)
    ]


def spent_cpu() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def _run_book(origin: str, path: Path, jobs: int, rows: int) -> Numbers:
    async with OpenFunnel(
        KEY, base_url=origin, book=Book(path), polling=_AT_ONCE
    ) as client:
        batch = await client.batch("bench", make_searches(jobs, rows))
        before, cpu, began = resident(), spent_cpu(), time.perf_counter()
        report = await batch.run(max_active=_ACTIVE)
        took, used = time.perf_counter() - began, spent_cpu() - cpu
    assert report.rows == jobs * rows
    return {
        "seconds": took,
        "cpu": used,
        "peak": _peak(),
        "before": before,
        "file": os.path.getsize(path),  # noqa: PTH202, ASYNC240 -- after the run
    }


async def _run_many(origin: str, _path: Path, jobs: int, rows: int) -> Numbers:
    async with OpenFunnel(KEY, base_url=origin, polling=_AT_ONCE) as client:
        before, cpu, began = resident(), spent_cpu(), time.perf_counter()
        outcomes = await client.run_many(make_searches(jobs, rows), max_active=_ACTIVE)
        took, used = time.perf_counter() - began, spent_cpu() - cpu
    found = [len(one.result.rows) for one in outcomes if one.result is not None]
    assert sum(found) == jobs * rows
    return {"seconds": took, "cpu": used, "peak": _peak(), "before": before}


class _CountingTransport(AiohttpTransport):
    """Counts the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def send(self, request: WireRequest, /) -> WireReply:
        self.sent += 1
        return await super().send(request)


async def _wait(origin: str, path: Path, jobs: int, seconds: int) -> Numbers:
    """Follow jobs that run for ever; what that takes once all were submitted."""
    transport = _CountingTransport()
    async with OpenFunnel(
        KEY, base_url=origin, book=Book(path), transport=transport
    ) as client:
        batch = await client.batch("bench", make_searches(jobs, ENDLESS))
        run = asyncio.create_task(batch.run(max_active=jobs))
        while (await batch.status()).submitted < jobs:  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.2)
        before, cpu, began = transport.sent, spent_cpu(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        numbers = {
            "resident": float(resident()),
            "core": 100 * (spent_cpu() - cpu) / took,
            "polls": (transport.sent - before) / took,
        }
        run.cancel()
        await asyncio.wait([run])
    return numbers


async def _change(_origin: str, path: Path, entries: int, _: int) -> Numbers:
    """Time single transactions, from the event loop to the disk and back."""
    changes: list[float] = []
    pages: list[float] = []

    async def timed(times: list[float], work: Awaitable[object]) -> None:
        began = time.perf_counter()
        await work
        times.append(1000 * (time.perf_counter() - began))

    rows = [{"name": f"Company {n}", "domain": f"{n}.example"} for n in range(100)]
    async with Book(path) as book:
        store = ledger_of(book).store
        planned = plan_batch("bench", make_searches(entries, 100), 1e9, None)
        await store.plan("bench", planned, BatchOptions(most=1e9))
        for entry in await store.find_entries(batch="bench"):
            job_id = f"job-{entry.id}"
            await timed(changes, store.begin_submit(entry.id, "bench"))
            submitted = store.record_submitted(entry.key, 1, job_id, 100)
            await timed(changes, submitted)
            await timed(pages, store.record_page(entry.id, 0, rows, job_id))
            bill = store.record_bill(entry.id, "completed", 100.0, None)
            await timed(changes, bill)
    return {"change": statistics.median(changes), "page": statistics.median(pages)}


_MANNERS: dict[str, Callable[[str, Path, int, int], Awaitable[Numbers]]] = {
    "book": _run_book,
    "run-many": _run_many,
    "waiting": _wait,
    "changes": _change,
}


async def _main(manner: str, origin: str, folder: str, first: int, second: int) -> None:
    path = Path(folder, "book.sqlite")
    numbers = await _MANNERS[manner](origin, path, first, second)
    sys.stdout.write(f"{json.dumps(numbers)}\n")


if __name__ == "__main__":
    _MANNER, _ORIGIN, _FOLDER, _FIRST, _SECOND = sys.argv[1:]
    asyncio.run(_main(_MANNER, _ORIGIN, _FOLDER, int(_FIRST), int(_SECOND)))
