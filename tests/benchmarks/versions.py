"""A page and a poll on each Python: other ones are interpreters that `nox` prepared."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

import attrs

from tests.benchmarks.blocks import Measured
from tests.benchmarks.call_tables import READ_NAMES
from tests.benchmarks.calls import (
    BARE,
    LIBRARIES,
    Effort,
    Found,
    measure_in_process,
    sdk_call,
)
from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Table

_WANTED = ("3.11", "3.13")
# The versions are measured in turns, as their times are compared.
_TURNS = 3
_ASK = (
    "import json, platform, aiohttp, orjson; print(json.dumps([platform."
    "python_version(), aiohttp.__version__, orjson.__version__]))"
)


@attrs.frozen(kw_only=True)
class _Python:
    """An interpreter, its version, and the versions of what it measures with."""

    path: str
    version: str
    aiohttp: str
    orjson: str

    @property
    def minor(self) -> str:
        return self.version.rpartition(".")[0]


def measure(origin: str, others: Sequence[str], effort: Effort) -> Table:
    """Measure on this Python and on others, turn after turn.

    Args:
        origin: The server.
        others: Paths of interpreters with the dependencies and orjson.
        effort: How much is measured, all turns together.
    """
    pythons = sorted(map(_ask, [sys.executable, *others]), key=_to_numbers)
    turns = min(_TURNS, effort.rounds)
    part = Effort(rounds=-(-effort.rounds // turns), calls=effort.calls)
    runs: list[dict[str, list[Found]]] = [
        {library: [] for library in LIBRARIES} for _ in pythons
    ]
    for _ in range(turns):
        for python, found in zip(pythons, runs, strict=True):
            for library, turn in found.items():
                path = python.path
                turn.append(measure_in_process(origin, part, library, python=path))
    return _table(pythons, runs, turns)


def _ask(path: str) -> _Python:
    output = subprocess.run(  # noqa: S603 -- the interpreter that the session made
        [path, "-c", _ASK], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    version, aiohttp, orjson = json.loads(output)
    return _Python(path=path, version=version, aiohttp=aiohttp, orjson=orjson)


def _to_numbers(python: _Python) -> list[int]:
    return [int(part) for part in python.minor.split(".")]


def _table(
    pythons: Sequence[_Python],
    runs: Sequence[Mapping[str, Sequence[Found]]],
    turns: int,
) -> Table:
    rows: list[Sequence[Cell]] = []
    for read, name in READ_NAMES.items():
        cells: list[Cell] = [name]
        for found in runs:
            measured = {
                library: [one[read] for one in turn] for library, turn in found.items()
            }
            times = [one.baseline for each in measured.values() for one in each]
            cells.append(Figure(1e6 * statistics.median(times), digits=0))
            cells += [Figure(_ratio(each, read)) for each in measured.values()]
        rows.append(cells)
    heads = [
        head
        for python in pythons
        for head in (
            f"{python.minor}: bare, µs",
            f"{python.minor}: SDK, json",
            f"{python.minor}: SDK, orjson",
        )
    ]
    return Table(
        "The SDK on each Python, CPU", ("", *heads), rows, _about(pythons, turns)
    )


def _ratio(measured: Sequence[Measured], read: str) -> float:
    return statistics.median(one.ratios[sdk_call(read)] for one in measured)


def _about(pythons: Sequence[_Python], turns: int) -> str:
    named = ", ".join(
        f"CPython {python.version} with aiohttp {python.aiohttp} and orjson "
        f"{python.orjson}"
        for python in pythons
    )
    found = {python.minor for python in pythons}
    absent = "".join(
        f" Python {minor} is not in the table: `nox -s bench` found no interpreter "
        "of it on this machine."
        for minor in _WANTED
        if minor not in found
    )
    return (
        f"Microseconds of {BARE}, and the SDK in the CPU of it on the same Python, "
        f"with each JSON library. {named}; in fresh processes, medians of {turns} "
        f"turns.{absent}"
    )
