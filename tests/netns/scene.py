"""A client and a service in their namespaces, and a network that changes."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import attrs

from tests.netns.network import Network

__all__ = ["Measured", "TransportName", "measure"]

HERE = Path(__file__).parent
TransportName = Literal["shipped", "own_session", "pooled_cancels"]
# Ten rows a second, in steps of 25; far more than any scenario reads.
LIFE: dict[str, float] = {
    "queue": 0,
    "processed_after": 0,
    "first_page_after": 10,
    "seconds_per_page": 10,
    "closing": 0,
}


@attrs.frozen
class Measured:
    """What a scenario came to.

    Attributes:
        seconds: From the change until the call returned.
        rows: Rows that all jobs have written by then: what they bill, or would.
        requests: Requests that arrived after the change, by kind.
        statuses: Jobs by status.
        pooled: Connections that were open at the moment of the change.
        dropped: Packets of the client that were dropped.
        crossed: Packets that came over the link.
        extra: What else the client counted.
    """

    seconds: float
    rows: int
    requests: dict[str, int]
    statuses: dict[str, int]
    pooled: int
    dropped: int
    crossed: int
    extra: dict[str, float]


async def measure(
    network: Network,
    scenario: str,
    *,
    transport: TransportName = "shipped",
    **life: float,
) -> Measured:
    """Run a scenario of client.py, and change the network when it is ready."""
    plan = json.dumps(LIFE | life)
    async with _process(network.far, "service.py", plan) as service:
        where = json.loads(await _line(service))
        words = (scenario, transport, where["base_url"], where["api_key"])
        async with _process(network.near, "client.py", *words) as client:
            ready = await _line(client)
            assert ready == "ready\n", ready
            before, pooled = await _report(service), network.pooled()
            network.change()
            await _tell(client, "changed")
            figures = json.loads(await _line(client))
            after = await _report(service)
    arrived = {
        kind: count - before["requests"].get(kind, 0)
        for kind, count in after["requests"].items()
    }
    return Measured(
        seconds=figures.pop("seconds"),
        rows=after["rows"],
        requests=arrived,
        statuses=after["statuses"],
        pooled=pooled,
        dropped=network.dropped(),
        crossed=network.crossed(),
        extra=figures,
    )


@asynccontextmanager
async def _process(
    namespace: str, script: str, *arguments: str
) -> AsyncGenerator[Process]:
    """Run a script of this folder in a namespace, and kill it at the end."""
    inside = ("ip", "netns", "exec", namespace, sys.executable, str(HERE / script))
    process = await asyncio.create_subprocess_exec(
        *inside, *arguments, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # It also closes the pipes.
        await process.communicate()


async def _report(service: Process) -> dict[str, Any]:
    await _tell(service, "report")
    counted: dict[str, Any] = json.loads(await _line(service))
    return counted


async def _tell(process: Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    await process.stdin.drain()


async def _line(process: Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line, "the process ended early; its own output says why"
    return line
