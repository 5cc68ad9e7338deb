"""`python -m tests.benchmarks`: measure, print the tables, write them down."""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import aiohttp
import attrs

from tests.benchmarks import (
    book,
    budget,
    call_tables,
    calls,
    fleet,
    growth,
    harvest,
    importing,
    known,
    layers,
    memory,
    pace,
    postgres_book,
    refresh,
    row_growth,
    slow_link,
    soak,
    spending,
    versions,
    wait_growth,
)
from tests.benchmarks.server import ROOT, serving
from tests.benchmarks.tables import Table, Tables

_PAGE = ROOT / "docs" / "benchmarks.md"
_HEAD = """\
# Benchmarks

Written by `nox -s bench`. CPU is compared only within a run, by alternating blocks: a
ratio says more than a time, which is this machine's and this hour's. None of this is a
test. Where a number falls short of what is to be reached it says so, and why.
"""


@attrs.frozen(kw_only=True)
class Size:
    """How much is measured."""

    rounds: int
    calls: int
    repeats: Mapping[int, int]
    slow_pages: Mapping[int, int]
    fleet: int
    pace: float
    fleet_rounds: int
    soak_pace: float
    memory_runs: int
    polls: int
    imports: int
    paced: Mapping[str, int]
    budgeted: int
    book: book.BookSize
    postgres: postgres_book.PostgresSize
    growth: Sequence[int]
    job_growth: Sequence[int]
    fleet_growth: Sequence[int]
    known: int
    spenders: int
    submits: int


_FULL = Size(
    rounds=41,
    calls=20,
    repeats={0: 9, 20: 3, 100: 1, 200: 1},
    slow_pages={256: 8, 1000: 16},
    fleet=5000,
    pace=3.0,
    fleet_rounds=2,
    soak_pace=10.0,
    memory_runs=3,
    polls=10_000,
    imports=15,
    paced={"small": 400, "medium": 400, "large": 40},
    budgeted=1000,
    book=book.BookSize(jobs=60, rows=1000, waiting=1000, seconds=30, changes=1000),
    postgres=postgres_book.PostgresSize(jobs=60, rows=1000, waiting=3000, seconds=20),
    growth=(10_000, 100_000, 1_000_000),
    job_growth=(100, 1000, 10_000, 100_000),
    fleet_growth=(100, 1000, 10_000, 100_000),
    known=1_000_000,
    spenders=8,
    submits=250,
)
_QUICK = Size(
    rounds=1,
    calls=1,
    repeats={0: 1},
    slow_pages={100_000: 2},
    fleet=20,
    pace=0.01,
    fleet_rounds=1,
    soak_pace=0.01,
    memory_runs=1,
    polls=20,
    imports=1,
    paced={"small": 1, "medium": 1, "large": 1},
    budgeted=100,
    book=book.BookSize(jobs=2, rows=1000, waiting=20, seconds=1, changes=20, runs=1),
    postgres=postgres_book.PostgresSize(jobs=2, rows=1000, waiting=5, seconds=0.5),
    growth=(1000, 2000),
    job_growth=(100, 200),
    fleet_growth=(10, 20),
    known=1000,
    spenders=2,
    submits=4,
)


def _sections(
    size: Size, pythons: Sequence[str]
) -> Iterator[tuple[str, Callable[[], Table | Tables]]]:
    """Name each section's measurement, with one server for those that need one."""
    with serving(*sorted({0, 20, *size.repeats})) as origins:
        by_latency = {latency: origins[latency] for latency in size.repeats}
        effort = calls.Effort(rounds=size.rounds, calls=size.calls)
        yield "calls", lambda: call_tables.measure(origins[0], effort)
        yield (
            "layers",
            lambda: layers.measure(origins[0], calls=size.rounds * size.calls),
        )
        yield "versions", lambda: versions.measure(origins[0], pythons, effort)
        yield (
            "harvest",
            lambda: asyncio.run(harvest.measure(by_latency, size.repeats)),
        )
        yield "slow link", lambda: asyncio.run(slow_link.measure(size.slow_pages))
        yield (
            "fleet",
            lambda: asyncio.run(
                fleet.measure(
                    origins[20],
                    jobs=size.fleet,
                    pace=size.pace,
                    rounds=size.fleet_rounds,
                )
            ),
        )
        yield (
            "soak",
            lambda: soak.measure(origins[0], jobs=size.fleet, pace=size.soak_pace),
        )
        yield (
            "memory",
            lambda: memory.measure(
                origins[0], runs=size.memory_runs, jobs=size.fleet, polls=size.polls
            ),
        )
        yield "growth of a job", lambda: row_growth.measure(origins[0], size.job_growth)
        yield (
            "growth of a fleet",
            lambda: wait_growth.measure(origins[0], size.fleet_growth),
        )
        yield "book", lambda: book.measure(origins[0], size.book)
        yield (
            "book on PostgreSQL",
            lambda: asyncio.run(postgres_book.measure(origins[0], size.postgres)),
        )
    yield "growth", lambda: growth.measure(size.growth)
    yield "importing", lambda: importing.measure(runs=size.imports)
    yield "pace", lambda: pace.measure(each=size.paced, at_once=size.budgeted)
    yield "budget", lambda: budget.measure(jobs=size.budgeted)
    yield "known", lambda: known.measure(companies=size.known, pages=500)
    yield "refresh", lambda: refresh.measure(active=(1, 2, 4))
    yield (
        "spending",
        lambda: spending.measure(processes=size.spenders, submits=size.submits),
    )


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; 0 also where a number is missed."""
    options = _parser().parse_args(arguments)
    if options.out is None and not (options.quick or options.only):
        options.out = _PAGE
    missing = calls.missing_peers()
    if missing and not options.quick:
        sys.stderr.write(f"install the group bench first: no {', '.join(missing)}\n")
        return 2
    parts = [f"{_HEAD}\n{_machine()}\n"]
    size = _QUICK if options.quick else _FULL
    for name, measure in _sections(size, options.python):
        if options.only and name not in options.only:
            continue
        began = time.perf_counter()
        table = str(measure())
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
        sys.stdout.write(f"{table}\n\n")
        sys.stdout.flush()
        parts.append(f"{table}\n")
    if options.out is not None:
        options.out.write_text("\n".join(parts), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="a proof that all runs")
    parser.add_argument(
        "--only", metavar="SECTION", action="append", help="of it, and only print it"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write there, not to docs"
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        action="append",
        default=[],
        help="another interpreter with the dependencies and orjson",
    )
    return parser


def _machine() -> str:
    return (
        f"Measured on {platform.python_implementation()} {platform.python_version()} "
        f"with aiohttp {aiohttp.__version__}, on {os.cpu_count()} cores under a load "
        f"of {os.getloadavg()[0]:.1f} when it began."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
