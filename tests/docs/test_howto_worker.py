"""The how-to on worker pools: a real process, real signals, and one that continues."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from openfunnel_async.sandbox import JobLife
from tests.fleet.programs import WatchedSandbox, output_of, start, write_program

pytestmark = pytest.mark.anyio

NAMES = ("germany", "france", "spain")
# Time stands still: two pages are there, the others come when the clock is moved.
TWO_PAGES = JobLife(
    queue=0, first_page_after=0, seconds_per_page=(0.0, 60.0), closing=10
)
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


def new_sandbox() -> WatchedSandbox:
    return WatchedSandbox(speed=0, lives=[TWO_PAGES, TWO_PAGES, AT_ONCE])


async def stop_by(which: signal.Signals, script: Path, sandbox: WatchedSandbox) -> str:
    """Run the program until both workers are on their second page, and stop it."""
    async with await start(script, sandbox) as process:
        # Who asks for the second page has written the rows of the first one.
        await sandbox.until(lambda: sandbox.count("read", "page_0001") >= 2)
        process.send_signal(which)
        return await output_of(process)


async def finish(script: Path, sandbox: WatchedSandbox) -> str:
    """Let the jobs end, run the program again, and see that it does."""
    sandbox.advance(3600)
    async with await start(script, sandbox) as process:
        said = await output_of(process)
    assert process.returncode == 0, said
    return said


def written(folder: Path, name: str) -> list[str]:
    text = (folder / "state" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line)["name"] for line in text.splitlines()]


def is_exact(folder: Path, sandbox: WatchedSandbox) -> bool:
    """Tell whether each file holds its job's rows, all, in order, each once."""
    truth = [[row["name"] for row in job.rows] for job in sandbox.jobs.values()]
    return [written(folder, name) for name in NAMES] == truth


async def test_a_stop_by_sigterm_is_gone_on_from_exactly(tmp_path: Path) -> None:
    """Caught: rows gathered by the program and not written when it stops."""
    script = write_program("worker-pool.md", tmp_path)
    async with new_sandbox() as sandbox:
        said = await stop_by(signal.SIGTERM, script, sandbox)
        assert said.splitlines()[-1] == "stopped; start it again to continue"
        assert [job.status for job in sandbox.jobs.values()] == ["running"] * 2
        assert all(len(written(tmp_path, name)) >= 100 for name in NAMES[:2])
        said = await finish(script, sandbox)
        assert said.splitlines()[-1] == "all read"
        assert is_exact(tmp_path, sandbox)
        assert sandbox.count("submit") == 3
        assert sandbox.count("cancel") == 0


async def test_the_next_process_begins_where_the_last_one_was(tmp_path: Path) -> None:
    """Caught: `client.job()` in place of `client.resume()`."""
    script = write_program("worker-pool.md", tmp_path)
    async with new_sandbox() as sandbox:
        await stop_by(signal.SIGTERM, script, sandbox)
        stopped = set(sandbox.jobs)
        sandbox.requests.clear()
        await finish(script, sandbox)
        reads = [seen for seen in sandbox.requests if seen.job_id in stopped]
    assert reads
    assert all("cursor" in dict(seen.query) for seen in reads)


async def test_a_kill_is_gone_on_from_exactly_as_well(tmp_path: Path) -> None:
    """Caught: `drop_lines` left out, once lines are ahead of the checkpoint."""
    script = write_program("worker-pool.md", tmp_path)
    async with new_sandbox() as sandbox:
        await stop_by(signal.SIGKILL, script, sandbox)
        # What a process that dies may have written without its checkpoint.
        output = tmp_path / "state" / "germany.jsonl"
        output.write_text('{"name": "ahead"}\n{"name": "of it"}\n{"na')
        await finish(script, sandbox)
        assert is_exact(tmp_path, sandbox)


async def test_all_read_is_all_read(tmp_path: Path) -> None:
    script = write_program("worker-pool.md", tmp_path)
    async with WatchedSandbox(speed=0, lives=[AT_ONCE] * 3) as sandbox:
        await finish(script, sandbox)
        await finish(script, sandbox)
        assert is_exact(tmp_path, sandbox)
        assert sandbox.count("submit") == 3


async def test_a_job_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    fails = attrs.evolve(AT_ONCE, rows=120, ends="failed")
    script = write_program("worker-pool.md", tmp_path)
    async with WatchedSandbox(speed=0, lives=[fails, AT_ONCE, AT_ONCE]) as sandbox:
        said = await finish(script, sandbox)
        assert is_exact(tmp_path, sandbox)
    holds: Callable[[str], bool] = said.splitlines().__contains__
    assert any(line.startswith("germany: job ") for line in said.splitlines())
    assert holds("france: completed")
    assert holds("spain: completed")
