"""Ctrl-C: once leaves the job, twice cancels it; sent as a terminal sends it."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import SlowAnswer, Unknowns
from tests.cli.command import Outcome, Terminal, life, read_until
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


async def run_with_signals(
    terminal: Terminal, *arguments: str, after: str, signals: tuple[signal.Signals, ...]
) -> Outcome:
    """Run a command, and send it signals once it has printed something."""
    async with await terminal.start(*arguments) as process:
        printed = await read_until(process, after)
        process.send_signal(signals[0])
        for another in signals[1:]:
            printed += await read_until(process, '"left"')
            process.send_signal(another)
        ended = await terminal.outcome(process)
    return Outcome(code=ended.code, out=printed + ended.out, err=ended.err)


async def test_once_leaves_the_job_and_prints_a_command(
    terminal: Terminal,
) -> None:
    """Caught: the job cancelled by the client that is closed."""
    ended = await run_with_signals(
        terminal, *RUN, after='"delivered": 200', signals=(signal.SIGINT,)
    )
    ((job_id, job),) = terminal.sandbox.jobs.items()
    assert (ended.code, ended.err) == (130, "")
    assert job.status == "running"
    left = ended.find("left")
    assert left == {
        "event": "left",
        "job_ids": [job_id],
        "pick_up": f"openfunnel-async fetch {job_id} -o out.csv --follow --resume",
        "cancel_within": 3.0,
    }
    terminal.sandbox.advance(10 * 86_400)
    picked_up = await terminal.run(*left["pick_up"].split()[1:], "--json")
    assert picked_up.code == 0
    assert picked_up.find("exported")["rows"] == 900


async def test_twice_cancels_it_and_the_file_has_all_billed_rows(
    terminal: Terminal,
) -> None:
    """Caught: the file left as a part, with its rows paid for."""
    both = (signal.SIGINT, signal.SIGINT)
    ended = await run_with_signals(
        terminal, *RUN, after='"delivered": 200', signals=both
    )
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, ended.err) == (4, "")
    assert job.status == "cancelled"
    assert ended.find("cancel")["credits_consumed"] == 200.0
    assert ended.find("exported")["rows"] == 200
    assert [path.name for path in terminal.folder.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_a_termination_leaves_at_once(terminal: Terminal, name: str) -> None:
    """Caught: a closed terminal that ends the process without the job's id."""
    ended = await run_with_signals(
        terminal, *RUN, after='"delivered": 200', signals=(signal.Signals[name],)
    )
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, job.status) == (143, "running")
    assert ended.find("left")["cancel_within"] is None


async def test_twice_in_watch_cancels_all_jobs(
    terminal: Terminal,
) -> None:
    for _ in range(2):
        await terminal.submit(900)
    watch = ("watch", *terminal.sandbox.jobs, "--json")
    ended = await run_with_signals(
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
    assert ended.find("submitted")["job_id"] == job_id
    assert ended.find("left")["pick_up"] == f"openfunnel-async watch {job_id}"


async def test_twice_in_a_submit_cancels_what_it_made(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with await terminal.start("submit", *SEARCH, "--json") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        await read_until(process, "waiting")
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    (job,) = terminal.sandbox.jobs.values()
    assert (ended.code, ended.out.strip()) == (7, "")
    assert json.loads(ended.err.splitlines()[-1])["code"] == 7
    assert job.status in {"cancelled", "cancelling"}


async def test_an_interrupted_read_is_one_object(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(SlowAnswer(on="balance", delay=60.0))
    async with await terminal.start("balance", "--json") as process:
        await terminal.sandbox.until(lambda: terminal.sandbox.count("balance") > 0)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    assert (ended.code, ended.out) == (130, "")
    assert ended.errors == [{"event": "error", "message": "interrupted", "code": 130}]
