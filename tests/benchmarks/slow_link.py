"""A harvest over a slow link: seconds, and how much longer than the bytes take."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from openfunnel_async import OpenFunnel
from openfunnel_async.sandbox import FaultyProxy
from tests.benchmarks.answers import label
from tests.benchmarks.clients import KEY
from tests.benchmarks.tables import Cell, Figure, Goal, Table

AHEAD = 8
_JOB = "slow"
_ROWS_A_PAGE = 100
_BYTES_A_ROW = 2_000
_GOAL = Goal(1.15)


def _page(number: int, pages: int) -> bytes:
    """Return the answer with one page of a finished job, about 200 kB of it."""
    rows = [
        {
            "name": f"Company {number}-{place}",
            "linkedin_url": f"https://www.linkedin.com/company/{number}-{place}",
            "description": "x" * (_BYTES_A_ROW - 120),
        }
        for place in range(_ROWS_A_PAGE)
    ]
    count = pages * _ROWS_A_PAGE
    answer = {
        "job_id": _JOB,
        "status": "completed",
        "page": label(number),
        "rows": rows,
        "next_cursor": label(number + 1) if number + 1 < pages else None,
        "manifest": {"count": count, "pages": pages, "credits_consumed": count},
    }
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + body


@asynccontextmanager
async def _serving(answers: Mapping[str, bytes]) -> AsyncGenerator[str]:
    """Answer each page by its label, and the first one without a label."""
    first = next(iter(answers))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                writer.write(answers[query.get("cursor", [first])[0]])
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def ratio(bits_a_second: float, pages: int) -> tuple[float, float]:
    """Harvest over a link of that rate.

    Returns:
        The seconds that it took, and those that the bytes themselves take.
    """
    answers = {label(number): _page(number, pages) for number in range(pages)}
    rate = bits_a_second / 8
    async with (
        _serving(answers) as origin,
        FaultyProxy(upstream=origin, bytes_per_second=rate) as link,
        OpenFunnel(KEY, base_url=link.base_url, read_ahead=AHEAD) as client,
    ):
        started = time.perf_counter()
        async with client.job(_JOB, limit=pages * _ROWS_A_PAGE).rows() as rows:
            async for _ in rows:
                pass
        seconds = time.perf_counter() - started
    assert rows.delivered == pages * _ROWS_A_PAGE
    return seconds, sum(map(len, answers.values())) / rate


async def measure(kbits: Mapping[int, int]) -> Table:
    """Harvest N pages at each rate."""
    # Side by side, as each of them waits for its own link.
    ratios = await asyncio.gather(
        *(ratio(rate * 1000, pages) for rate, pages in kbits.items())
    )
    rows: list[list[Cell]] = []
    for (rate, pages), (seconds, least) in zip(kbits.items(), ratios, strict=True):
        rows.append(
            [
                f"{rate:,} kbit/s",
                str(pages),
                Figure(least, digits=1),
                Figure(seconds, digits=1),
                Figure(seconds / least, _GOAL),
                _GOAL,
            ]
        )
    heads = (
        "link",
        "pages",
        "seconds of the bytes",
        f"**`read_ahead={AHEAD}`**",
        "ratio",
        "to reach",
    )
    about = (
        "Wall seconds to stream the rows of a finished job, pages of 200 kB, over a "
        "relay that limits the rate of all connections together. What is above a "
        "ratio of 1 is waiting, and bytes that were sent twice."
    )
    return Table("A slow link", heads, rows, about)
