"""``worker``: its flags, its lines, and how it ends."""

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from openfunnel_async import Book, LookalikeSearch, OpenFunnel
from openfunnel_async.sandbox import Unknowns
from tests.cli.command import Outcome, Terminal, life, read_until
from tests.fleet.programs import WatchedSandbox
from tests.support.postgres import PostgresServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to send there"),
]


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def plan(terminal: Terminal, url: str, *, budget: str | None = None) -> None:
    """Plan a batch of three searches, as another program does."""
    book, sandbox = Book.connect(url), terminal.sandbox
    async with OpenFunnel(
        sandbox.api_key, base_url=sandbox.base_url, book=book
    ) as client:
        if budget is not None:
            await book.set_budget(budget, total=200)
        searches = [LookalikeSearch(query=f"case {n}", limit=100) for n in range(3)]
        await client.batch("q4", searches)


async def work(
    terminal: Terminal, *flags: str, until: int, name: str = "SIGTERM"
) -> Outcome:
    """Run a worker until a number of jobs was submitted, and end it by a signal."""
    async with await terminal.start("worker", *flags) as process:
        printed = await read_until(process, "ork")
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) >= until)
        process.send_signal(signal.Signals[name])
        ended = await terminal.outcome(process)
    return Outcome(code=ended.code, out=printed + ended.out, err=ended.err)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_it_works_until_a_signal(
    terminal: Terminal, postgres_url: str, name: str
) -> None:
    await plan(terminal, postgres_url)
    flags = ("--database", postgres_url, "--concurrency", "7", "--json")
    outcome = await work(terminal, *flags, until=3, name=name)
    assert (outcome.code, outcome.err) == (0, "")
    assert [each["event"] for each in outcome.objects] == [
        "working",
        "stopping",
        "ended",
    ]
    working = outcome.find("working")
    assert working["concurrency"] == 7
    assert working["budget"] is None


async def test_a_budget_holds(terminal: Terminal, postgres_url: str) -> None:
    """Caught: a worker that submits outside of its budget."""
    await plan(terminal, postgres_url, budget="agent")
    flags = ("--database", postgres_url, "--budget", "agent", "--json")
    outcome = await work(terminal, *flags, until=2)
    assert outcome.find("working")["budget"] == "agent"
    assert len(terminal.sandbox.jobs) == 2


async def test_a_budget_that_is_none_is_refused(
    terminal: Terminal, postgres_url: str
) -> None:
    await plan(terminal, postgres_url)
    flags = ("--database", postgres_url, "--budget", "agent")
    outcome = await terminal.run("worker", *flags)
    assert outcome.code == 2
    assert "has no budget agent" in outcome.err


async def test_it_ends_with_an_error_without_its_database(terminal: Terminal) -> None:
    """Caught: 0, which tells a supervisor that all is well."""
    with PostgresServer() as server:
        await plan(terminal, server.url)
        flags = ("--database", server.url, "--json")
        async with await terminal.start("worker", *flags) as process:
            await read_until(process, '"working"')
            server.stop()
            outcome = await terminal.outcome(process)
        server.start()
    assert outcome.code == 1
    assert outcome.errors[-1]["event"] == "error"


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ((), "needs a Book on PostgreSQL"),
        (("--database", "sqlite:///a"), "needs a Book on PostgreSQL"),
        (("--database", "postgresql://me:word@host/x"), "may have no password"),
        (("--database", "postgres://host/x?password=word"), "may have no password"),
        (("--database", "postgresql://host/x", "--concurrency", "0"), "at least 1"),
    ],
)
async def test_invalid_flags_are_refused(
    terminal: Terminal, flags: tuple[str, ...], part: str
) -> None:
    outcome = await terminal.run_in_thread("worker", *flags)
    assert outcome.code == 2
    assert part in outcome.err
    assert "word" not in outcome.err.replace("password", "")


async def test_the_environment_names_the_database_and_the_budget(
    terminal: Terminal, postgres_url: str
) -> None:
    await plan(terminal, postgres_url, budget="agent")
    named = {"OPENFUNNEL_BOOK": postgres_url, "OPENFUNNEL_BUDGET": "agent"}
    whole = attrs.evolve(terminal, environment=named)
    outcome = await work(whole, "--json", until=2)
    assert outcome.code == 0
    assert outcome.find("working")["budget"] == "agent"
    assert len(terminal.sandbox.jobs) == 2
