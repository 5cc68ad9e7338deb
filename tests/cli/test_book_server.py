"""Every command with a Book on PostgreSQL, with a real server.

The address has a password that the server does not need. ``Shell`` checks that no
output of any command has it.
"""

import asyncio
import csv
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
import attrs
import psycopg
import pytest
from anyio.abc import Process

from openfunnel_async import Book
from openfunnel_async.book import BookEntry
from openfunnel_async.book._postgres import connection
from openfunnel_async.sandbox import LostAnswer, Unknowns
from tests.cli.batches import NAME, count_submits, write_plan
from tests.cli.command import Outcome, Terminal, life
from tests.fleet.programs import WatchedSandbox
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.anyio

PASSWORD = "s3cret-of-the-book"
RUN = ("batch", "run", NAME, "--json")
SEARCH = ("--query", "voice ai", "--yes", "--limit", "40")


def with_password(url: str, password: str = PASSWORD, user: str | None = None) -> str:
    """Return an address with another password, and perhaps another user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    name = user or parts.username
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))


def without_password(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}"))


@attrs.frozen(kw_only=True)
class Shell:
    """A terminal whose OPENFUNNEL_BOOK is a database.

    Attributes:
        url: The address.
    """

    terminal: Terminal
    url: str

    async def run(self, *words: str, **more: str) -> Outcome:
        """Run a command; one that handles signals as a process of its own."""
        plain = words[0] == "book" or words[1] in {"plan", "list", "show", "resolve"}
        run = self.terminal.run_in_thread if plain else self.terminal.run
        return self._check(await run(*words, **{"OPENFUNNEL_BOOK": self.url} | more))

    async def start(self, *words: str) -> Process:
        """Start a command as a process of its own."""
        environment = {"OPENFUNNEL_BOOK": self.url}
        return await attrs.evolve(self.terminal, environment=environment).start(*words)

    async def outcome(self, process: Process) -> Outcome:
        """Wait for the end of a command."""
        return self._check(await self.terminal.outcome(process))

    async def plan(self, searches: int, *flags: str, limit: int = 150) -> Outcome:
        """Plan a batch of different searches."""
        write_plan(self.terminal, searches, limit)
        outcome = await self.run("batch", "plan", f"{NAME}.csv", *flags)
        assert outcome.code == 0, outcome.err
        return outcome

    async def buy(self) -> Outcome:
        """Run the batch to its end."""
        outcome = await self.run(*RUN)
        assert outcome.code == 0, outcome.err
        return outcome

    async def entries(self) -> list[BookEntry]:
        """Return what is in the Book."""
        async with Book.connect(self.url) as book:
            return await book.entries()

    @property
    def place(self) -> str:
        """What may be printed of the address."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}{parts.path}"

    @staticmethod
    def _check(outcome: Outcome) -> Outcome:
        assert PASSWORD not in outcome.out + outcome.err
        return outcome


@pytest.fixture
async def shell(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shell]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        monkeypatch.delenv("OPENFUNNEL_BOOK", raising=False)
        folder = tmp_path / "folder"
        folder.mkdir()
        terminal = Terminal(folder=folder, sandbox=sandbox)
        yield Shell(terminal=terminal, url=with_password(postgres_url))


@pytest.fixture
def guarded_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of a server that asks the role ``guest`` for its password."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with PostgresServer() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(
                f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'".encode()
            )
            row = connection.execute("SHOW hba_file").fetchone()
            assert row is not None
            rules = (
                "host all guest 127.0.0.1/32 scram-sha-256",
                "host all postgres 127.0.0.1/32 trust",
            )
            values = ", ".join(f"('{rule}')" for rule in rules)
            connection.execute(f"COPY (VALUES {values}) TO '{row[0]}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield server.url


async def test_plan_run_show_and_export(shell: Shell) -> None:
    planned = await shell.plan(3)
    assert f"as batch {NAME} in {shell.place}." in planned.out
    assert f"batch run {NAME}\n" in planned.err.replace("\n  ", "\n") + "\n"
    bought = await shell.buy()
    batch = bought.find("batch")
    assert (batch["settled"], batch["rows"], batch["spent"]) == (3, 450, 450.0)
    again = await shell.plan(3, "--json")
    assert (again.find("planned")["is_new"], again.find("planned")["book"]) == (
        False,
        shell.place,
    )
    assert (await shell.buy()).find("batch")["rows"] == 450
    assert count_submits(shell.terminal) == 3

    no_key = {"OPENFUNNEL_API_KEY": "", "OPENFUNNEL_BASE_URL": "http://127.0.0.1:9"}
    listed = await shell.run("batch", "list", **no_key)
    assert "3 of 3" in listed.out
    shown = await shell.run("batch", "show", NAME, **no_key)
    keys = [entry.key for entry in await shell.entries()]
    assert all(key in shown.out for key in keys)
    watched = await shell.run("batch", "watch", NAME, "--json", **no_key)
    assert (watched.code, watched.find("batch")["settled"]) == (0, 3)
    entries = await shell.run("book", "entries", "--json", **no_key)
    assert [each["key"] for each in entries.objects] == keys
    checked = await shell.run("book", "check", "--json", **no_key)
    found = checked.find("book_check")
    assert (found["is_ok"], found["rows"], found["book"]) == (True, 450, shell.place)
    assert (
        f"The Book at {shell.place} is intact" in (await shell.run("book", "check")).out
    )
    export = ("batch", "export", NAME, "-o", "out.csv", "--json")
    written = await shell.run(*export, **no_key)
    assert (written.code, written.find("batch_exported")["rows"]) == (0, 450)
    path = shell.terminal.folder / "out.csv"
    with path.open(newline="", encoding="utf-8") as file:
        assert len([*csv.DictReader(file)]) == 450


async def test_two_runs_at_once_buy_each_search_once(shell: Shell) -> None:
    """Caught: a lock that refuses the second process, or leases that nobody takes."""
    await shell.plan(10)
    async with await shell.start(*RUN) as first, await shell.start(*RUN) as second:
        ended = await asyncio.gather(shell.outcome(first), shell.outcome(second))
    assert [each.code for each in ended] == [0, 0], ended
    assert count_submits(shell.terminal) == 10
    assert [each.find("batch")["rows"] for each in ended] == [1_500, 1_500]
    assert (await shell.run("book", "check")).code == 0


async def test_watch_and_cancel_a_batch_that_another_process_runs(
    shell: Shell,
) -> None:
    shell.terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    await shell.plan(3)
    async with (
        await shell.start(*RUN, "--max-active", "2") as running,
        await shell.start("batch", "watch", NAME, "--json") as watching,
    ):
        await shell.terminal.sandbox.until(lambda: len(shell.terminal.sandbox.jobs) > 1)
        cancelled = await shell.run("batch", "cancel", NAME, "--json")
        ended, watched = await asyncio.gather(
            shell.outcome(running), shell.outcome(watching)
        )
    assert (cancelled.code, ended.code, watched.code) == (0, 0, 0)
    batch = watched.find("batch")
    assert (batch["cancelled"], batch["skipped"]) == (2, 1)
    assert batch["spent"] == shell.terminal.sandbox.ledger.used


async def test_the_commands_to_type_next_have_no_password(shell: Shell) -> None:
    """Caught: a password in the scrollback, or a command for another Book."""
    write_plan(shell.terminal, 1)
    plan = ("batch", "plan", f"{NAME}.csv")
    with_variable = await shell.run(*plan)
    assert with_variable.err.endswith(f"openfunnel-async batch run {NAME}\n")
    plain = without_password(shell.url)
    with_flag = await shell.run(*plan, "--book", plain, OPENFUNNEL_BOOK="")
    words = with_flag.err.split()
    address = words[words.index("--book") + 1].strip("'")
    assert address.startswith(f"postgresql://{urlsplit(shell.url).username}@")
    listed = await shell.run("batch", "list", "--book", address, OPENFUNNEL_BOOK="")
    assert NAME in listed.out
    other = await shell.run(*plan, "--book", plain, OPENFUNNEL_BOOK="other.sqlite")
    assert address in other.err


async def test_an_unknown_submit_is_resolved(shell: Shell) -> None:
    shell.terminal.sandbox.faults.append(LostAnswer(on="submit"))
    await shell.plan(2)
    outcome = await shell.run("batch", "run", NAME)
    assert outcome.code == 7
    assert f"batch show {NAME} --state unknown" in outcome.err
    entries = await shell.entries()
    (unknown,) = (each for each in entries if each.job_id is None)
    (lost,) = {*shell.terminal.sandbox.jobs} - {each.job_id for each in entries}
    resolve = ("batch", "resolve", unknown.key, "--job-id", lost, "--json")
    assert (await shell.run(*resolve)).find("entry")["state"] == "submitted"
    assert (await shell.buy()).find("batch")["rows"] == 300
    assert count_submits(shell.terminal) == 2


async def test_submit_once_is_one_job(shell: Shell) -> None:
    """Caught: a key that each call makes anew."""
    submit = ("submit", *SEARCH, "--once", "airflow/2026-11-26")
    first = await shell.run(*submit)
    second = await shell.run(*submit)
    (job_id,) = shell.terminal.sandbox.jobs
    assert (first.out, second.out) == (f"{job_id}\n", f"{job_id}\n")
    assert "The Book has it as airflow/2026-11-26." in second.err
    another = await shell.run("submit", "--query", "x", "--yes", *submit[4:])
    assert (another.code, count_submits(shell.terminal)) == (2, 1)


@pytest.mark.parametrize("key", ["", "run-1"])
async def test_once_needs_a_key_and_a_book(shell: Shell, key: str) -> None:
    book = {"OPENFUNNEL_BOOK": ""} if key else {}
    outcome = await shell.run("submit", *SEARCH, "--once", key, **book)
    assert (outcome.code, shell.terminal.sandbox.requests) == (2, [])
    assert "--once needs a key, and a Book" in outcome.err


async def test_known_companies_and_a_difference(shell: Shell) -> None:
    await shell.plan(1)
    await shell.buy()
    await shell.plan(2, "--name", "both")
    await shell.run("batch", "run", "both")
    found = (await shell.run("book", "diff", NAME, "both", "--json")).find("diff")
    assert found["first"] == 0
    assert found["both"] > 0
    (shell.terminal.folder / "crm.csv").write_text("domain\na.example\nb.example\n")
    added = await shell.run(
        "book", "known", "add", "crm.csv", "--label", "crm", "--json"
    )
    known = added.find("known_added")
    assert (known["added"], known["book"]) == (2, shell.place)
    assert "crm" in (await shell.run("book", "known", "list")).out
    assert (await shell.run("book", "known", "count")).code == 0
    removed = await shell.run("book", "known", "remove", "--label", "crm", "--json")
    assert removed.code == 0, removed.err


async def test_run_new_only_knows_what_another_process_bought(shell: Shell) -> None:
    run = ("run", *SEARCH, "--new-only", "--json")
    first = await shell.run(*run, "-o", "first.csv")
    second = await shell.run(*run, "-o", "second.csv", "--overwrite")
    assert (first.find("new_only")["known"], first.code) == (0, 0)
    again = second.find("new_only")
    assert again["rows"] + again["known"] == 40


async def test_a_budget_holds_over_commands(shell: Shell) -> None:
    made = await shell.run("book", "budget", "set", "team", "--per-day", "60", "--json")
    assert made.code == 0
    budget = ("--budget", "team")
    first = await shell.run("submit", *SEARCH, *budget)
    assert first.code == 0
    unknown = await shell.run("submit", *SEARCH, "--budget", "taem")
    assert (unknown.code, "did you mean team?" in unknown.err) == (2, True)
    # The first job has ended, and its bill is 40 of 60.
    second = await shell.run("submit", *SEARCH, *budget)
    assert (second.code, count_submits(shell.terminal)) == (5, 1)
    assert "team" in (await shell.run("book", "budget", "show")).out


async def test_a_backup_names_the_tool(shell: Shell) -> None:
    await shell.plan(1)
    outcome = await shell.run("book", "backup", "copy.sqlite", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert "pg_dump" in outcome.errors[0]["message"]
    assert not (shell.terminal.folder / "copy.sqlite").exists()


async def test_an_unknown_batch_is_refused(shell: Shell) -> None:
    await shell.plan(1, "--name", "q44")
    outcome = await shell.run("batch", "show", NAME)
    assert outcome.code == 2
    assert (
        f"the Book at {shell.place} has no batch q4: did you mean q44?" in outcome.err
    )


async def test_a_server_that_is_not_there(shell: Shell) -> None:
    """Caught: a command that waits as long as a worker does."""
    with socket.socket() as listener:
        # Bound, and so nobody else's, but not listening.
        listener.bind(("127.0.0.1", 0))
        await check_no_server(shell, listener.getsockname()[1])


async def check_no_server(shell: Shell, port: int) -> None:
    url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
    with anyio.fail_after(8):
        outcome = await shell.run("batch", "list", "--json", OPENFUNNEL_BOOK=url)
    message = outcome.errors[0]["message"]
    assert (outcome.code, outcome.out) == (1, "")
    assert f"the Book at 127.0.0.1:{port}/postgres cannot be" in message


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://postgres:{PASSWORD}/x@127.0.0.1/postgres",
        f"postgresql://postgres:x@{PASSWORD}/y@127.0.0.1/postgres",
        f"postgresql://postgres:x@{PASSWORD}@127.0.0.1/postgres",
        f"postgresql://postgres:{PASSWORD}%zz@127.0.0.1/postgres",
        f"postgresql://127.0.0.1/postgres?passwordx={PASSWORD}",
        f"mysql://root:{PASSWORD}@127.0.0.1/postgres",
    ],
)
async def test_a_misread_address_prints_nothing_of_the_password(
    shell: Shell, url: str
) -> None:
    """Caught: ``/`` or ``@`` in a password, and a host that is a piece of it."""
    for words in (("--book", url), ()):
        outcome = await shell.run("batch", "list", *words, OPENFUNNEL_BOOK=url)
        assert outcome.code == 2
        is_refused = words and "--book may have no password" in outcome.err
        assert is_refused or "address is postgresql://" in outcome.err.replace(
            "the address of the Book is not valid: ", "address is "
        )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:9/x",
        f"postgres://me:{PASSWORD}@127.0.0.1:9,127.0.0.2:9/x",
        f"postgresql://me:{PASSWORD}[?#@127.0.0.1:9/x",
        f"postgresql://127.0.0.1:9/x?sslmode=disable&pass%77ord={PASSWORD}",
        f"postgresql://me@127.0.0.1:9/x?sslpassword={PASSWORD}",
    ],
)
async def test_a_password_is_no_part_of_a_command_line(shell: Shell, url: str) -> None:
    """Caught: one that every user of the machine can read in the list of processes."""
    for words in (
        ("batch", "list", "--book"),
        ("book", "check", "--book"),
        ("submit", *SEARCH, "--book"),
        ("worker", "--database"),
    ):
        outcome = await shell.terminal.run_in_thread(*words, url)
        assert outcome.code == 2
        assert f"{words[-1]} may have no password" in outcome.err
        assert "set OPENFUNNEL_BOOK or PGPASSWORD" in outcome.err
        assert PASSWORD not in outcome.out + outcome.err
    assert shell.terminal.sandbox.requests == []


async def test_an_address_without_a_password_may_be_in_a_command_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a host, a port or an option that is taken for a password."""
    monkeypatch.setattr(connection, "_FIRST_PATIENCE", 0.1)
    url = "postgresql://me@[::1]:9/x?options=-c%20a%3Ab&passfile=/c@d:e"
    outcome = await shell.terminal.run_in_thread("batch", "list", "--book", url)
    assert (outcome.code, "cannot be reached" in outcome.err) == (1, True)


async def test_a_wrong_password_and_missing_rights(
    shell: Shell, guarded_url: str
) -> None:
    """Caught: a refusal that is taken for an outage, or a password in its text."""
    wrong = with_password(guarded_url, f"not-{PASSWORD}", "guest")
    with anyio.fail_after(3):
        outcome = await shell.run("batch", "list", OPENFUNNEL_BOOK=wrong)
    assert outcome.code == 1
    assert 'password authentication failed for user "guest"' in outcome.err
    # A schema that only its owner may use.
    right = with_password(guarded_url, PASSWORD, "guest")
    denied = await shell.run("batch", "list", OPENFUNNEL_BOOK=right)
    assert denied.code == 1
    assert "permission denied for schema public" in denied.err
    assert "must own the tables" in denied.err
    database = urlunsplit(urlsplit(right)._replace(path="/none"))
    missing = await shell.run("batch", "list", OPENFUNNEL_BOOK=database)
    assert (missing.code, 'database "none" does not exist' in missing.err) == (1, True)


async def test_a_newer_schema_is_refused(shell: Shell) -> None:
    await shell.plan(1)
    with psycopg.connect(shell.url, autocommit=True) as connection:
        connection.execute("UPDATE of_meta SET value = '99' WHERE name = 'version'")
    for words in (("batch", "list"), RUN):
        outcome = await shell.run(*words)
        assert outcome.code == 1
        assert "has version 99" in outcome.err
    assert shell.terminal.sandbox.requests == []


async def test_without_the_extra_the_command_names_it(shell: Shell) -> None:
    """Caught: a traceback of an import."""
    program = (
        "import sys; sys.modules['psycopg'] = None; "
        "from openfunnel_async.cli import main; sys.exit(main())"
    )
    terminal = attrs.evolve(shell.terminal, program=("-c", program))
    outcome = await terminal.run("batch", "list", OPENFUNNEL_BOOK=shell.url)
    assert (outcome.code, PASSWORD in outcome.err) == (2, False)
    assert 'pip install "openfunnel-async[workers]"' in outcome.err
