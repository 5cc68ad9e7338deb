"""The tables of a page and a poll: beside the peers, by JSON library, by loop."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from tests.benchmarks.calls import (
    BARE,
    GENERATED,
    LIBRARIES,
    POLL,
    Effort,
    Found,
    measure_in_process,
    sdk_call,
)
from tests.benchmarks.tables import Cell, Figure, Goal, Table, Tables

_PAGE_COSTS = (
    "Beside aiohttp's exchange a page pays about as much again for the json of the "
    "standard library, as much for the type checks of a hundred rows, and for a call. "
    "It would take a decoder of its own, in compiled code, that checks while it reads."
)
_FAST_COSTS = (
    "Beside aiohttp's exchange and orjson a page pays for the types of a hundred rows, "
    "for their objects, and for a call as `poll()` does. The types are two thirds of "
    "what the rows cost. It would take a decoder in compiled code that knows the "
    "fields; the core has no compiled code."
)
_CALL_COSTS = (
    "Beyond aiohttp's exchange a call pays, in falling order, for the handle and the "
    "job's record, the checks of the answer, the report of what was sent, the place "
    "among a hundred requests and the time limits, none of them more than a seventh of "
    "bare aiohttp. It would take fewer layers, or fewer promises, to reach it."
)
READ_NAMES = {
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
_BESIDE = ("wide", "page", "status")


def measure(origin: str, effort: Effort) -> Tables:
    """Measure in a fresh process for each JSON library; the peers beside both."""
    ours, fast = (
        measure_in_process(origin, effort, library, beside=True)
        for library in LIBRARIES
    )
    tables = [_beside(fast, effort), _reached(ours, fast)]
    if find_spec("uvloop") is not None:
        other = measure_in_process(origin, effort, LIBRARIES[1], loop="uvloop")
        tables.append(_by_loop({"asyncio": fast, "uvloop": other}))
    return Tables(tables)


def _beside(found: Found, effort: Effort) -> Table:
    names = [*found["wide"].ratios]
    rows: list[Sequence[Cell]] = [[BARE, Figure(1), Figure(1), Figure(1)]]
    for peer in [*names, POLL]:
        ratios = (found[read].ratios.get(peer) for read in _BESIDE)
        rows.append([peer, *(None if one is None else Figure(one) for one in ratios)])
    times = {read: found[read].baseline * 1e6 for read in _BESIDE}
    about = (
        f"CPU of one process that holds every client, in the CPU of {BARE} on the "
        f"same bytes ({times['wide']:.0f} µs a page of sixteen fields, "
        f"{times['page']:.0f} µs one of six, {times['status']:.0f} µs a status), "
        "through the public API with retries, state and checks on and with the extra "
        "`speed`. The server is a process of its own and sends ready bytes. A page has "
        "100 rows, of about 1,500 bytes with sixteen fields and 340 with six. Blocks "
        f"of {effort.calls} calls, each between two of the baseline; medians of "
        f"{effort.rounds} ratios."
    )
    heads = ("client", "page of 16 fields", "page of 6 fields", "status only")
    return Table("A page and a poll, CPU", heads, rows, about)


def _reached(ours: Found, fast: Found) -> Table:
    rows: list[Sequence[Cell]] = []
    for read, name in READ_NAMES.items():
        cells: list[Cell] = [name]
        for found, goal in zip((ours, fast), _GOALS[read], strict=True):
            ratio = found[read].ratios[sdk_call(read)]
            cells += [Figure(ratio, goal), goal]
        rows.append(cells)
    for read, goal in _CHEAPER.items():
        cells = [f"times cheaper than openapi-python-client: {READ_NAMES[read]}"]
        for found in (ours, fast):
            ratios = found[read].ratios
            if GENERATED in ratios:
                cells += [
                    Figure(ratios[GENERATED] / ratios[sdk_call(read)], goal),
                    goal,
                ]
        if len(cells) > 1:
            rows.append(cells)
    heads = ("", "json", "to reach", "orjson (`speed`)", "to reach")
    about = "The same CPU, with the json of the standard library and with orjson."
    return Table("The SDK with each JSON library, CPU", heads, rows, about)


def _by_loop(found: Mapping[str, Found]) -> Table:
    rows: list[Sequence[Cell]] = []
    for read, name in READ_NAMES.items():
        cells: list[Cell] = [name]
        for measured in found.values():
            own = measured[read].ratios[sdk_call(read)]
            cells += [Figure(measured[read].baseline * 1e6, digits=0), Figure(own)]
        rows.append(cells)
    heads = [head for loop in found for head in (f"{loop}, bare, µs", "SDK")]
    about = (
        f"What a loop other than asyncio's changes, with orjson: {BARE}, and the SDK "
        "in the CPU of it on the same loop."
    )
    return Table("The SDK on another event loop, CPU", ("", *heads), rows, about)
