"""Start processes that use one Book at the same moment."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from openfunnel_async.sandbox import Sandbox

_ROOT = Path(__file__).parents[3]
_WITHIN = 60.0


async def run_together(
    sandbox: Sandbox, address: str, *programs: tuple[str, dict[str, Any]]
) -> list[Any]:
    """Run programs that begin once all of them are ready; return what they found."""
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(_start(sandbox, address, word, asked))
            for word, asked in programs
        ]
        async with asyncio.timeout(_WITHIN):
            return await _let_go(started)


@asynccontextmanager
async def _start(
    sandbox: Sandbox, address: str, word: str, asked: dict[str, Any]
) -> AsyncGenerator[asyncio.subprocess.Process]:
    environment = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    program = "tests.book.processes.program"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, word, address, json.dumps(asked)),
        cwd=_ROOT,
        env={**os.environ, **environment},
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _let_go(processes: Sequence[asyncio.subprocess.Process]) -> list[Any]:
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*(each.communicate(b"go\n") for each in processes))
    assert [each.returncode for each in processes] == [0] * len(processes)
    return [json.loads(output) for output, _ in ends]
