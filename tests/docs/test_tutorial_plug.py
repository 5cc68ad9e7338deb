"""The tutorial on the Book: a batch that is killed, continued and compared."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from openfunnel_async.sandbox import JobLife
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import QUICK_POLLS, environment_of, run_program
from tests.fleet.programs import WatchedSandbox, start, until_said

pytestmark = pytest.mark.anyio

PAGE = DOCS / "tutorial-pull-the-plug.md"
BATCH, LOOK, UNKNOWN = blocks(PAGE, "python")
ENTRIES, END, UNDECIDED = (text.splitlines() for text in blocks(PAGE, "text"))
LATER = JobLife(queue=0, first_page_after=60, seconds_per_page=0, closing=0)
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


async def run(code: str, folder: Path, environment: dict[str, str]) -> list[str]:
    process = await run_program(code, folder, environment)
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode().splitlines()


async def test_it_goes_as_the_page_says(tmp_path: Path) -> None:
    """Caught: a batch that is planned under a new name each time, and bought twice."""
    script = tmp_path / "batch.py"
    script.write_text(BATCH, encoding="utf-8")
    async with WatchedSandbox(speed=0, lives=[LATER] * 3 + [AT_ONCE] * 5) as sandbox:
        key = environment_of(sandbox)
        # Time stands still, so three jobs run, and no submit is under way.
        async with await start(script, sandbox, **QUICK_POLLS) as process:
            await until_said(process, "5 planned, 3 submitted, 0 settled")
            process.kill()
        seen = "\n".join(await run(LOOK, tmp_path, {}))
        for number, job_id in enumerate(sandbox.jobs, 1):
            seen = seen.replace(job_id, f"job-{number}")
        assert seen.splitlines() == ENTRIES

        sandbox.advance(3600)
        said = await run(BATCH, tmp_path, key)
        assert said[-3:] == END
        assert (sandbox.count("submit"), sandbox.ledger.used) == (8, 800)
        assert (await run(BATCH, tmp_path, key))[-3:] == END
        assert sandbox.count("submit") == 8


async def test_a_lost_answer_is_decided_by_a_person(tmp_path: Path) -> None:
    """Caught: an unknown entry that the next run submits again."""
    assert await run(UNKNOWN, tmp_path, {}) == UNDECIDED


async def test_the_commands_kill_the_program(tmp_path: Path) -> None:
    [_, commands] = blocks(PAGE, "sh")
    (tmp_path / "batch.py").write_text("import time\ntime.sleep(60)\n")
    lines = (
        commands.replace(".venv/bin/python", sys.executable).replace("sleep 3", ":")
        + "wait $!"
    )
    with anyio.fail_after(30):
        ended = await anyio.run_process(
            ["/bin/sh", "-c", lines],
            cwd=tmp_path,
            env=os.environ,
            check=False,
        )
    assert ended.returncode == 128 + 9
