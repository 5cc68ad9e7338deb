"""Ctrl-C: once leaves the job, twice cancels it; sent as a terminal sends it."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import SlowAnswer, Unknowns
from tests.cli.command import Outcome, Terminal, life, until_said
from tests.fleet.programs import WatchedSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send there"),
]

SEARCH = ("--query", "voice ai", "--yes", "--limit", "900")
RUN = ("run", *SEARCH, "-o", "out.csv", "--json")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    lives = [life(pages=2)] * 2
    async with WatchedSandbox(unknowns=Unknowns(settle=0), lives=lives) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def struck(
    terminal: Terminal, *arguments: str, after: str, signals: tuple[signal.Signals, ...]
) -> Outcome:
    """Run a command, and send it signals once it has said something."""
    async with await terminal.start(*arguments) as process:
        said = await until_said(process, after)
        process.send_signal(signals[0])
        for another in signals[1:]:
            said += await until_said(process, '"left"')
            process.send_signal(another)
        ended = await terminal.outcome(process)
    return Outcome(code=ended.code, out=said + ended.out, err=ended.err)


async def test_once_leaves_the_job_and_says_how_to_go_on(terminal: Terminal) -> None:
    """Caught: the job cancelled by the client that is closed."""
    ended = await struck(
        terminal, *RUN, after='"delivered": 200', signals=(signal.SIGINT,)
    )
    ((job_id, job),) = terminal.sandbox.jobs.items()
    assert (ended.code, ended.err) == (130, "")
    assert job.status == "running"
    left = ended.told("left")
    assert left == {
        "event": "left",
        "job_ids": [job_id],
        "pick_up": f"openfunnel-async fetch {job_id} -o out.csv --follow --resume",
        "cancel_within": 3.0,
    }
    terminal.sandbox.advance(10 * 86_400)
    picked_up = await terminal.run(*left["pick_up"].split()[1:], "--json")
    assert picked_up.code == 0
    assert picked_up.told("exported")["rows"] == 900


async def test_twice_cancels_it_and_the_file_has_what_was_billed(
    terminal: Terminal,
) -> None:
    """Caught: the file left as a part, with its rows paid for."""
    both = (signal.SIGINT, signal.SIGINT)
    ended = await struck(terminal, *RUN, after='"delivered": 200', signals=both)
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, ended.err) == (4, "")
    assert job.status == "cancelled"
    assert ended.told("cancel")["credits_consumed"] == 200.0
    assert ended.told("exported")["rows"] == 200
    assert [path.name for path in terminal.folder.iterdir()] == ["out.csv"]


async def test_sigterm_leaves_at_once(terminal: Terminal) -> None:
    ended = await struck(
        terminal, *RUN, after='"delivered": 200', signals=(signal.SIGTERM,)
    )
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, job.status) == (143, "running")
    assert ended.told("left")["cancel_within"] is None


async def test_watching_is_left_and_jobs_are_cancelled_likewise(
    terminal: Terminal,
) -> None:
    for _ in range(2):
        await terminal.run("submit", *SEARCH)
    watch = ("watch", *terminal.sandbox.jobs, "--json")
    ended = await struck(
        terminal, *watch, after="progress", signals=(signal.SIGINT, signal.SIGINT)
    )
    assert ended.code == 4
    assert {job.status for job in terminal.sandbox.jobs.values()} == {"cancelled"}
    assert sum(each["event"] == "cancel" for each in ended.objects) == 2


async def test_once_in_a_submit_waits_for_the_id(terminal: Terminal) -> None:
    """Caught: the submit dropped, and its job cancelled or unknown."""
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with await terminal.start("submit", *SEARCH, "--json") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    ((job_id, job),) = terminal.sandbox.jobs.items()
    assert (ended.code, job.status) == (130, "running")
    assert ended.told("submitted")["job_id"] == job_id
    assert ended.told("left")["pick_up"] == f"openfunnel-async watch {job_id}"


async def test_twice_in_a_submit_cancels_what_it_made(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with await terminal.start("submit", *SEARCH, "--json") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        await until_said(process, "waiting")
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, ended.out.strip()) == (7, "")
    assert json.loads(ended.err.splitlines()[-1])["code"] == 7
    assert job.status in {"cancelled", "cancelling"}


async def test_a_question_that_is_broken_off_is_one_object(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(SlowAnswer(on="balance", delay=60.0))
    async with await terminal.start("balance", "--json") as process:
        await terminal.sandbox.until(lambda: terminal.sandbox.count("balance") > 0)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    assert (ended.code, ended.out) == (130, "")
    assert ended.errors == [{"event": "error", "message": "interrupted", "code": 130}]
