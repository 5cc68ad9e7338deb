"""What a poll and a page pay beyond the exchange, layer by layer.

`python -m tests.benchmarks.layers BASE_URL CALLS` profiles in a fresh process and
prints the share of each layer as JSON.
"""

import asyncio
import cProfile
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType

from openfunnel_async import OpenFunnel
from tests.benchmarks.answers import STATUS_ONLY, WIDE, label
from tests.benchmarks.clients import KEY
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Table

_PACKAGE = ROOT / "openfunnel_async"
# The methods that attrs and cattrs write for a class.
_GENERATED = re.compile(r"<c?attrs generated .*\bopenfunnel_async\.(\w+)")
_EXCHANGE = "the exchange: aiohttp, its dependencies, and the event loop"
_LAYERS = {
    "exchange": _EXCHANGE,
    "_transport": "`_transport`: connections, time limits, headers and body",
    "_protocol": "`_protocol`: the request, retries, decoding, checks and rows",
    "_job": "`_job`: the handle, its state and its page reader",
    "_values": "`_values`: values and their checks",
    "other": "the values that a caller gets, and orjson",
}

Shares = dict[str, dict[str, float]]


def measure(origin: str, *, calls: int) -> Table:
    """Profile the calls of the SDK in a process of their own."""
    command = [sys.executable, "-m", __name__, origin, str(calls)]
    output = subprocess.run(  # noqa: S603 -- our own module
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    found: Shares = json.loads(output)
    rows: list[list[Cell]] = [
        [
            title,
            *(Figure(100 * share.get(layer, 0), digits=1) for share in found.values()),
        ]
        for layer, title in _LAYERS.items()
    ]
    about = (
        f"The share of each layer in the time of {calls:,} calls with orjson, in %, as "
        "cProfile counts it, without the wait for the answer: the time in a layer's "
        "own functions and in the built-in ones that they call. A profile makes small "
        "functions look larger than they are, so the table says where the time goes, "
        "and not how much it is."
    )
    heads = ("layer", "`poll()`, status only", "page of 16 fields")
    return Table("What a poll and a page pay, by layer", heads, rows, about)


async def _profile(origin: str, calls: int) -> Shares:
    async with OpenFunnel(KEY, base_url=origin) as client:
        status, page = client.job(STATUS_ONLY), client.job(WIDE)
        return {
            "status": await _profile_calls(status.poll, calls),
            "page": await _profile_calls(lambda: page.fetch_page(label(0)), calls),
        }


async def _profile_calls(
    call: Callable[[], Awaitable[object]], calls: int
) -> dict[str, float]:
    await call()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        await call()
    profile.disable()
    spent = _sum_by_layer(profile)
    return {layer: seconds / spent.total() for layer, seconds in spent.items()}


def _sum_by_layer(profile: cProfile.Profile) -> Counter[str]:
    """Sum what functions spend themselves; a built-in one counts for its caller."""
    spent: Counter[str] = Counter()
    for entry in profile.getstats():
        if not isinstance(entry.code, CodeType):
            continue
        own = entry.inlinetime + sum(
            called.inlinetime
            for called in entry.calls or ()
            if not isinstance(called.code, CodeType) and not _waits(called.code)
        )
        spent[_find_layer(entry.code.co_filename)] += own  # type: ignore[assignment]  # a Counter counts seconds as well
    return spent


def _waits(function: str) -> bool:
    """Whether a built-in function waits for the answer, which is no CPU."""
    return "poll" in function and "select." in function


def _find_layer(filename: str) -> str:
    generated = _GENERATED.search(filename)
    if generated is not None:
        first = generated[1]
    elif Path(filename).is_relative_to(_PACKAGE):
        first = Path(filename).relative_to(_PACKAGE).parts[0]
    else:
        first = "exchange"
    return first if first in _LAYERS else "other"


if __name__ == "__main__":
    _ORIGIN, _CALLS = sys.argv[1:]
    _FOUND = asyncio.run(_profile(_ORIGIN, int(_CALLS)))
    sys.stdout.write(f"{json.dumps(_FOUND)}\n")
