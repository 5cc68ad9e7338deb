"""The how-to on workers: its programs, with this package's worker and with an app's."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openfunnel_async.sandbox import Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of
from tests.workers.processes import Team

pytestmark = pytest.mark.anyio

PLAN, TASKS = blocks(DOCS / "how-to" / "workers.md", "python")
_ADDRESS = "postgresql://openfunnel@db.example.com/openfunnel"
_ENDS_WITHIN = 20.0


async def run(team: Team, folder: Path, *words: str) -> None:
    """Run Python in a folder to its end."""
    async with running(team, folder, *words) as process:
        await process.wait()


@asynccontextmanager
async def running(
    team: Team, folder: Path, *words: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run Python for a block, which it must survive or end well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=folder,
        env=os.environ | environment_of(team.sandbox) | {"OPENFUNNEL_BOOK": team.url},
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_ENDS_WITHIN):
            _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


async def plan(team: Team, folder: Path) -> None:
    """Run the program that plans."""
    script = folder / "plan.py"
    script.write_text(PLAN.replace(_ADDRESS, team.url), encoding="utf-8")
    await run(team, folder, str(script))


@pytest.fixture
async def team(postgres_url: str) -> AsyncGenerator[Team]:
    async with Sandbox(speed=500, credits=1e6) as sandbox:
        yield Team(url=postgres_url, sandbox=sandbox)


async def test_a_worker_buys_what_a_program_plans(team: Team, tmp_path: Path) -> None:
    await plan(team, tmp_path)
    words = ("-m", "openfunnel_async.cli", "worker", "--concurrency", "1000")
    async with running(team, tmp_path, *words):
        await team.until(lambda status: status.settled == 1)
    assert len(team.sandbox.jobs) == 1


async def test_an_app_of_procrastinate_does_the_same(
    team: Team, tmp_path: Path
) -> None:
    """Caught: tasks that have other names in the app than in the Book."""
    (tmp_path / "tasks.py").write_text(TASKS, encoding="utf-8")
    app = ("-m", "procrastinate", "--app", "tasks.app")
    await run(team, tmp_path, *app, "schema", "--apply")
    await plan(team, tmp_path)
    worker = (*app, "worker", "--delete-jobs", "always")
    submits = ("--queues", "openfunnel_submit", "--concurrency", "1")
    follows = ("--queues", "openfunnel_follow", "--concurrency", "1000")
    timeout = ("--shutdown-graceful-timeout", "1")
    async with (
        running(team, tmp_path, *worker, *submits, *timeout),
        running(team, tmp_path, *worker, *follows, *timeout),
    ):
        await team.until(lambda status: status.settled == 1)
    assert len(team.sandbox.jobs) == 1
    tasks = await team.query(
        "SELECT task_name FROM procrastinate_jobs WHERE task_name <> 'openfunnel:sweep'"
    )
    assert tasks == []
