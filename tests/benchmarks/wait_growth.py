"""Growth: what a wait costs on a loop that has ten or a thousand times as many.

`python -m tests.benchmarks.wait_growth BASE_URL WAITS BATCHES` waits for jobs in a
fresh process and prints the CPU seconds a poll.
"""

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from openfunnel_async import OpenFunnel, PollPolicy
from tests.benchmarks.answers import waiting
from tests.benchmarks.blocks import without_the_past
from tests.benchmarks.clients import KEY
from tests.benchmarks.resident import added
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import STRAIGHT, Table, make_growth_rows

_NAMES = {"cpu": "CPU, µs a poll", "memory": "memory, kB a wait"}
_WHY = "A poll or a wait costs more among many."
_POLLS = 2
_POLLS_A_SECOND = 5000
# Waits that are measured at least, in batches of the size.
_ENOUGH = 5000
_WARM = 100

Numbers = dict[str, float]


def measure(origin: str, sizes: Sequence[int]) -> Table:
    """Wait for each number of jobs, in processes of their own."""
    found = [_measure_one(origin, waits, min(_ENOUGH, sizes[-1])) for waits in sizes]
    lines = make_growth_rows(_NAMES, found, ("cpu", "memory"), _WHY)
    about = (
        f"That many waits on one loop, begun at once, {_POLLS} polls each, so far "
        f"apart that {_POLLS_A_SECOND:,} polls are due in a second, on a server that "
        "adds nothing; each in a fresh process, small ones in several batches. All "
        "waits of a client share its connections, so no number of them needs more file "
        "descriptors. Memory is what a waiting job has allocated between two polls. "
        f"Both are to stay below {STRAIGHT:g} times the least of the smaller numbers."
    )
    heads = ("", *(f"{waits:,} waits" for waits in sizes), "to reach")
    return Table("Growth of a fleet", heads, lines, about)


def _measure_one(origin: str, waits: int, at_least: int) -> Numbers:
    batches = str(max(1, at_least // waits))
    command = [sys.executable, "-m", __name__, origin, str(waits), batches]
    output = subprocess.run(  # noqa: S603 -- our own module
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    return {
        "cpu": 1e6 * float(output),
        "memory": added(f"side-by-side:{waits}", origin, runs=1) / 1000,
    }


async def _wait(origin: str, waits: int, batches: int) -> float:
    polling = PollPolicy.fixed(waits / _POLLS_A_SECOND)
    async with OpenFunnel(KEY, base_url=origin, polling=polling) as client:
        # Connections and code are warm from here on.
        await _wait_once(client, _WARM, "warm")
        with without_the_past():
            return statistics.median(
                [
                    await _wait_once(client, waits, f"{batch}")
                    for batch in range(batches)
                ]
            )


async def _wait_once(client: OpenFunnel, waits: int, name: str) -> float:
    """Wait for a batch; the CPU seconds a poll."""
    gc.collect()
    began = time.process_time()
    handles = [client.job(waiting(_POLLS, f"{name}-{n}")) for n in range(waits)]
    await asyncio.gather(
        *(handle.wait_until_terminal(timeout=None) for handle in handles)
    )
    return (time.process_time() - began) / (waits * _POLLS)


if __name__ == "__main__":
    _ORIGIN, _WAITS, _BATCHES = sys.argv[1:]
    _CPU = asyncio.run(_wait(_ORIGIN, int(_WAITS), int(_BATCHES)))
    sys.stdout.write(f"{_CPU}\n")
