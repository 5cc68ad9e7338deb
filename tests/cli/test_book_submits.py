"""run and submit with a Book: no id is lost with the scrollback."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import LostAnswer, SlowAnswer, Unknowns
from tests.cli.batches import count_submits, get_book, plan, read_entries
from tests.cli.command import Terminal, life, read_until
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--yes", "--limit", "150")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def test_without_a_book_none_is_made(terminal: Terminal) -> None:
    outcome = await terminal.run("submit", *SEARCH, "--json")
    assert outcome.find("submitted")["key"] is None
    assert [*terminal.folder.iterdir()] == []


@pytest.mark.parametrize("way", ["flag", "variable", "file"])
async def test_a_submit_is_in_the_book(terminal: Terminal, way: str) -> None:
    """Caught: a Book that only batches write into."""
    flags = ("--book", "openfunnel.sqlite") if way == "flag" else ()
    more = {"OPENFUNNEL_BOOK": "openfunnel.sqlite"} if way == "variable" else {}
    if way == "file":
        await plan(terminal, 1)
    outcome = await terminal.run("submit", *SEARCH, *flags, **more)
    (job_id,) = terminal.sandbox.jobs
    entry = (await read_entries(terminal))[-1]
    assert (outcome.code, outcome.out) == (0, f"{job_id}\n")
    assert (entry.job_id, entry.batch, entry.state) == (job_id, None, "submitted")
    assert entry.key.startswith("cli/")
    assert f"The Book has it as {entry.key}." in outcome.err
    listed = await terminal.run("book", "entries")
    assert (entry.key in listed.out, job_id in listed.out) == (True, True)


async def test_run_and_its_sample_are_two_entries(terminal: Terminal) -> None:
    await plan(terminal, 1)
    run = ("run", *SEARCH, "-o", "out.csv", "--sample", "20", "--json")
    outcome = await terminal.run(*run)
    assert outcome.code == 0
    keys = [each["key"] for each in outcome.objects if each["event"] == "submitted"]
    entries = (await read_entries(terminal))[1:]
    assert [entry.key for entry in entries] == keys
    assert {entry.job_id for entry in entries} == {*terminal.sandbox.jobs}
    assert [entry.search.limit for entry in entries] == [20, 150]


async def test_an_unknown_submit_is_in_the_book(terminal: Terminal) -> None:
    await plan(terminal, 1)
    terminal.sandbox.faults.append(LostAnswer(on="submit"))
    outcome = await terminal.run("submit", *SEARCH)
    entry = (await read_entries(terminal))[-1]
    assert (outcome.code, entry.state, count_submits(terminal)) == (7, "unknown", 1)
    assert f"The Book has it as {entry.key}; batch resolve decides it." in outcome.err


async def test_a_book_of_another_account_sends_nothing(terminal: Terminal) -> None:
    await plan(terminal, 1)
    terminal.sandbox.requests.clear()
    outcome = await terminal.run("submit", *SEARCH, OPENFUNNEL_API_KEY="of_other")
    assert (outcome.code, outcome.out, terminal.sandbox.requests) == (1, "", [])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send there")
async def test_twice_in_a_submit_leaves_the_job_in_the_book(
    terminal: Terminal,
) -> None:
    """Caught: a message that the job was cancelled, as without a Book."""
    await plan(terminal, 1)
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.5))
    async with await terminal.start("submit", *SEARCH, "--json") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        await read_until(process, "waiting")
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    ((job_id, job),) = terminal.sandbox.jobs.items()
    entry = (await read_entries(terminal))[-1]
    error = json.loads(ended.err.splitlines()[-1])
    assert (ended.code, error["code"], error["key"]) == (7, 7, entry.key)
    assert (entry.job_id, job.status) == (job_id, "running")
    assert get_book(terminal).exists()
