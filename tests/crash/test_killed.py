"""Readers that are killed and continued read each row exactly once."""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Literal

import anyio
import pytest

from openfunnel_async import LookalikeSearch, OpenFunnel
from openfunnel_async.sandbox import JobLife, Sandbox, Unknowns

pytestmark = pytest.mark.anyio

READER = Path(__file__).with_name("reader.py")
KILLS = 5
# At this sandbox's speed a page of a hundred rows takes 0.2 s; it grows in quarters.
# Some readers are killed while the job runs, others when it is terminal.
LIFE = JobLife(queue=0, first_page_after=50, seconds_per_page=50, closing=10)


async def start(sandbox: Sandbox, file_path: Path, checkpoint: str) -> Process:
    environment = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        READER,
        file_path,
        checkpoint,
        env=os.environ | environment,
        stdout=PIPE,
    )


async def kill_after(process: Process, rows: int) -> None:
    """Kill the process once it has printed N rows, at any point of its code."""
    assert process.stdout is not None
    for _ in range(rows):
        assert await process.stdout.readline(), "it ended before it was killed"
    process.kill()
    await process.communicate()


@pytest.mark.parametrize("labels", ["numbered", "opaque"])
async def test_the_rows_of_killed_readers_add_up(
    tmp_path: Path, labels: Literal["numbered", "opaque"]
) -> None:
    """Caught: a checkpoint one row late; the next page's label with this offset."""
    file_path, random_numbers = tmp_path / "rows", random.Random(f"kills/{labels}")
    unknowns = Unknowns(labels=labels, newest_page_grows=True)
    with anyio.fail_after(60):
        async with Sandbox(speed=250, lives=[LIFE], unknowns=unknowns) as sandbox:
            async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client:
                job = await client.submit(LookalikeSearch(query="voice ai", limit=600))
                checkpoint = str(job.checkpoint())
            for _ in range(KILLS):
                process = await start(sandbox, file_path, checkpoint)
                await kill_after(process, random_numbers.randint(1, 110))
            process = await start(sandbox, file_path, checkpoint)
            await process.communicate()
            assert process.returncode == 0
    lines = map(json.loads, file_path.read_text(encoding="utf-8").splitlines())
    delivered = sandbox.jobs[job.id].rows
    assert [line["row"] for line in lines] == [row["linkedin_url"] for row in delivered]
    assert len(delivered) == 600
