"""The tutorial, followed from its first line to its last."""

import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.docs.pages import DOCS, blocks
from tests.docs.programs import run_program

pytestmark = pytest.mark.anyio

PAGE = DOCS / "tutorial.md"
FIRST, ENOUGH, LEAVE, RESUME, FAULT = blocks(PAGE, "python")
WELCOME, LAST_LINES, AT_STAKE = blocks(PAGE, "text")
COMMAND = blocks(PAGE, "sh")[0].splitlines()[-1].split()


@asynccontextmanager
async def service() -> AsyncGenerator[str]:
    """Start the page's service as it says, faster and elsewhere; give its welcome."""
    words = COMMAND[1 : COMMAND.index("--port")]
    command = [sys.executable, *words, "--port", "0", "--speed", "100"]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            yield await welcome_of(process)
        finally:
            process.terminate()


async def welcome_of(process: Process) -> str:
    assert process.stdout is not None
    said = ""
    with anyio.fail_after(30):
        async for text in TextReceiveStream(process.stdout):
            said += text
            if "Ctrl-C" in said:
                break
    return said


async def run(code: str, folder: Path, environment: Mapping[str, str]) -> list[str]:
    process = await run_program(code, folder, environment)
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode().splitlines()


async def test_it_goes_as_the_page_says(tmp_path: Path) -> None:
    """Caught: a resumed stream that begins at the job's first row."""
    async with service() as welcome:
        [port] = set(re.findall(r"127\.0\.0\.1:(\d+)", welcome))
        assert welcome.replace(port, "8787").startswith(WELCOME)
        told = dict(re.findall(r"export (\w+)=(\S+)", welcome))

        said = await run(FIRST, tmp_path, told)
        assert said[0].endswith(" pending")
        assert said[-3:] == LAST_LINES.splitlines()
        assert len(said) == 1 + 300 + 2

        [receipt] = await run(ENOUGH, tmp_path, told)
        status, billed, avoided = receipt.split()
        assert status == "cancelled"
        assert float(billed) > 150
        assert float(billed) + float(avoided) == 5000

        [left] = await run(LEAVE, tmp_path, told)
        continuing, end = await run(RESUME, tmp_path, told)
        assert continuing.startswith("continuing with ")
        assert continuing.split()[2:] != left.split()[2:]
        assert end == "150 more; completed"

    assert await run(FAULT, tmp_path, {}) == AT_STAKE.splitlines()
