"""Growth: what a row costs in a job that has ten or a thousand times as many.

`python -m tests.benchmarks.row_growth BASE_URL ROWS AT_LEAST` reads a job with that
many rows in a fresh process, again and again until it read AT_LEAST rows, and prints
the CPU seconds a row of the stream and of the result as JSON.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from openfunnel_async import OpenFunnel
from tests.benchmarks.allocated import COLLECTED, STREAMED, allocate
from tests.benchmarks.answers import STATUS_ONLY, finished
from tests.benchmarks.clients import KEY
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import STRAIGHT, Table, make_growth_rows

_NAMES = {
    "stream": "`rows()`: CPU, µs a row",
    "result": "`result()`: CPU, µs a row",
    "held": "`result()`: memory, kB a row",
    "peak": "`rows()`: the most memory on the way, kB",
}
_WHY = "A row costs more in a larger job."
_REPEATS = 3
_ENOUGH = 20_000

Numbers = dict[str, float]


def measure(origin: str, sizes: Sequence[int]) -> Table:
    """Read jobs of each size, in processes of their own."""
    found = [_measure_one(origin, rows, min(_ENOUGH, sizes[-1])) for rows in sizes]
    lines = make_growth_rows(_NAMES, found, ("stream", "result", "held"), _WHY)
    about = (
        "A terminal job with that many rows of six fields, read by `rows()` and by "
        "`result()` with orjson; each in a fresh process, small jobs again and again "
        f"until {_ENOUGH:,} rows were read. A job's first request counts as well. "
        "Memory is counted by its allocations. A cost by row is to stay below "
        f"{STRAIGHT:g} times the least of the smaller jobs; what a stream takes on the "
        "way is the pages that it reads ahead."
    )
    heads = ("", *(f"{rows:,} rows" for rows in sizes), "to reach")
    return Table("Growth of a job", heads, lines, about)


def _measure_one(origin: str, rows: int, at_least: int) -> Numbers:
    command = [sys.executable, "-m", __name__, origin, str(rows), str(at_least)]
    output = subprocess.run(  # noqa: S603 -- our own module
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    cpu: Numbers = json.loads(output)
    job_id = finished(rows)
    return {
        "stream": 1e6 * cpu["stream"],
        "result": 1e6 * cpu["result"],
        "held": allocate(COLLECTED, origin, job_id) / rows / 1000,
        "peak": allocate(STREAMED, origin, job_id) / 1000,
    }


async def _read(origin: str, rows: int, at_least: int) -> Numbers:
    async with OpenFunnel(KEY, base_url=origin) as client:
        await client.job(STATUS_ONLY).poll()

        async def stream() -> int:
            async with client.job(finished(rows)).rows() as found:
                async for _ in found:
                    pass
            return found.delivered

        async def result() -> int:
            return len((await client.job(finished(rows)).result()).rows)

        repeats = max(_REPEATS, at_least // rows)
        return {
            "stream": await _time(stream, rows, repeats),
            "result": await _time(result, rows, repeats),
        }


async def _time(read: Callable[[], Awaitable[int]], rows: int, repeats: int) -> float:
    assert await read() == rows
    gc.collect()
    began = time.process_time()
    for _ in range(repeats):
        await read()
    return (time.process_time() - began) / (repeats * rows)


async def _main(origin: str, rows: str, at_least: str) -> None:
    sys.stdout.write(f"{json.dumps(await _read(origin, int(rows), int(at_least)))}\n")


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
