"""A batch that is interrupted, terminated or killed: no search is submitted twice."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from openfunnel_async.sandbox import SlowAnswer, Unknowns
from tests.cli.batches import NAME, check, count_submits, get_book, plan, read_entries
from tests.cli.command import Outcome, Terminal, life, read_until
from tests.fleet.programs import WatchedSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send there"),
]

RUN = ("batch", "run", NAME, "--json")
_DAYS = 10 * 86_400


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life(pages=1)
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def statuses(terminal: Terminal) -> list[str]:
    return [job.status for job in terminal.sandbox.jobs.values()]


async def finish(terminal: Terminal, searches: int) -> None:
    """Run the batch to its end, and compare the Book with the service."""
    terminal.sandbox.plan = lambda _number, _limit: life()
    terminal.sandbox.advance(_DAYS)
    outcome = await terminal.run(*RUN)
    batch = outcome.find("batch")
    assert (outcome.code, batch["settled"]) == (0, searches)
    assert count_submits(terminal) == len(terminal.sandbox.jobs) == searches
    assert batch["rows"] == 150 * searches == batch["spent"]
    assert (await check(terminal)).is_ok


async def test_once_leaves_the_jobs_and_prints_what_continues(
    terminal: Terminal,
) -> None:
    """Caught: jobs cancelled by the client that closes."""
    await plan(terminal, 4)
    async with await terminal.start(*RUN, "--max-active", "2") as process:
        printed = await read_until(process, '"submitted": 2')
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    outcome = Outcome(code=ended.code, out=printed + ended.out, err=ended.err)
    assert (outcome.code, outcome.err) == (130, "")
    assert statuses(terminal) == ["running", "running"]
    path = get_book(terminal).resolve()
    assert outcome.find("left") == {
        "event": "left",
        "name": NAME,
        "job_ids": [*terminal.sandbox.jobs],
        "planned": 2,
        "pick_up": f"openfunnel-async batch run {NAME} --book {path} --max-active 2",
        "cancel": f"openfunnel-async batch cancel {NAME} --book {path}",
        "cancel_within": None,
    }
    await finish(terminal, 4)


async def test_for_people_the_commands_are_lines_of_their_own(
    terminal: Terminal,
) -> None:
    await plan(terminal, 2)
    async with await terminal.start("batch", "run", NAME) as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 1)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    path = get_book(terminal).resolve()
    assert (ended.code, ended.out) == (130, "")
    assert f"\n  openfunnel-async batch run {NAME} --book {path}\n" in ended.err
    assert f"\n  openfunnel-async batch cancel {NAME} --book {path}\n" in ended.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_a_termination_is_as_once(terminal: Terminal, name: str) -> None:
    await plan(terminal, 2)
    async with await terminal.start(*RUN) as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 1)
        process.send_signal(signal.Signals[name])
        ended = await terminal.outcome(process)
    assert (ended.code, statuses(terminal)) == (143, ["running"] * 2)
    assert [*terminal.sandbox.jobs] == ended.find("left")["job_ids"]
    await finish(terminal, 2)


async def test_once_in_a_submit_lets_it_finish(terminal: Terminal) -> None:
    """Caught: the submit in flight dropped, and its outcome unknown."""
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.5))
    await plan(terminal, 3)
    async with await terminal.start(*RUN) as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    (job_id,) = terminal.sandbox.jobs
    assert (ended.code, ended.find("left")["job_ids"]) == (130, [job_id])
    states = [entry.state for entry in await read_entries(terminal)]
    assert states == ["submitted", "planned", "planned"]
    await finish(terminal, 3)


async def test_twice_in_a_submit_ends_at_once(terminal: Terminal) -> None:
    """Caught: a second Ctrl-C that waits like the first one."""
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=3600.0))
    await plan(terminal, 2)
    async with await terminal.start(*RUN) as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        await read_until(process, '"stopping"')
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    left = json.loads(ended.out.splitlines()[-1])
    assert (ended.code, ended.err, left["event"]) == (130, "", "left")
    # Nothing could be written any more, so the submit is found as unknown.
    states = [entry.state for entry in await read_entries(terminal)]
    assert states == ["submitting", "planned"]
    terminal.sandbox.faults.clear()
    terminal.sandbox.plan = lambda _number, _limit: life()
    outcome = await terminal.run(*RUN)
    batch = outcome.find("batch")
    assert (outcome.code, batch["unknown"], batch["settled"]) == (7, 1, 1)
    assert batch["reserved"] == 150.0
    assert count_submits(terminal) == 2


def _has_jobs(terminal: Terminal, number: int) -> bool:
    return len(terminal.sandbox.jobs) >= number


async def test_ten_kills_buy_nothing_twice(terminal: Terminal) -> None:
    """Caught: a run that starts from the first search."""
    terminal.sandbox.plan = lambda _number, _limit: life()
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=0.02, times=500))
    await plan(terminal, 30)
    for kill in range(10):
        async with await terminal.start(*RUN, "--max-active", "3") as process:
            await terminal.sandbox.until(partial(_has_jobs, terminal, 3 * kill + 3))
            process.kill()
            await process.wait()
    with anyio.fail_after(60):
        outcome = await terminal.run(*RUN)
    batch = outcome.find("batch")
    assert outcome.code == (7 if batch["unknown"] else 0)
    assert batch["unknown"] <= 10
    assert count_submits(terminal) == len(terminal.sandbox.jobs) == 30
    assert batch["settled"] + batch["unknown"] == 30
    assert batch["rows"] == 150 * batch["settled"]
    assert batch["reserved"] == 150.0 * batch["unknown"]
    assert (await check(terminal)).is_ok


async def test_watch_shows_another_process_and_ends_with_it(
    terminal: Terminal,
) -> None:
    await plan(terminal, 2)
    async with (
        await terminal.start(*RUN) as running,
        await terminal.start("batch", "watch", NAME, "--json") as watching,
        await terminal.start("batch", "watch", NAME, "--json") as leaving,
    ):
        await read_until(watching, '"submitted": 2')
        await read_until(leaving, '"submitted": 2')
        leaving.send_signal(signal.SIGINT)
        left = await terminal.outcome(leaving)
        outcomes: dict[str, Outcome] = {}

        async def wait(name: str, process: Process) -> None:
            outcomes[name] = await terminal.outcome(process)

        async with anyio.create_task_group() as group:
            group.start_soon(wait, "watched", watching)
            group.start_soon(wait, "ended", running)
            terminal.sandbox.advance(_DAYS)
    watched, ended = outcomes["watched"], outcomes["ended"]
    assert (left.code, watched.code, ended.code) == (130, 0, 0)
    last = json.loads(ended.out.splitlines()[-1])
    assert last == json.loads(watched.out.splitlines()[-1])
    assert (last["event"], last["settled"]) == ("batch", 2)
