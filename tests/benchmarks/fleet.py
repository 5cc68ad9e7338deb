"""A fleet on one loop: CPU a poll and the longest block, the peers beside."""

import asyncio
import gc
import statistics
import time
from collections.abc import Mapping, Sequence

import attrs

from tests.benchmarks.answers import waiting
from tests.benchmarks.blocks import without_the_past
from tests.benchmarks.lateness import Lateness, watched
from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.benchmarks.waiters import BARE, HTTPX, SDK, Wait, waiters

_POLLS = 3
_CPU = Goal(
    1.3,
    why="To the costs of a poll (above) come two tasks for each wait, and the garbage "
    "collector's passes over what they hold. It would take a cheaper poll, as there.",
)
_BLOCK = Goal(
    150,
    why="All waits begin in one turn of the loop; half of what that takes goes to the "
    "garbage collector, which meets that many new objects at once. Their requests "
    "begin a hundred in a turn. It would take waits that let the loop go before they "
    "begin, which one wait alone would pay for, too.",
)


@attrs.frozen
class Run:
    """One run of the fleet: CPU seconds a poll, and the blocks of its loop."""

    cpu: float
    lateness: Lateness


async def _run(wait: Wait, jobs: int, name: str) -> Run:
    """Wait for all jobs at once."""
    gc.collect()
    async with watched() as lateness:
        started = time.process_time()
        ids = [waiting(_POLLS, f"{name}-{number}") for number in range(jobs)]
        await asyncio.gather(*map(wait, ids))
        took = time.process_time() - started
    return Run(took / (jobs * _POLLS), lateness)


@attrs.define
class _Found:
    """The runs of each client, and their CPU in that of the baseline beside them."""

    runs: dict[str, list[Run]]
    ratios: dict[str, list[float]]

    async def add(self, fleets: Mapping[str, Wait], jobs: int) -> None:
        """Run every fleet once, each between two runs of the baseline."""
        before = self.runs[BARE][-1] if self.runs[BARE] else None
        if before is None:
            before = await _run(fleets[BARE], jobs, BARE)
            self.runs[BARE].append(before)
        for name in self.ratios:
            own = await _run(fleets[name], jobs, name)
            after = await _run(fleets[BARE], jobs, BARE)
            self.runs[name].append(own)
            self.runs[BARE].append(after)
            self.ratios[name].append(own.cpu / ((before.cpu + after.cpu) / 2))
            before = after


async def measure(origin: str, *, jobs: int, pace: float, rounds: int) -> Table:
    """Run the fleets in turns, round after round."""
    async with waiters(origin, pace) as fleets:
        # Connections and code are warm from here on.
        for wait in fleets.values():
            await _run(wait, min(jobs, 100), "warm")
        contenders = [name for name in (HTTPX, SDK) if name in fleets]
        found = _Found({name: [] for name in fleets}, {name: [] for name in contenders})
        with without_the_past():
            for _ in range(rounds):
                await found.add(fleets, jobs)
    return _table(found, jobs, pace)


def _table(found: _Found, jobs: int, pace: float) -> Table:
    base = statistics.median(run.cpu for run in found.runs[BARE])
    about = (
        f"{jobs:,} waits on one loop, begun at once, {_POLLS} polls each, {pace:g} s "
        "apart, on a server that adds 20 ms. The same loop written on bare aiohttp "
        f"takes {base * 1e6:.0f} µs of CPU a poll; the one on httpx stands behind a "
        "semaphore, as its pool takes 150 s for 1,000 waits without one. Blocks are "
        "the longest that the loop came late to a timer: what of it the thread spent "
        "itself, and by the wall clock, in which this machine's other work has a part; "
        "medians of the runs."
    )
    names = [BARE, *found.ratios]
    medians = {name: statistics.median(ratios) for name, ratios in found.ratios.items()}
    rows: list[Sequence[Cell]] = [
        [
            "CPU a poll",
            *(_held(name, medians.get(name, 1), _CPU, 2) for name in names),
            _CPU,
        ],
        [
            "longest block of the loop, ms of its own CPU",
            *(_held(name, _busiest(found.runs[name]), _BLOCK, 0) for name in names),
            _BLOCK,
        ],
        [
            "longest block of the loop, ms by the wall clock",
            *(Figure(_longest(found.runs[name]), digits=0) for name in names),
            None,
        ],
    ]
    return Table("A fleet of waits", ("", *names, "to reach"), rows, about)


def _held(name: str, measured: float, goal: Goal, digits: int) -> Figure:
    return Figure(measured, goal if name == SDK else None, digits=digits)


def _busiest(runs: list[Run]) -> float:
    return 1000 * statistics.median(run.lateness.busiest for run in runs)


def _longest(runs: list[Run]) -> float:
    return 1000 * statistics.median(run.lateness.longest for run in runs)
