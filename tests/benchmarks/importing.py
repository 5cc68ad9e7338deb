"""The CPU of importing the package and its client, in fresh processes."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec

from tests.benchmarks.server import ROOT
from tests.benchmarks.tables import Cell, Figure, Goal, Table

_DEPENDENCIES = "aiohttp, anyio, attrs, cattrs"
_PACKAGE = "import openfunnel_async"
_CLIENT = "from openfunnel_async import OpenFunnel"
_PLUGIN = "import openfunnel_async.pytest_plugin"
# A run of pytest without tests, with its own plugins and nobody else's.
_PYTEST = (
    "import contextlib, io, os, pytest\n"
    "with contextlib.redirect_stdout(io.StringIO()): "
    "pytest.main(['-c', os.devnull, '--noconftest', '--disable-plugin-autoload', "
    "'--markers'])"
)
_IDLE = Goal(5, why="The plugin imports more than its own module.")
_BEYOND = Goal(
    15,
    why="A third goes into the methods that attrs writes and compiles for each class "
    "of values, and as much into finding and loading seventy modules. It would take "
    "fewer modules, or values whose methods are written by hand.",
)
# Whole imports, for comparison; they are slow, so a few runs are enough.
_OTHERS = ("httpx", "openai")
_OTHERS_RUNS = 5


def measure(*, runs: int) -> Table:
    """Import in turns, run after run, from bytecode that is there."""
    others = [name for name in _OTHERS if runs > 1 and find_spec(name) is not None]
    probes: dict[str, tuple[str, str]] = {
        _DEPENDENCIES: ("", f"import {_DEPENDENCIES}"),
        _PACKAGE: (f"import {_DEPENDENCIES}", _PACKAGE),
        _CLIENT: (f"import {_DEPENDENCIES}", _CLIENT),
        _PLUGIN: (_PYTEST, _PLUGIN),
        **{name: ("", f"import {name}") for name in others},
    }
    took: dict[str, list[float]] = {name: [] for name in probes}
    with tempfile.TemporaryDirectory() as bytecode:
        for run in range(runs + 1):
            for name, (before, wanted) in probes.items():
                if name in others and run > _OTHERS_RUNS:
                    continue
                cpu = _cpu(before, wanted, bytecode)
                if run:  # The first one writes the bytecode.
                    took[name].append(1000 * cpu)
    found = {name: statistics.median(each) for name, each in took.items()}
    rows: list[Sequence[Cell]] = [
        ["its four dependencies", Figure(found[_DEPENDENCIES], digits=1), None],
        [
            f"**`{_PACKAGE}`** beyond them, which fetches nothing yet",
            Figure(found[_PACKAGE], _BEYOND, digits=1),
            _BEYOND,
        ],
        [
            f"**`{_CLIENT}`** beyond them",
            Figure(found[_CLIENT], _BEYOND, digits=1),
            _BEYOND,
        ],
        [
            f"**`{_PLUGIN}`** in a pytest run that uses none of its fixtures",
            Figure(found[_PLUGIN], _IDLE, digits=1),
            _IDLE,
        ],
    ]
    rows += [
        [f"`import {name}`, all of it", Figure(found[name], digits=1), None]
        for name in others
    ]
    about = (
        f"Milliseconds of CPU in fresh processes; medians of {runs} runs in turns. The "
        f"dependencies ({_DEPENDENCIES}) are imported before the clock starts. A name "
        "is fetched when it is first asked for: a program pays what the client takes. "
        "A test run that merely has the package installed pays for the plugin, which "
        "includes the import of the package, beyond pytest and all that it imports."
    )
    return Table("Import, CPU", ("", "ms", "to reach"), rows, about)


def _cpu(before: str, wanted: str, bytecode: str) -> float:
    """Return the CPU seconds of the import `wanted` after the import `before`."""
    lines = [
        before,
        "import time",
        "began = time.process_time()",
        wanted,
        "print(time.process_time() - began)",
    ]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    return float(done.stdout)
