"""Memory of rows by their allocations, which is exact, each in a fresh process.

`python -m tests.benchmarks.allocated MANNER BASE_URL JOB_ID` prints a number of bytes.
"""

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable

import aiohttp
import orjson

from openfunnel_async import OpenFunnel
from tests.benchmarks.answers import STATUS_ONLY, address
from tests.benchmarks.clients import KEY
from tests.benchmarks.server import ROOT

STREAMED, COLLECTED, DICTS = "streamed", "collected", "dicts"


def allocate(manner: str, origin: str, job_id: str) -> int:
    """Return the bytes that the rows of a terminal job take."""
    command = [sys.executable, "-m", __name__, manner, origin, job_id]
    output = subprocess.run(  # noqa: S603 -- our own module
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    return int(output)


def _begin() -> int:
    gc.collect()
    tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


def _take() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _stream(origin: str, job_id: str) -> int:
    """Stream the rows and keep none; the most that is allocated on the way."""
    async with OpenFunnel(KEY, base_url=origin) as client:
        await client.job(STATUS_ONLY).poll()
        before = _begin()
        async with client.job(job_id).rows() as rows:
            async for _ in rows:
                pass
        return tracemalloc.get_traced_memory()[1] - before


async def _collect(origin: str, job_id: str) -> int:
    """Collect the rows by `result()`; what they take while the result is kept."""
    async with OpenFunnel(KEY, base_url=origin) as client:
        await client.job(STATUS_ONLY).poll()
        before = _begin()
        result = await client.job(job_id).result()
        taken = _take() - before
        assert result.rows
    return taken


async def _collect_dicts(origin: str, job_id: str) -> int:
    """Collect the rows as the dicts that bare aiohttp and orjson make of them."""
    async with aiohttp.ClientSession() as session:

        async def read(cursor: str | None, job: str = job_id) -> dict[str, object]:
            async with session.get(address(origin, job, cursor)) as reply:
                answer: dict[str, object] = orjson.loads(await reply.read())
                return answer

        await read(None, STATUS_ONLY)
        before = _begin()
        rows: list[object] = []
        cursor: str | None = None
        while True:
            answer = await read(cursor)
            page, following = answer["rows"], answer["next_cursor"]
            assert isinstance(page, list)
            rows += page
            if not isinstance(following, str):
                break
            cursor = following
        del answer, page
        return _take() - before


_MANNERS: dict[str, Callable[[str, str], Awaitable[int]]] = {
    STREAMED: _stream,
    COLLECTED: _collect,
    DICTS: _collect_dicts,
}


async def _main(manner: str, origin: str, job_id: str) -> None:
    sys.stdout.write(f"{await _MANNERS[manner](origin, job_id)}\n")


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
