"""The programs of the how-tos: taken out of the page and run as they stand."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import attrs
from anyio.abc import Process

from openfunnel_async.sandbox import Sandbox, SandboxReply, SandboxRequest

_PAGES = Path(__file__).parents[2] / "docs" / "how-to"
_LONGEST = 30.0


def write_program(page: str, folder: Path) -> Path:
    """Write the one Python program of a page into a folder."""
    text = (_PAGES / page).read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    script = folder / "program.py"
    script.write_text(code, encoding="utf-8")
    return script


async def start(script: Path, sandbox: Sandbox, **environment: str) -> Process:
    """Start a program in its folder, against a sandbox, with one pipe for its output.

    Use it as an async context manager, which kills what is still running at its end.
    """
    told = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
        # The names of companies are printed in any script.
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return await anyio.open_process(
        [sys.executable, script],
        cwd=script.parent,
        env=os.environ | told | environment,
        stderr=subprocess.STDOUT,
    )


async def output_of(process: Process) -> str:
    """Read what a program says until it ends."""
    assert process.stdout is not None
    with anyio.fail_after(_LONGEST):
        said = b"".join([piece async for piece in process.stdout])
        await process.wait()
    return said.decode()


async def until_said(process: Process, words: str) -> None:
    """Read what a program says until it has said these words."""
    assert process.stdout is not None
    said = b""
    with anyio.fail_after(_LONGEST):
        while words.encode() not in said:
            said += await process.stdout.receive()


@attrs.define(eq=False, kw_only=True, repr=False)
class WatchedSandbox(Sandbox):
    """A sandbox that one can wait for."""

    _arrival: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    def handle(self, request: SandboxRequest) -> SandboxReply:
        """Answer, and wake the tasks that wait for a request."""
        reply = super().handle(request)
        self._arrival.set()
        self._arrival = asyncio.Event()
        return reply

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, asked after each request."""
        with anyio.fail_after(_LONGEST):
            while not holds():
                await self._arrival.wait()

    def count(self, kind: str, cursor: str | None = None) -> int:
        """Count the requests of a kind; with a cursor, the reads of that page."""
        return sum(
            seen.kind == kind and cursor in (None, dict(seen.query).get("cursor"))
            for seen in self.requests
        )
