"""`python -m tests.mcp.measure` prints the numbers of docs/how-to/mcp.md.

Bytes of the definitions and of a typical exchange; jobs and credits when hosts give up,
repeat their calls, and are killed.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import anyio
from mcp.shared.exceptions import MCPError

from openfunnel_async.mcp._definitions import INSTRUCTIONS, make_tools
from openfunnel_async.sandbox import SlowAnswer, Unknowns
from tests.cli.command import life
from tests.fleet.programs import WatchedSandbox
from tests.mcp.hosts import Desk, Host
from tests.mcp.transcript import run_exchange

_REQUESTS = 20
_LIMIT = 100
_DELAY = 0.15
_RETRIES = 3


def count_definitions() -> Mapping[str, int]:
    """Return the bytes that a model reads of the tools, and those of the protocol."""
    shown = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.input_schema,
        }
        for tool in make_tools()
    ]
    whole = [tool.model_dump(exclude_none=True, by_alias=True) for tool in make_tools()]
    return {
        "definitions, as a model reads them": _count(shown) + len(INSTRUCTIONS),
        "definitions, with annotations and the schemas of answers": _count(whole),
    }


def _count(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")).encode())


async def count_exchange(folder: Path) -> Mapping[str, int]:
    """Return the bytes of a whole purchase."""
    recorder = await run_exchange(folder)
    return {
        "exchange: calls": recorder.sent,
        "exchange: answers": recorder.received,
    }


async def count_jobs(folder: Path, *, kills: bool) -> Mapping[str, float]:
    """Ask for searches, repeat each call, and count what was bought."""
    chance = random.Random(16)
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        sandbox.faults.append(SlowAnswer(on="submit", delay=_DELAY, times=1_000))
        desk = Desk(folder=folder, sandbox=sandbox)
        desk.lists.mkdir()
        await desk.set_budget(_REQUESTS * _LIMIT * 2)
        if kills:
            for number in range(_REQUESTS):
                async with desk.host() as host, anyio.create_task_group() as group:
                    group.start_soon(_ask, host, number, 5.0)
                    await anyio.sleep(chance.uniform(0, 2 * _DELAY))
                    await host.kill()
        states = await _ask_again(desk)
        name = "killed during start" if kills else "the host gives up"
        return {
            f"{name}: requests": _REQUESTS,
            f"{name}: calls of start": _REQUESTS * (2 if kills else _RETRIES + 1),
            f"{name}: jobs": len(sandbox.jobs),
            f"{name}: submits": desk.count_submits(),
            f"{name}: credits": desk.count_credits(),
            f"{name}: named unknowns": states["unknown"],
            f"{name}: requests billed twice": max(0, len(sandbox.jobs) - _REQUESTS),
        }


async def _ask_again(desk: Desk) -> Counter[str]:
    states: Counter[str] = Counter()
    async with desk.host() as host:
        for number in range(_REQUESTS):
            for _ in range(0 if desk.servers > 1 else _RETRIES):
                await _ask(host, number, _DELAY / 3)
            answer = await host.call("start", **_make_request(number))
            end = await host.finish(answer["job"])
            states[end["state"]] += 1
    return states


async def _ask(host: Host, number: int, within: float) -> None:
    try:
        await host.client.call_tool(
            "start", _make_request(number), read_timeout_seconds=within
        )
    except MCPError:
        return


def _make_request(number: int) -> dict[str, object]:
    return {"query": f"voice ai {number}", "limit": _LIMIT}


def main() -> None:
    """Print all numbers."""
    numbers: dict[str, float] = dict(count_definitions())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("exchange", "retries", "kills"):
            (place / name).mkdir()
        numbers |= anyio.run(count_exchange, place / "exchange")

        async def count(name: str) -> Mapping[str, float]:
            return await count_jobs(place / name, kills=name == "kills")

        for name in ("retries", "kills"):
            numbers |= anyio.run(count, name)
    for name, number in numbers.items():
        sys.stdout.write(f"{name}: {number:,.10g}\n")


if __name__ == "__main__":
    main()
