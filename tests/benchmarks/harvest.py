"""A harvest of 10,000 rows over 100 pages: wall seconds by latency."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import orjson

from openfunnel_async import OpenFunnel
from tests.benchmarks.answers import FINISHED, PAGES, ROWS, address, label
from tests.benchmarks.clients import KEY
from tests.benchmarks.tables import Cell, Figure, Goal, Table

AHEAD = 8
_WHY = (
    "Each page's CPU (above) lies between the requests, and by the wall clock other "
    "work on the machine counts as well: see the bare client beside it."
)
# Seconds to reach, by latency in milliseconds.
_GOALS = {
    0: Goal(0.10, why=_WHY),
    20: Goal(0.40, why=_WHY),
    100: Goal(1.6, why=_WHY),
    200: Goal(3.1, why=_WHY),
}
Harvest = Callable[[], Awaitable[int]]


async def rows_by_sdk(client: OpenFunnel) -> int:
    """Stream all rows of the finished job by the SDK."""
    async with client.job(FINISHED, limit=ROWS).rows() as rows:
        async for _ in rows:
            pass
    return rows.delivered


async def rows_one_by_one(session: aiohttp.ClientSession, origin: str) -> int:
    """Follow the cursors with bare aiohttp."""
    count, cursor = 0, None
    while True:
        answer = await _page(session, origin, cursor)
        count += len(answer["rows"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return count


async def rows_abreast(session: aiohttp.ClientSession, origin: str, most: int) -> int:
    """Read pages by their numbers with bare aiohttp, N at a time."""
    numbers = iter(range(PAGES))

    async def worker() -> int:
        return sum(
            [
                len((await _page(session, origin, label(number)))["rows"])
                for number in numbers
            ]
        )

    return sum(await asyncio.gather(*(worker() for _ in range(most))))


async def _page(
    session: aiohttp.ClientSession, origin: str, cursor: str | None
) -> dict[str, Any]:
    async with session.get(address(origin, FINISHED, cursor)) as reply:
        answer: dict[str, Any] = orjson.loads(await reply.read())
        return answer


async def measure(origins: Mapping[int, str], repeats: Mapping[int, int]) -> Table:
    """Harvest by each manner at each latency; medians of the repeats, in turns."""
    rows: list[list[Cell]] = []
    for latency, origin in origins.items():
        bare_one, sdk_one, bare_many, sdk_many = await _seconds(
            origin, repeats[latency]
        )
        goal = _GOALS.get(latency)
        rows.append(
            [
                f"{latency} ms",
                Figure(bare_one),
                Figure(sdk_one),
                Figure(bare_many),
                Figure(sdk_many, goal),
                goal,
            ]
        )
    heads = (
        "latency a request",
        "bare aiohttp, one by one",
        "`read_ahead=1`",
        f"bare aiohttp, {AHEAD} at a time",
        f"**`read_ahead={AHEAD}`**",
        "to reach",
    )
    about = (
        f"Wall seconds to stream {ROWS:,} rows over {PAGES} pages of a finished job, "
        "by the latency that the server adds. The bare client knows how many pages "
        "there are, and builds no rows."
    )
    return Table("A harvest of 10,000 rows", heads, rows, about)


async def _seconds(origin: str, repeats: int) -> list[float]:
    """Return the median seconds of the four manners."""
    async with (
        aiohttp.ClientSession() as session,
        OpenFunnel(KEY, base_url=origin, read_ahead=1) as one,
        OpenFunnel(KEY, base_url=origin, read_ahead=AHEAD) as many,
    ):
        manners: list[Harvest] = [
            lambda: rows_one_by_one(session, origin),
            lambda: rows_by_sdk(one),
            lambda: rows_abreast(session, origin, AHEAD),
            lambda: rows_by_sdk(many),
        ]
        took: list[list[float]] = [[] for _ in manners]
        for _ in range(repeats):
            for manner, seconds in zip(manners, took, strict=True):
                started = time.perf_counter()
                assert await manner() == ROWS
                seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in took]
