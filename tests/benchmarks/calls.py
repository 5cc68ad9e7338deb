"""A page and a poll: CPU against bare aiohttp and orjson, the peers beside."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any, cast

import aiohttp
import attrs

from openfunnel_async import OpenFunnel
from openfunnel_async._orjson import VARIABLE
from tests.benchmarks.answers import (
    PAGE_CARRYING,
    PROCESSED,
    STATUS_ONLY,
    WIDE,
    label,
)
from tests.benchmarks.blocks import Client, Measured, compare, without_the_past
from tests.benchmarks.clients import KEY, bare, poll, raw, typed_page, with_json
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Goal, Table, Tables

PEER_PACKAGES = ("httpx", "openai", "openapi_python_client", "pydantic")
_BARE = "bare aiohttp + orjson, dicts"
_PAGE = "**`fetch_page()`**, typed rows"
_POLL = "**`poll()`**"
_GENERATED = "openapi-python-client (httpx + attrs)"
_PEERS = {
    "httpx + json, dicts": "httpx_json",
    "httpx + pydantic v2": "httpx_pydantic",
    _GENERATED: "generated",
    "the openai package's base client": "openai_base",
}
_PAGE_COSTS = (
    "Beside aiohttp's exchange a page pays about as much again for the json of the "
    "standard library, as much for the type checks of a hundred rows, and for a call."
)
_FAST_COSTS = (
    "Beside aiohttp's exchange and orjson a page pays for the types of a hundred rows, "
    "for their objects, and for a call as `poll()` does."
)
_CALL_COSTS = (
    "Beyond aiohttp's exchange a call pays, in falling order, for its own time limit, "
    "the checks of the answer, the job's record, the reply's headers and the request."
)
_READS: dict[str, tuple[str, str | None]] = {
    "wide": (WIDE, label(0)),
    "page": (PAGE_CARRYING, label(0)),
    "status": (STATUS_ONLY, None),
    "wide carrying": (WIDE, None),
    "carrying": (PAGE_CARRYING, None),
}
_SDK = {"wide": _PAGE, "page": _PAGE, "status": _POLL}
_ROWS = {
    "wide": "a typed page, 100 rows of sixteen fields",
    "page": "a typed page, 100 rows of six fields",
    "status": "`poll()`, status only",
    "carrying": "`poll()`, the answer carries a page of six fields",
    "wide carrying": "`poll()`, the answer carries a page of sixteen fields",
}
# With the json of the standard library, and with the extra `speed`.
_GOALS = {
    "wide": (Goal(2.3, why=_PAGE_COSTS), Goal(1.7, why=_FAST_COSTS)),
    "page": (Goal(1.8, why=_PAGE_COSTS), Goal(1.4, why=_FAST_COSTS)),
    "status": (Goal(1.25, why=_CALL_COSTS), Goal(1.2, why=_CALL_COSTS)),
    "carrying": (
        Goal(
            1.45,
            why=f"{_CALL_COSTS} The rows are decoded, though not built, by the json of "
            "the standard library, which takes about twice as long as orjson.",
        ),
        Goal(1.2, why=_CALL_COSTS),
    ),
    "wide carrying": (None, None),
}
_CHEAPER = {
    "page": Goal(2.5, at_least=True, why=_PAGE_COSTS),
    "status": Goal(3.5, at_least=True, why=_CALL_COSTS),
}
_LIBRARIES = ("stdlib", "orjson")

Found = dict[str, Measured]


def measure(origin: str, *, rounds: int, calls: int) -> Tables:
    """Measure in a fresh process for each JSON library; the peers beside both."""
    ours, fast = (
        _in_process("asyncio", library, origin, rounds, calls) for library in _LIBRARIES
    )
    tables = [_beside(fast, rounds, calls), _reached(ours, fast)]
    if find_spec("uvloop") is not None:
        other = _in_process("uvloop", "orjson", origin, rounds, calls)
        tables.append(_by_loop({"asyncio": fast, "uvloop": other}))
    return Tables(tables)


def _in_process(loop: str, library: str, origin: str, rounds: int, calls: int) -> Found:
    command = [sys.executable, "-m", __name__, loop, origin, str(rounds), str(calls)]
    output = subprocess.run(  # noqa: S603 -- our own module
        command,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {VARIABLE: library},
    ).stdout
    return {name: Measured(**measured) for name, measured in json.loads(output).items()}


async def _measure(origin: str, rounds: int, calls: int, *, beside: bool) -> Found:
    """Measure every client there is, for each answer that is read."""
    found: Found = {}
    async with _clients(origin) as (others, sdk):
        with without_the_past():
            for name, read in _READS.items():
                peers = others if beside and "carrying" not in name else {}
                own = _SDK.get(name, _POLL)
                made = {**peers, own: sdk[own]}
                ready = {peer: make(*read) for peer, make in made.items()}
                baseline = ready.pop(_BARE, None) or others[_BARE](*read)
                for call in ready.values():
                    assert _processed(await call()) == PROCESSED
                found[name] = await compare(baseline, ready, rounds=rounds, calls=calls)
    return found


def _processed(answer: Any) -> object:
    """Return what an answer says, whatever a client makes of answers."""
    if isinstance(answer, dict):
        return cast("dict[str, object]", answer)["processed"]
    measured: object = getattr(answer, "snapshot", answer).processed
    return measured


@asynccontextmanager
async def _clients(
    origin: str,
) -> AsyncGenerator[tuple[dict[str, Client], dict[str, Client]]]:
    """Open all clients: the others, and the SDK's two calls."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        sdk = await stack.enter_async_context(OpenFunnel(KEY, base_url=origin))
        others = {
            "raw asyncio streams + orjson, dicts": await stack.enter_async_context(
                raw(origin)
            ),
            _BARE: bare(session, origin),
            "aiohttp + json, dicts": with_json(session, origin),
        }
        if not missing_peers():
            peers = importlib.import_module("tests.benchmarks.peers")
            for name, function in _PEERS.items():
                opened: Callable[[str], AbstractAsyncContextManager[Client]]
                opened = getattr(peers, function)
                others[name] = await stack.enter_async_context(opened(origin))
        yield others, {_PAGE: typed_page(sdk), _POLL: poll(sdk)}


def missing_peers() -> list[str]:
    """Name the packages of the group `bench` that are not there."""
    return [name for name in PEER_PACKAGES if find_spec(name) is None]


def _beside(found: Found, rounds: int, calls: int) -> Table:
    names = [*found["wide"].ratios]
    rows: list[Sequence[Cell]] = [[_BARE, Figure(1), Figure(1), Figure(1)]]
    for peer in [*names, _POLL]:
        ratios = (found[read].ratios.get(peer) for read in _SDK)
        rows.append([peer, *(None if one is None else Figure(one) for one in ratios)])
    times = {read: found[read].baseline * 1e6 for read in _SDK}
    about = (
        f"CPU of one process that holds every client, in the CPU of {_BARE} on the "
        f"same bytes ({times['wide']:.0f} µs a page of sixteen fields, "
        f"{times['page']:.0f} µs one of six, {times['status']:.0f} µs a status), "
        "through the public API with retries, state and checks on and with the extra "
        "`speed`. The server is a process of its own and sends ready bytes. A page has "
        "100 rows, of about 1,500 bytes with sixteen fields and 340 with six. Blocks "
        f"of {calls} calls, each between two of the baseline; medians of {rounds} "
        "ratios."
    )
    heads = ("client", "page of 16 fields", "page of 6 fields", "status only")
    return Table("A page and a poll, CPU", heads, rows, about)


def _reached(ours: Found, fast: Found) -> Table:
    rows: list[Sequence[Cell]] = []
    for read, name in _ROWS.items():
        cells: list[Cell] = [name]
        for found, goal in zip((ours, fast), _GOALS[read], strict=True):
            ratio = found[read].ratios[_SDK.get(read, _POLL)]
            cells += [Figure(ratio, goal), goal]
        rows.append(cells)
    for read, goal in _CHEAPER.items():
        cells = [f"times cheaper than openapi-python-client: {_ROWS[read]}"]
        for found in (ours, fast):
            ratios = found[read].ratios
            if _GENERATED in ratios:
                cells += [Figure(ratios[_GENERATED] / ratios[_SDK[read]], goal), goal]
        if len(cells) > 1:
            rows.append(cells)
    heads = ("", "json", "to reach", "orjson (`speed`)", "to reach")
    about = "The same CPU, with the json of the standard library and with orjson."
    return Table("The SDK with each JSON library, CPU", heads, rows, about)


def _by_loop(found: Mapping[str, Found]) -> Table:
    rows: list[Sequence[Cell]] = []
    for read, name in _ROWS.items():
        cells: list[Cell] = [name]
        for measured in found.values():
            own = measured[read].ratios[_SDK.get(read, _POLL)]
            cells += [Figure(measured[read].baseline * 1e6, digits=0), Figure(own)]
        rows.append(cells)
    heads = [head for loop in found for head in (f"{loop}, bare, µs", "SDK")]
    about = (
        f"What a loop other than asyncio's changes, with orjson: {_BARE}, and the SDK "
        "in the CPU of it on the same loop."
    )
    return Table("The SDK on another event loop, CPU", ("", *heads), rows, about)


def _main(loop: str, origin: str, rounds: int, calls: int) -> None:
    make = None
    if loop == "uvloop":
        make = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=make) as runner:
        found = runner.run(_measure(origin, rounds, calls, beside=make is None))
    reports = {name: attrs.asdict(one) for name, one in found.items()}
    sys.stdout.write(f"{json.dumps(reports)}\n")


if __name__ == "__main__":
    _LOOP, _ORIGIN, _ROUNDS, _CALLS = sys.argv[1:]
    _main(_LOOP, _ORIGIN, int(_ROUNDS), int(_CALLS))
