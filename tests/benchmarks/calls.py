"""A page and a poll: CPU against bare aiohttp and orjson, the peers beside.

`python -m tests.benchmarks.calls BASE_URL ROUNDS CALLS LOOP WHO` measures in a fresh
process, and prints what it measured as JSON.
"""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
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
from tests.benchmarks.typed import with_cattrs, with_strict_rows

_PEER_PACKAGES = ("httpx", "openai", "openapi_python_client", "pydantic")
BARE = "bare aiohttp + orjson, dicts"
PAGE = "**`fetch_page()`**, typed rows"
POLL = "**`poll()`**"
_EVERYBODY, _SDK_ALONE = "everybody", "sdk"
GENERATED = "openapi-python-client (httpx + attrs)"
_PEERS = {
    "httpx + json, dicts": "httpx_json",
    "httpx + pydantic v2": "httpx_pydantic",
    GENERATED: "generated",
    "the openai package's base client": "openai_base",
}
_READS: dict[str, tuple[str, str | None]] = {
    "wide": (WIDE, label(0)),
    "page": (PAGE_CARRYING, label(0)),
    "status": (STATUS_ONLY, None),
    "wide carrying": (WIDE, None),
    "carrying": (PAGE_CARRYING, None),
}
_PAGES = {"wide", "page"}
# With the json of the standard library, and with the extra `speed`.
LIBRARIES = ("stdlib", "orjson")
Found = dict[str, Measured]


@attrs.frozen(kw_only=True)
class Effort:
    """How much is measured: rounds of blocks, and calls a block."""

    rounds: int
    calls: int


def sdk_call(read: str) -> str:
    """Name the SDK's call for an answer."""
    return PAGE if read in _PAGES else POLL


def measure_in_process(  # noqa: PLR0913 -- what may differ from process to process
    origin: str,
    effort: Effort,
    library: str,
    *,
    python: str = sys.executable,
    loop: str = "asyncio",
    beside: bool = False,
) -> Found:
    """Measure in a fresh process.

    Args:
        origin: The server.
        effort: How much is measured.
        library: What the SDK reads JSON with: stdlib or orjson.
        python: The interpreter.
        loop: asyncio or uvloop.
        beside: Whether the peers are measured as well.
    """
    size = (str(effort.rounds), str(effort.calls))
    who = _EVERYBODY if beside else _SDK_ALONE
    output = subprocess.run(  # noqa: S603 -- our own module
        [python, "-m", __name__, origin, *size, loop, who],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {VARIABLE: library},
    ).stdout
    return {name: Measured(**measured) for name, measured in json.loads(output).items()}


async def _measure(origin: str, rounds: int, calls: int, *, beside: bool) -> Found:
    """Measure every client there is, for each answer that is read."""
    found: Found = {}
    async with _clients(origin, beside=beside) as (others, sdk):
        with without_the_past():
            for name, read in _READS.items():
                peers = others if beside and "carrying" not in name else {}
                own = sdk_call(name)
                made = {**peers, own: sdk[own]}
                ready = {peer: make(*read) for peer, make in made.items()}
                baseline = ready.pop(BARE, None) or others[BARE](*read)
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
    origin: str, *, beside: bool
) -> AsyncGenerator[tuple[dict[str, Client], dict[str, Client]]]:
    """Open all clients: the others, and the SDK's two calls."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        sdk = await stack.enter_async_context(OpenFunnel(KEY, base_url=origin))
        others = {
            "raw asyncio streams + orjson, dicts": await stack.enter_async_context(
                raw(origin)
            ),
            BARE: bare(session, origin),
            "aiohttp + json, dicts": with_json(session, origin),
            "aiohttp + json + strict row hook, frozen attrs": with_strict_rows(
                session, origin
            ),
            "aiohttp + json + cattrs by default": with_cattrs(session, origin),
        }
        if beside and not missing_peers():
            peers = importlib.import_module("tests.benchmarks.peers")
            for name, function in _PEERS.items():
                opened: Callable[[str], AbstractAsyncContextManager[Client]]
                opened = getattr(peers, function)
                others[name] = await stack.enter_async_context(opened(origin))
        yield others, {PAGE: typed_page(sdk), POLL: poll(sdk)}


def missing_peers() -> list[str]:
    """Name the packages of the group `bench` that are not there."""
    return [name for name in _PEER_PACKAGES if find_spec(name) is None]


def _main(origin: str, rounds: str, calls: str, loop: str, who: str) -> None:
    make = None
    if loop == "uvloop":
        make = importlib.import_module("uvloop").new_event_loop
    work = _measure(origin, int(rounds), int(calls), beside=who == _EVERYBODY)
    with asyncio.Runner(loop_factory=make) as runner:
        found = runner.run(work)
    reports = {name: attrs.asdict(one) for name, one in found.items()}
    sys.stdout.write(f"{json.dumps(reports)}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
