"""A page and a poll: CPU against bare aiohttp and orjson, the peers beside."""

import importlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any, cast

import aiohttp
import attrs

from openfunnel_async import OpenFunnel
from tests.benchmarks.answers import (
    PAGE_CARRYING,
    PROCESSED,
    STATUS_ONLY,
    label,
)
from tests.benchmarks.blocks import Client, Measured, compare, without_the_past
from tests.benchmarks.clients import KEY, bare, poll, raw, typed_page, with_json
from tests.benchmarks.tables import Cell, Figure, Goal, Table

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
_CALL_COSTS = (
    "Beyond aiohttp's exchange a call pays, in falling order, for its own time limit, "
    "the checks of the answer, the job's record, the reply's headers and the request."
)
_GOALS = {
    "page": Goal(2.0, why=_PAGE_COSTS),
    "status": Goal(1.25, why=_CALL_COSTS),
    "carrying": Goal(
        1.45,
        why=f"{_CALL_COSTS} The rows are decoded, though not built, by the json of the "
        "standard library, which takes about twice as long as orjson.",
    ),
    "page cheaper": Goal(2.5, at_least=True, why=_PAGE_COSTS),
    "poll cheaper": Goal(3.5, at_least=True, why=_CALL_COSTS),
}


@attrs.frozen
class _Found:
    """The three comparisons of this section."""

    page: Measured
    status: Measured
    carrying: Measured


async def measure(origin: str, *, rounds: int, calls: int) -> Table:
    """Measure every client there is; the rows of a page and a bare status apart."""
    async with _clients(origin) as (others, sdk):
        session = others[_BARE]
        page, status = (PAGE_CARRYING, label(0)), (STATUS_ONLY, None)
        carrying = (PAGE_CARRYING, None)

        async def compared(
            read: tuple[str, str | None], contenders: Mapping[str, Client]
        ) -> Measured:
            ready = {name: make(*read) for name, make in contenders.items()}
            baseline = ready.pop(_BARE, None) or session(*read)
            for call in ready.values():
                assert _processed(await call()) == PROCESSED
            return await compare(baseline, ready, rounds=rounds, calls=calls)

        with without_the_past():
            found = _Found(
                page=await compared(page, {**others, _PAGE: sdk[_PAGE]}),
                status=await compared(status, {**others, _POLL: sdk[_POLL]}),
                carrying=await compared(carrying, {_POLL: sdk[_POLL]}),
            )
    return _table(found, rounds, calls)


def _processed(answer: Any) -> object:
    """Return what an answer says, whatever a client makes of answers."""
    if isinstance(answer, dict):
        return cast("dict[str, object]", answer)["processed"]
    told: object = getattr(answer, "snapshot", answer).processed
    return told


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


def _table(found: _Found, rounds: int, calls: int) -> Table:
    page, status = found.page.ratios, found.status.ratios
    rows: list[Sequence[Cell]] = [[_BARE, Figure(1), None, Figure(1), None]]
    rows += [
        [name, Figure(ratio), None, Figure(status[name]), None]
        for name, ratio in page.items()
        if name in status
    ]
    rows.append([_PAGE, *_held(page[_PAGE], "page"), None, None])
    rows.append([_POLL, None, None, *_held(status[_POLL], "status")])
    carrying = _held(found.carrying.ratios[_POLL], "carrying")
    rows.append([f"{_POLL}, the answer carries a page", *carrying, None, None])
    if _GENERATED in page:
        rows.append(
            [
                "times cheaper than openapi-python-client",
                *_held(page[_GENERATED] / page[_PAGE], "page cheaper"),
                *_held(status[_GENERATED] / status[_POLL], "poll cheaper"),
            ]
        )
    about = (
        f"CPU of one process that holds every client, in the CPU of {_BARE} "
        f"({found.page.baseline * 1e6:.0f} µs a page, "
        f"{found.status.baseline * 1e6:.0f} µs a status), through the public API with "
        "retries, state and checks on. The server is a process of its own and sends "
        "ready bytes. A page has 100 rows of six fields, about 340 bytes each. Blocks "
        f"of {calls} calls, each between two of the baseline; medians of {rounds} "
        "ratios."
    )
    heads = ("client", "page", "to reach", "status only", "to reach")
    return Table("A page and a poll, CPU", heads, rows, about)


def _held(measured: float, name: str) -> tuple[Figure, Goal]:
    return Figure(measured, _GOALS[name]), _GOALS[name]
