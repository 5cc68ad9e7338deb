"""Memory, each measure in a fresh process of its own.

`python -m tests.benchmarks.resident MANNER BASE_URL` prints one number of bytes. What
is resident is read from /proc, so this part runs on Linux only.
"""

import asyncio
import gc
import re
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import orjson

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    PollPolicy,
    WireReply,
    WireRequest,
)
from tests.benchmarks.answers import (
    FINISHED,
    PAGES,
    ROWS,
    ROWS_A_PAGE,
    STATUS_ONLY,
    address,
    label,
    waiting,
)
from tests.benchmarks.clients import KEY
from tests.benchmarks.server import ROOT

_STATUS = Path("/proc/self/status")
_HOURS = PollPolicy.fixed(3600)
# Turns of the loop after which a wait that was answered sleeps for certain.
_TURNS = 20
_AT_ONCE = PollPolicy.fixed(0.0001)


def added(manner: str, origin: str, *, runs: int) -> float:
    """Return the bytes that a manner adds: the median of fresh processes."""
    command = [sys.executable, "-m", __name__, manner, origin]
    return statistics.median(
        float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)  # noqa: S603 -- our own module
        for _ in range(runs)
    )


def resident() -> int:
    """Return the resident bytes of this process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def _stream(origin: str, ahead: int) -> int:
    """Stream all rows and keep none; the most that is resident on the way."""
    async with OpenFunnel(KEY, base_url=origin, read_ahead=ahead) as client:
        await client.job(STATUS_ONLY).poll()
        gc.collect()
        before = most = resident()
        async with client.job(FINISHED).rows() as rows:
            async for _ in rows:
                if rows.delivered % ROWS_A_PAGE == 0:
                    most = max(most, resident())
    return most - before


async def _collect(origin: str) -> int:
    """Collect all rows by `result()`."""
    async with OpenFunnel(KEY, base_url=origin) as client:
        await client.job(STATUS_ONLY).poll()
        gc.collect()
        before = resident()
        result = await client.job(FINISHED).result()
        most = resident()
        assert len(result.rows) == ROWS
    return most - before


async def _collect_bare(origin: str) -> int:
    """Collect all rows by bare aiohttp and orjson, as dicts."""
    async with aiohttp.ClientSession() as session:

        async def rows(cursor: str | None, job_id: str = FINISHED) -> list[object]:
            async with session.get(address(origin, job_id, cursor)) as reply:
                answer = orjson.loads(await reply.read())
                return list(answer["rows"])

        await rows(None, STATUS_ONLY)
        gc.collect()
        before = resident()
        found: list[object] = []
        for page in range(PAGES):
            found += await rows(label(page))
        most = resident()
        assert len(found) == ROWS
    return most - before


async def _wait_side_by_side(origin: str, jobs: int) -> int:
    """Wait for N jobs; what a waiting one takes while it sleeps.

    Counted by allocation, which is exact: what is resident also holds the room that
    the first looks took and gave back.
    """
    async with OpenFunnel(KEY, base_url=origin, polling=_HOURS) as client:
        await asyncio.gather(*(client.job(STATUS_ONLY).poll() for _ in range(200)))
        gc.collect()
        tracemalloc.start()
        handles = [client.job(waiting(2, number)) for number in range(jobs)]
        await asyncio.gather(*(handle.poll() for handle in handles))
        waits = [
            asyncio.create_task(handle.wait_until_terminal(timeout=None))
            for handle in handles
        ]
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return taken // jobs


class _Counting:
    """A transport that notes what is resident after a tenth and at the end."""

    def __init__(self, polls: int) -> None:
        self._within = AiohttpTransport()
        self._marks = {polls // 10: 0, polls: 0}
        self._polls = 0

    async def send(self, request: WireRequest, /) -> WireReply:
        self._polls += 1
        if self._polls in self._marks:
            gc.collect()
            self._marks[self._polls] = resident()
        return await self._within.send(request)

    async def aclose(self) -> None:
        await self._within.aclose()

    @property
    def growth(self) -> int:
        first, last = self._marks.values()
        return last - first


async def _wait_long(origin: str, polls: int) -> int:
    """Wait for one job over N polls; what the last nine tenths of them add."""
    transport = _Counting(polls)
    async with OpenFunnel(
        KEY, base_url=origin, polling=_AT_ONCE, transport=transport
    ) as client:
        job = client.job(waiting(polls, "long"))
        await job.wait_until_terminal(timeout=None, on_progress=lambda _: None)
    return transport.growth


_MANNERS: dict[str, Callable[[str, int], Awaitable[int]]] = {
    "stream": _stream,
    "collect": lambda origin, _: _collect(origin),
    "collect-bare": lambda origin, _: _collect_bare(origin),
    "side-by-side": _wait_side_by_side,
    "long": _wait_long,
}


async def _measure(manner: str, origin: str) -> int:
    name, _, number = manner.partition(":")
    return await _MANNERS[name](origin, int(number or 0))


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(_measure(*sys.argv[1:]))}\n")
