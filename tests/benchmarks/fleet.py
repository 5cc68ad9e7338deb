"""A fleet on one loop: CPU a poll, the longest block, against bare aiohttp."""

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import attrs
import orjson

from openfunnel_async import OpenFunnel, PollPolicy
from tests.benchmarks.answers import address, waiting
from tests.benchmarks.blocks import without_the_past
from tests.benchmarks.clients import KEY
from tests.benchmarks.tables import Figure, Goal, Table

_POLLS = 3
_STEP = 0.005
_TERMINAL = {"completed", "cancelled", "failed"}
_CPU = Goal(
    1.3,
    why="To the costs of a poll (above) come two tasks, two cancel scopes and an event "
    "for each wait, and the garbage collector's passes over all of them.",
)
_BLOCK = Goal(
    150,
    why="All waits begin in one turn of the loop, each with a request, a key and a "
    "timer of its own, before any of them has a connection.",
)
# Waits for one job, on whichever client.
Wait = Callable[[str], Awaitable[object]]


@attrs.define
class Lateness:
    """How late the loop came to a timer, in seconds.

    Attributes:
        longest: By the wall clock, which other processes have a part in.
        busiest: What of it this thread may have spent itself, by its CPU clock.
    """

    longest: float = 0.0
    busiest: float = 0.0

    async def watch(self) -> None:
        """Set timer after timer."""
        loop = asyncio.get_running_loop()
        while True:
            due, cpu = loop.time() + _STEP, time.thread_time()
            await asyncio.sleep(_STEP)
            late = loop.time() - due
            self.longest = max(self.longest, late)
            self.busiest = max(self.busiest, min(late, time.thread_time() - cpu))


@attrs.frozen
class Run:
    """One run of the fleet: CPU seconds a poll, and the blocks of its loop."""

    cpu: float
    lateness: Lateness


@asynccontextmanager
async def _watched() -> AsyncGenerator[Lateness]:
    lateness = Lateness()
    watch = asyncio.create_task(lateness.watch())
    try:
        yield lateness
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def _run(wait: Wait, jobs: int, name: str) -> Run:
    """Wait for all jobs at once."""
    gc.collect()
    async with _watched() as lateness:
        started = time.process_time()
        ids = [waiting(_POLLS, f"{name}-{number}") for number in range(jobs)]
        await asyncio.gather(*map(wait, ids))
        took = time.process_time() - started
    return Run(took / (jobs * _POLLS), lateness)


def _bare(session: aiohttp.ClientSession, origin: str, pace: float) -> Wait:
    """Return the loop that one writes without an SDK."""

    async def wait(job_id: str) -> object:
        url = address(origin, job_id)
        while True:
            async with session.get(url) as reply:
                answer = orjson.loads(await reply.read())
            if answer["status"] in _TERMINAL:
                return answer
            await asyncio.sleep(pace)

    return wait


def _sdk(client: OpenFunnel) -> Wait:
    """Return the SDK's wait."""

    async def wait(job_id: str) -> object:
        return await client.job(job_id).wait_until_terminal(timeout=None)

    return wait


async def measure(origin: str, *, jobs: int, pace: float, rounds: int) -> Table:
    """Run both fleets in turns, each of the SDK's between two of the baseline's."""
    polling = PollPolicy.fixed(pace)
    async with (
        aiohttp.ClientSession() as session,
        OpenFunnel(KEY, base_url=origin, polling=polling) as client,
    ):
        bare, sdk = _bare(session, origin, pace), _sdk(client)
        # Connections and code are warm from here on.
        for wait in (bare, sdk):
            await _run(wait, min(jobs, 100), "warm")
        with without_the_past():
            bares, ours = [await _run(bare, jobs, "bare")], list[Run]()
            for _ in range(rounds):
                ours.append(await _run(sdk, jobs, "sdk"))
                bares.append(await _run(bare, jobs, "bare"))
    return _table(bares, ours, jobs, pace)


def _table(bares: list[Run], ours: list[Run], jobs: int, pace: float) -> Table:
    ratio = statistics.median(
        own.cpu / ((before.cpu + after.cpu) / 2)
        for before, own, after in zip(bares, ours, bares[1:], strict=False)
    )
    base = statistics.median(run.cpu for run in bares)
    about = (
        f"{jobs:,} waits on one loop, begun at once, {_POLLS} polls each, {pace:g} s "
        "apart, on a server that adds 20 ms. The same loop written on bare aiohttp "
        f"takes {base * 1e6:.0f} µs of CPU a poll. Blocks are the longest that the "
        "loop came late to a timer: what of it the thread spent itself, and by the "
        "wall clock, in which this machine's other work has a part; medians of the "
        "runs."
    )
    heads = ("", "bare aiohttp", "SDK", "to reach")
    rows = [
        ("CPU a poll", Figure(1), Figure(ratio, _CPU), _CPU),
        (
            "longest block of the loop, ms of its own CPU",
            Figure(_busiest(bares), digits=0),
            Figure(_busiest(ours), _BLOCK, digits=0),
            _BLOCK,
        ),
        (
            "longest block of the loop, ms by the wall clock",
            Figure(_longest(bares), digits=0),
            Figure(_longest(ours), digits=0),
            None,
        ),
    ]
    return Table("A fleet of waits", heads, rows, about)


def _busiest(runs: list[Run]) -> float:
    return 1000 * statistics.median(run.lateness.busiest for run in runs)


def _longest(runs: list[Run]) -> float:
    return 1000 * statistics.median(run.lateness.longest for run in runs)
