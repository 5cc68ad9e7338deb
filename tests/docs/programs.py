"""Run the programs of the pages, each in a process of its own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import anyio

from openfunnel_async.sandbox import Sandbox

_FOLDERS = (
    Path(__file__).with_name("quick_polls"),
    *map(Path, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))),
)
QUICK_POLLS = {"PYTHONPATH": os.pathsep.join(str(f.absolute()) for f in _FOLDERS)}
"""The environment of a program whose clients poll every 50 ms."""


def environment_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a program that connects to a sandbox."""
    return {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }


async def run_program(
    code: str, folder: Path, environment: Mapping[str, str]
) -> CompletedProcess[bytes]:
    """Run a program, with warnings as errors and quick polls, until it ends."""
    script = folder / "program.py"
    script.write_text(code, encoding="utf-8")
    # The names of companies need UTF-8.
    more = {"PYTHONUTF8": "1", **QUICK_POLLS, **environment}
    with anyio.fail_after(60):
        return await anyio.run_process(
            [sys.executable, "-W", "error", str(script)],
            env=os.environ | more,
            cwd=folder,
            check=False,
        )
