"""What --json prints is what docs/reference/cli.md says, event by event."""

import contextlib
import json
import re
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from openfunnel_async.sandbox import SlowAnswer, StatusFault, Unknowns
from openfunnel_async.sandbox._service.fault import Exchange
from tests.cli.batches import plan, read_entries, write_plan
from tests.cli.command import Outcome, Terminal, life, read_until, start
from tests.docs.pages import DOCS
from tests.fleet.programs import WatchedSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send there"),
]

PAGE = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
OPTIONAL = {
    "error": {
        "status_code", "retry_after", "job_id", "path", "accepted",
        "worst_case_credits", "max_credits", "job_ids", "key", "line",
    },
    "signed_up": {"api_key"},
}  # fmt: skip
ADA = "ada@example.org"
SEARCH = ("--query", "voice ai", "--limit", "250", "--yes")
Objects = list[dict[str, Any]]


def documented() -> dict[str, list[set[str]]]:
    """Return for each event the sets of keys that it may have."""
    table = PAGE.partition("| event | of | keys |")[2].partition("\n\n")[0]
    found: dict[str, list[set[str]]] = defaultdict(list)
    for line in table.splitlines()[2:]:
        _, event, _, keys, _ = re.split(r"(?<!\\)\|", line)
        names = set(re.findall(r"`([a-z_]+)`", keys))
        found[event.strip(" `")].append(names)
    return found


def is_documented(printed: dict[str, Any]) -> bool:
    """Whether an object has the keys that the page lists, and no others."""
    event, keys = printed["event"], {*printed} - {"event"}
    optional = OPTIONAL.get(event, set())
    return any(
        keys | optional == known | optional and keys >= known - optional
        for known in documented()[event]
    )


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


@attrs.frozen(kw_only=True)
class SlowPages(SlowAnswer):
    """Answers the first read of a sandbox at once, and the others late."""

    sandbox: WatchedSandbox

    def strikes(self, exchange: Exchange) -> bool:
        return exchange.kind == "read" and self.sandbox.count("read") > 1


async def interrupt(
    terminal: Terminal, *arguments: str, after: tuple[str, ...], code: int
) -> Objects:
    """Run a command, and press Ctrl-C after each text."""
    async with await terminal.start(*arguments, "--json") as process:
        printed = ""
        for text in after:
            printed += await read_until(process, text)
            process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    assert ended.code == code
    return Outcome(code=code, out=printed + ended.out, err="").objects + ended.errors


async def run(terminal: Terminal, *arguments: str, code: int = 0) -> Objects:
    """Run a command that ends with a code."""
    outcome = await terminal.run(*arguments, "--json")
    assert outcome.code == code, (arguments, outcome)
    return outcome.objects + outcome.errors


async def outages(terminal: Terminal) -> Objects:
    """Watch a job while the service is away for a moment."""
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    job_id = await terminal.submit(150)
    terminal.sandbox.faults.append(StatusFault(on="read", status=503, times=5))
    async with await terminal.start("watch", job_id, "--json") as process:
        printed = await read_until(process, '"outage_ended"')
        process.terminate()
        ended = await terminal.outcome(process)
    assert ended.code == 143
    return Outcome(code=0, out=printed + ended.out, err="").objects


async def submit_interrupted(terminal: Terminal) -> Objects:
    terminal.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with await terminal.start("submit", *SEARCH, "--json") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 0)
        process.send_signal(signal.SIGINT)
        ended = await terminal.outcome(process)
    assert ended.code == 130
    return ended.objects


async def watch_interrupted(terminal: Terminal) -> Objects:
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    job_id = await terminal.submit(250)
    twice = ('"progress"', '"left"')
    return await interrupt(terminal, "watch", job_id, after=twice, code=4)


async def fetch_interrupted(terminal: Terminal) -> Objects:
    """Press Ctrl-C when the job has ended, and its rows are still read."""
    job_id = await terminal.submit(900)
    terminal.sandbox.faults.append(
        SlowPages(sandbox=terminal.sandbox, delay=60.0, times=99)
    )
    fetch = ("fetch", job_id, "-o", "slow.csv")
    return await interrupt(terminal, *fetch, after=('"completed"',), code=130)


async def sign_ups(terminal: Terminal) -> Objects:
    async with await terminal.start("sign-up", "--email", ADA, "--json") as process:
        await terminal.sandbox.until(lambda: ADA in terminal.sandbox.codes)
        code = terminal.sandbox.codes[ADA]
        ended = await terminal.outcome(process, stdin=f"{code}\n")
    return ended.objects


async def local_sandbox(terminal: Terminal) -> Objects:
    """Start a sandbox of its own, and sign up there."""
    process = start(["sandbox", "--port", "0", "--json"], folder=terminal.folder)
    with process:
        assert process.stdout is not None
        read = process.stdout.readline
        with contextlib.ExitStack() as undo:
            undo.callback(process.terminate)
            first = json.loads(await anyio.to_thread.run_sync(read))
            url = first["base_url"]
            flags = ("--email", ADA, "--base-url", url, "--env-file", "other.env")
            await terminal.run("sign-up", *flags)
            return [first, json.loads(await anyio.to_thread.run_sync(read))]


async def plain_commands(terminal: Terminal) -> Objects:
    printed = [
        *await run(terminal, "balance", "--verbose"),
        *await run(terminal, "estimate", *SEARCH[:4]),
        *await run(terminal, "doctor"),
        *await run(terminal, "submit", *SEARCH),
        *await run(terminal, "run", *SEARCH, "-o", "a.csv", "--sample", "3"),
        *await run(terminal, "run", *SEARCH, "-o", "a.csv", code=2),
        *await run(terminal, "submit", *SEARCH, "--max-credits", "3", code=5),
        *await run(terminal, "status", "nobodys", code=1),
        *await run(terminal, "demo", "-o", "demo.csv"),
    ]
    (job_id, *_) = terminal.sandbox.jobs
    printed += [
        *await run(terminal, "status", job_id),
        *await run(terminal, "watch", job_id),
        *await run(terminal, "cancel", job_id),
        *await run(terminal, "fetch", job_id, "-o", "b.csv"),
    ]
    rows = await terminal.run("fetch", job_id, "-o", "-", "--json")
    odd = {"job_id": job_id, "status": "reviewing"}
    terminal.sandbox.faults.append(StatusFault(on="read", status=200, body=odd))
    return [*printed, *rows.errors, *await run(terminal, "status", job_id)]


async def batches(terminal: Terminal) -> Objects:
    write_plan(terminal, 2)
    planned = await run(terminal, "batch", "plan", "q4.csv")
    (first, _) = await read_entries(terminal)
    (terminal.folder / "bad.csv").write_text("query\nx,y\n")
    return [
        *planned,
        *await run(terminal, "batch", "resolve", first.key, "--skip"),
        *await run(terminal, "batch", "run", "q4"),
        *await run(terminal, "batch", "list"),
        *await run(terminal, "batch", "show", "q4"),
        *await run(terminal, "batch", "watch", "q4"),
        *await run(terminal, "batch", "cancel", "q4"),
        *await run(terminal, "batch", "export", "q4", "-o", "q4.jsonl"),
        *await run(terminal, "batch", "plan", "bad.csv", code=2),
        *await run(terminal, "book", "entries"),
        *await run(terminal, "book", "check"),
        *await run(terminal, "book", "backup", "copy.sqlite"),
        *await run(terminal, "submit", *SEARCH),
    ]


async def known(terminal: Terminal) -> Objects:
    (terminal.folder / "crm.csv").write_text("Website\nwww.a.com\n")
    (terminal.folder / "bad.csv").write_text("Website\nnone\n")
    await plan(terminal, 1)
    label = ("--label", "crm")
    only = ("-o", "new.csv", "--new-only")
    return [
        *await run(terminal, "book", "known", "add", "crm.csv", *label),
        *await run(terminal, "book", "known", "add", "bad.csv", *label, code=2),
        *await run(terminal, "book", "known", "list"),
        *await run(terminal, "book", "known", "count"),
        *await run(terminal, "book", "known", "remove", *label),
        *await run(terminal, "book", "budget", "set", "agent", "--total", "900"),
        *await run(terminal, "book", "budget", "show"),
        *await run(terminal, "batch", "run", "q4", "--budget", "agent"),
        *await run(terminal, "book", "diff", "q4", "q4", "--list", "both"),
        *await run(terminal, "batch", "export", "q4", "-o", "b.csv", "--new-only"),
        *await run(terminal, "run", *SEARCH, *only, "--budget", "agent"),
    ]


async def batch_interrupted(terminal: Terminal) -> Objects:
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    await plan(terminal, 1)
    once = ('"submitted": 1',)
    return await interrupt(terminal, "batch", "run", "q4", after=once, code=130)


GROUPS = (
    (plain_commands, {
        "balance", "log", "estimate", "check", "submitted", "progress", "exported",
        "sample", "error", "job", "cancel", "printed", "warning", "demo",
    }),
    (sign_ups, {"code_sent", "signed_up"}),
    (local_sandbox, {"listening", "code"}),
    (submit_interrupted, {"waiting", "submitted", "left"}),
    (watch_interrupted, {"progress", "left", "cancelling", "cancel"}),
    (fetch_interrupted, {"progress", "stopped"}),
    (batches, {
        "planned", "entry", "batch", "batch_progress", "batch_exported", "error",
        "book_check", "backup", "submitted",
    }),
    (known, {
        "known_added", "error", "known_list", "known_count", "known_removed", "budget",
        "batch_progress", "batch", "diff", "diff_company", "batch_exported",
        "submitted", "progress", "exported", "new_only",
    }),
    (batch_interrupted, {"batch_progress", "stopping", "left"}),
    (outages, {"progress", "outage", "outage_ended", "left"}),
)  # fmt: skip


@pytest.mark.parametrize(("act", "events"), GROUPS)
async def test_every_event_is_printed_as_documented(
    terminal: Terminal, act: Callable[[Terminal], Awaitable[Objects]], events: set[str]
) -> None:
    """Caught: a key that was renamed."""
    printed = await act(terminal)
    assert [each for each in printed if not is_documented(each)] == []
    assert {each["event"] for each in printed} == events


def test_every_documented_event_is_tested() -> None:
    """Caught: an event that no command prints any more."""
    # Those of the worker are in test_worker.py, which has a server.
    tested = chain(("working", "ended"), *(events for _, events in GROUPS))
    assert {*documented()} == {*tested}


async def test_every_exit_code_is_that_of_the_page(terminal: Terminal) -> None:
    """The codes of signals are in test_ctrl_c.py, 7 in test_jobs.py."""
    codes = PAGE.partition("| code | meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d+)(?:, (\d+))? \|", codes, re.MULTILINE) == [
        *((str(code), "") for code in range(8)),
        ("130", "143"),
    ]
    await run(terminal, "submit", *SEARCH)
    await run(terminal, "status", "nobodys", code=1)
    await run(terminal, "run", *SEARCH, code=2)
    terminal.sandbox.plan = lambda _number, _limit: life(fails=True)
    await run(terminal, "run", *SEARCH, "-o", "failed.csv", code=3)
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    job_id = await terminal.submit(250)
    await run(terminal, "fetch", job_id, "-o", "part.csv", code=4)
    await run(terminal, "submit", *SEARCH, "--max-credits", "1", code=5)
    outcome = await terminal.run("balance", "--json", OPENFUNNEL_API_KEY="")
    assert outcome.code == 6
