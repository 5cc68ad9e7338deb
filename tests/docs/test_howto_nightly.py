"""The how-to on a nightly batch: its program, run, killed and run again."""

import contextlib
import csv
import signal
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio.abc import Process

from openfunnel_async.sandbox import JobLife, LostAnswer
from tests.docs.programs import QUICK_POLLS
from tests.fleet.programs import WatchedSandbox, output_of, start, write_program

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
LATER = JobLife(queue=0, first_page_after=60, seconds_per_page=0, closing=0)


async def run(folder: Path, sandbox: WatchedSandbox) -> tuple[int | None, list[str]]:
    script = write_program("nightly-batch.md", folder)
    async with await start(script, sandbox, **QUICK_POLLS) as process:
        said = await output_of(process)
    return process.returncode, said.splitlines()


@asynccontextmanager
async def running(folder: Path, sandbox: WatchedSandbox) -> AsyncGenerator[Process]:
    """Start the program, and wait until both of its jobs are polled."""
    script = write_program("nightly-batch.md", folder)
    async with await start(script, sandbox, **QUICK_POLLS) as process:
        await sandbox.until(
            lambda: sandbox.count("submit") == 2 and sandbox.count("read") >= 3
        )
        yield process


def names(folder: Path) -> list[str]:
    [path] = folder.glob("night-*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return [line["name"] for line in csv.DictReader(file)]


def count_backups(folder: Path) -> int:
    return len(list(folder.glob("backup-*.sqlite")))


def rename_to_yesterday(folder: Path) -> None:
    """Give the batch of this night another name, as if a day had passed."""
    with contextlib.closing(sqlite3.connect(folder / "openfunnel.sqlite")) as db, db:
        db.execute("UPDATE of_batch SET name = 'night-before'")
        db.execute("UPDATE of_search SET key = 'night-before/' || id")


async def test_it_buys_once_and_writes_the_file(tmp_path: Path) -> None:
    """Caught: a second start on the same day that buys again."""
    async with WatchedSandbox(speed=0, lives=[AT_ONCE] * 2) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert code == 0, said
        assert said[-1].endswith("2 settled, 0 rejected, 0 skipped, 150 credits")
        first, second = sandbox.jobs.values()
        assert names(tmp_path) == [row["name"] for row in (*first.rows, *second.rows)]
        assert count_backups(tmp_path) == 1
        code, said = await run(tmp_path, sandbox)
        assert code == 0
        assert sandbox.count("submit") == 2
        assert sandbox.ledger.used == 150
        assert count_backups(tmp_path) == 2


@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGINT])
async def test_the_next_night_continues(which: signal.Signals, tmp_path: Path) -> None:
    """Caught: a script that runs the batch of its own day alone."""
    lives = [LATER, LATER, AT_ONCE, AT_ONCE]
    async with WatchedSandbox(speed=0, lives=lives) as sandbox:
        async with running(tmp_path, sandbox) as process:
            process.send_signal(which)
            await output_of(process)
        assert process.returncode != 0
        assert sandbox.count("cancel") == 0
        rename_to_yesterday(tmp_path)
        sandbox.advance(3600)
        code, said = await run(tmp_path, sandbox)
        assert (code, len(said)) == (0, 2), said
        assert sandbox.count("submit") == 4
        assert sandbox.ledger.used == 300


async def test_a_second_start_leaves_the_first_one_alone(tmp_path: Path) -> None:
    async with WatchedSandbox(speed=0, lives=[LATER] * 2) as sandbox:
        async with running(tmp_path, sandbox) as process:
            code, said = await run(tmp_path, sandbox)
            assert code == 75
            assert f"process {process.pid} " in said[-1]
            process.kill()
            await output_of(process)
        assert sandbox.count("submit") == 2


async def test_an_unknown_submit_is_named(tmp_path: Path) -> None:
    lost = LostAnswer(on="submit")
    async with WatchedSandbox(speed=0, lives=[AT_ONCE] * 2, faults=[lost]) as sandbox:
        for _night in range(2):
            code, said = await run(tmp_path, sandbox)
            assert code == 7
            assert said[-1].startswith("decide about night-")
        assert sandbox.count("submit") == 2
        assert len(names(tmp_path)) == 50


async def test_a_key_that_is_refused_ends_with_1(tmp_path: Path) -> None:
    script = write_program("nightly-batch.md", tmp_path)
    async with WatchedSandbox(speed=0) as sandbox:
        wrong = {"OPENFUNNEL_API_KEY": "of_" + "0" * 64}
        async with await start(script, sandbox, **wrong, **QUICK_POLLS) as process:
            said = await output_of(process)
        assert process.returncode == 1
        assert "not finished, run it again: " in said
        assert not sandbox.jobs
