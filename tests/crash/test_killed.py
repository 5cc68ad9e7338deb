"""Processes killed while they read, and others that continue: each row exactly once."""

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


async def start(sandbox: Sandbox, notebook: Path, place: str) -> Process:
    told = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, READER, notebook, place, env=os.environ | told, stdout=PIPE
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
    """Caught: a place one row behind; the next page's label with this one's offset."""
    notebook, dice = tmp_path / "notebook", random.Random(f"kills/{labels}")
    unknowns = Unknowns(labels=labels, newest_page_grows=True)
    with anyio.fail_after(60):
        async with Sandbox(speed=250, lives=[LIFE], unknowns=unknowns) as sandbox:
            async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client:
                job = await client.submit(LookalikeSearch(query="voice ai", limit=600))
                place = str(job.checkpoint())
            for _ in range(KILLS):
                process = await start(sandbox, notebook, place)
                await kill_after(process, dice.randint(1, 110))
            process = await start(sandbox, notebook, place)
            await process.communicate()
            assert process.returncode == 0
    lines = map(json.loads, notebook.read_text(encoding="utf-8").splitlines())
    truth = sandbox.jobs[job.id].rows
    assert [line["row"] for line in lines] == [row["linkedin_url"] for row in truth]
    assert len(truth) == 600
