"""A soak: thousands of jobs in flight through one client, batch after batch.

`python -m tests.benchmarks.soak JOBS PACE BASE_URL` runs in a fresh process, so that
what is resident is the client's, and prints what it measured as JSON.
"""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import attrs

from openfunnel_async import LookalikeSearch, OpenFunnel, PollPolicy
from tests.benchmarks.answers import FEW_ROWS, POLLS_OF_SUBMITTED
from tests.benchmarks.clients import KEY
from tests.benchmarks.lateness import watched
from tests.benchmarks.resident import resident
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Table

_BATCHES = 3
_LOOK = 0.1
_MB = 1e6


@attrs.frozen(kw_only=True)
class Soak:
    """What a soak came to.

    Attributes:
        before: Resident bytes after a first small batch; so are the others.
        most: The most while the first batch ran.
        after: Once each batch had ended and its outcomes were dropped.
        left: Objects of the package's own that were not there before.
        longest: The longest that the loop came late to a timer, in seconds.
        usual: What 99 of 100 timers were not later than.
        took: Wall seconds of the first batch.
    """

    before: int
    most: int
    after: Sequence[int]
    left: int
    longest: float
    usual: float
    took: float


def measure(origin: str, *, jobs: int, pace: float) -> Table:
    """Soak a client in a process of its own."""
    command = [sys.executable, "-m", __name__, str(jobs), str(pace), origin]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603 -- our own module
    return _table(Soak(**json.loads(told)), jobs, pace)


def _table(soak: Soak, jobs: int, pace: float) -> Table:
    added = soak.most - soak.before
    grown = max(later - earlier for earlier, later in pairwise(soak.after))
    rows: list[Sequence[Cell]] = [
        ["resident before, MB", Figure(soak.before / _MB, digits=1)],
        ["the most while they run, MB", Figure(soak.most / _MB, digits=1)],
        ["so a job with its rows takes, kB", Figure(added / jobs / 1000, digits=1)],
        ["once the outcomes are let go, MB", Figure(soak.after[0] / _MB, digits=1)],
        [
            f"the most that each of {_BATCHES - 1} more such batches leaves, MB",
            Figure(grown / _MB, digits=1),
        ],
        ["the package's own objects that are left", Figure(soak.left, digits=0)],
        ["loop late to a timer, 99 of 100, ms", Figure(1000 * soak.usual, digits=1)],
        ["loop late to a timer, longest, ms", Figure(1000 * soak.longest, digits=0)],
        [f"seconds for {jobs:,} jobs", Figure(soak.took, digits=1)],
    ]
    about = (
        f"`run_many` over {jobs:,} searches with as many in flight as there are, on "
        f"one client in a fresh process: a submit, {POLLS_OF_SUBMITTED} polls "
        f"{pace:g} s apart and {FEW_ROWS} rows each, on a server that adds nothing. "
        "What stays resident is room that Python keeps for the next ones. The loop is "
        "late also by what other processes of this machine take."
    )
    return Table("A soak", ("", "measured"), rows, about)


async def _soak(jobs: int, pace: float, origin: str) -> Soak:
    polling = PollPolicy.fixed(pace)
    async with OpenFunnel(KEY, base_url=origin, polling=polling) as client:
        # Connections and code are warm from here on.
        await _batch(client, min(jobs, 100))
        before, alive = _settled(), _alive()
        loop = asyncio.get_running_loop()
        async with watched() as lateness:
            began = loop.time()
            most = await _batch(client, jobs)
            took = loop.time() - began
        after = [_settled()]
        for _ in range(_BATCHES - 1):
            await _batch(client, jobs)
            after.append(_settled())
        left = _alive() - alive
    return Soak(
        before=before,
        most=most,
        after=after,
        left=left,
        longest=lateness.longest,
        usual=lateness.percentile(99),
        took=took,
    )


async def _batch(client: OpenFunnel, jobs: int) -> int:
    """Run N searches at once; the most bytes resident meanwhile."""
    searches = [
        LookalikeSearch(query=f"soak {number}", limit=FEW_ROWS)
        for number in range(jobs)
    ]
    work = asyncio.create_task(client.run_many(searches, max_active=jobs))
    most = 0
    while not work.done():
        await asyncio.wait([work], timeout=_LOOK)
        most = max(most, resident())
    for outcome in work.result():
        assert outcome.result is not None, outcome.error
        assert len(outcome.result.rows) == FEW_ROWS
    return most


def _alive() -> int:
    """Count the package's own objects, those that the collector knows of."""
    return sum(
        # A class may have something else than a text for it.
        str(type(found).__module__).startswith("openfunnel_async")
        for found in gc.get_objects()
    )


def _settled() -> int:
    gc.collect()
    return resident()


if __name__ == "__main__":
    _JOBS, _PACE, _ORIGIN = sys.argv[1:]
    _DONE = asyncio.run(_soak(int(_JOBS), float(_PACE), _ORIGIN))
    sys.stdout.write(f"{json.dumps(attrs.asdict(_DONE))}\n")
