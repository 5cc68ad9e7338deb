"""The batch and book commands: what they buy, print and write."""

import csv
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.book import EntryState
from openfunnel_async.sandbox import LostAnswer, StatusFault, Unknowns
from tests.cli.batches import (
    NAME,
    check,
    count_submits,
    get_book,
    plan,
    read_entries,
)
from tests.cli.command import Terminal, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

RUN = ("batch", "run", NAME, "--json")
READERS = (
    ("batch", "list"),
    ("batch", "show", NAME),
    ("batch", "watch", NAME),
    ("batch", "export", NAME, "-o", "out.csv"),
    ("batch", "resolve", "q4/abc", "--skip"),
    ("book", "entries"),
    ("book", "check"),
    ("book", "backup", "copy.sqlite"),
)
BUYERS = (("batch", "run", NAME), ("batch", "cancel", NAME))


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def test_plan_run_and_export(terminal: Terminal) -> None:
    await plan(terminal, 3)
    assert count_submits(terminal) == 0
    outcome = await terminal.run(*RUN)
    assert (outcome.code, outcome.err) == (0, "")
    batch = outcome.find("batch")
    assert batch == {
        "event": "batch",
        "name": NAME,
        "searches": 3,
        "planned": 0,
        "submitting": 0,
        "submitted": 0,
        "settled": 3,
        "rejected": 0,
        "unknown": 0,
        "skipped": 0,
        "rows": 450,
        "new": 353,
        "known": 97,
        "spent": 450.0,
        "reserved": 0.0,
        "cap": None,
        "distinct": None,
        "completed": 3,
        "cancelled": 0,
        "failed": 0,
        "over_cap": 0,
        "credits_consumed": 450.0,
        "reused": 0,
        "stopped_early": 0,
        "rows_after_stop": 0,
        "credits_per_new_company": 450 / 353,
        "is_done": True,
    }
    progress = [each for each in outcome.objects if each["event"] == "batch_progress"]
    ends = {"completed", "cancelled", "failed", "over_cap", "credits_consumed"}
    ends |= {"reused", "stopped_early", "rows_after_stop", "credits_per_new_company"}
    assert {*progress[-1]} - {"elapsed"} == {*batch} - ends
    again = await terminal.run(*RUN)
    assert (again.code, count_submits(terminal)) == (0, 3)

    export = ("batch", "export", NAME, "-o", "out.csv", "--columns", "name,domain")
    written = await terminal.run(*export, "--json", OPENFUNNEL_API_KEY="")
    assert written.objects == [
        {
            "event": "batch_exported",
            "name": NAME,
            "path": str((terminal.folder / "out.csv").resolve()),
            "rows": 450,
            "new_only": False,
            "is_done": True,
        }
    ]
    with (terminal.folder / "out.csv").open(newline="", encoding="utf-8") as file:
        assert len([*csv.DictReader(file)]) == 450
    refused = await terminal.run(*export)
    assert (refused.code, "--overwrite" in refused.err) == (2, True)
    assert (await terminal.run(*export, "--overwrite")).code == 0


async def test_lists_need_no_key_and_send_nothing(terminal: Terminal) -> None:
    await plan(terminal, 2)
    await terminal.run(*RUN)
    sent = len(terminal.sandbox.requests)
    no_key = {"OPENFUNNEL_API_KEY": "", "OPENFUNNEL_BASE_URL": "http://127.0.0.1:9"}
    listed = await terminal.run_in_thread("batch", "list", **no_key)
    assert listed.out.splitlines() == [
        "NAME  SETTLED  RUNNING  UNKNOWN  ROWS  SPENT  RESERVED  CAP",
        "q4     2 of 2        0        0   300    300         0    -",
    ]
    shown = await terminal.run_in_thread("batch", "show", NAME, **no_key)
    for entry in await read_entries(terminal):
        assert f"{entry.key}  settled   150     150  {entry.job_id}\n" in shown.out
        assert f"\n    {entry.label}\n" in shown.out
    show = ("batch", "show", NAME, "--state", "planned")
    assert "No entries." in (await terminal.run_in_thread(*show, **no_key)).err
    objects = (await terminal.run_in_thread("book", "entries", "--json")).objects
    assert [each["state"] for each in objects] == ["settled", "settled"]
    assert {*objects[0]} >= {"key", "batch", "search", "job_id", "billed", "label"}
    watched = await terminal.run("batch", "watch", NAME, "--json", **no_key)
    assert (watched.code, watched.find("batch")["settled"]) == (0, 2)
    checked = await terminal.run_in_thread("book", "check", "--json", **no_key)
    found = checked.find("book_check")
    assert (found["is_ok"], found["entries"], found["rows"]) == (True, 2, 300)
    assert len(terminal.sandbox.requests) == sent


@pytest.mark.parametrize("words", [*READERS, *BUYERS])
async def test_a_missing_book_is_not_made(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    """Caught: an empty Book beside the real one, after a typing error."""
    for flags in ((), ("--book", "other.sqlite")):
        outcome = await terminal.run_in_thread(*words, *flags)
        name = flags[-1] if flags else "openfunnel.sqlite"
        assert outcome.code == 2
        assert f"there is no Book at {terminal.folder.resolve() / name}" in outcome.err
    assert [*terminal.folder.iterdir()] == []


@pytest.mark.parametrize("words", [*READERS[1:4], *BUYERS])
async def test_an_unknown_batch_is_refused(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    await plan(terminal, 1, "--name", "q44")
    outcome = await terminal.run(*words)
    assert outcome.code == 2
    assert "has no batch q4: did you mean q44?" in outcome.err
    assert terminal.sandbox.requests == []


@pytest.mark.parametrize("name", ["new.sqlite", "sqlite:///new.sqlite"])
async def test_the_book_is_named_by_a_flag_or_a_variable(
    terminal: Terminal, name: str
) -> None:
    await plan(terminal, 1, "--book", name)
    assert (terminal.folder / "new.sqlite").exists()
    assert not get_book(terminal).exists()
    outcome = await terminal.run_in_thread("batch", "list", OPENFUNNEL_BOOK=name)
    assert (outcome.code, NAME in outcome.out) == (0, True)


async def test_a_cap_stops_a_batch_with_5(terminal: Terminal) -> None:
    await plan(terminal, 3, "--max-credits", "350")
    outcome = await terminal.run(*RUN)
    batch = outcome.find("batch")
    assert (outcome.code, batch["over_cap"], batch["spent"]) == (5, 1, 300.0)
    assert terminal.sandbox.ledger.used == 300


async def test_an_unknown_submit_ends_with_7_until_it_is_resolved(
    terminal: Terminal,
) -> None:
    """Caught: a submit repeated, or an exit code that hides what may bill."""
    terminal.sandbox.faults.append(LostAnswer(on="submit"))
    await plan(terminal, 2)
    outcome = await terminal.run("batch", "run", NAME)
    assert outcome.code == 7
    assert "1 of unknown outcome" in outcome.out
    assert f"batch show {NAME} --book " in outcome.err
    assert " --state unknown" in outcome.err
    assert (await terminal.run(*RUN)).code == 7
    assert count_submits(terminal) == 2
    unknown = [each for each in await read_entries(terminal) if each.job_id is None]
    key = unknown[0].key
    known = {each.job_id for each in await read_entries(terminal)}
    (lost,) = {*terminal.sandbox.jobs} - known

    resolve = ("batch", "resolve", key)
    for flags in ((), ("--skip", "--submit-again"), ("--submit-again",)):
        refused = await terminal.run_in_thread(*resolve, *flags)
        assert refused.code == 2
    assert "--yes" in refused.err
    assert (await terminal.run_in_thread(*resolve, "--job-id", "a/b")).code == 2
    assert [each.state for each in await read_entries(terminal)].count(
        EntryState.UNKNOWN
    ) == 1
    done = await terminal.run_in_thread(*resolve, "--job-id", lost, "--json")
    assert (done.find("entry")["state"], done.code) == ("submitted", 0)
    outcome = await terminal.run(*RUN)
    assert (outcome.code, outcome.find("batch")["rows"]) == (0, 300)
    assert count_submits(terminal) == 2


async def test_a_submit_again_is_a_second_submit(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(LostAnswer(on="submit"))
    await plan(terminal, 1)
    assert (await terminal.run(*RUN)).code == 7
    (entry,) = await read_entries(terminal)
    resolve = ("batch", "resolve", entry.key, "--submit-again", "--yes")
    outcome = await terminal.run_in_thread(*resolve)
    assert (outcome.code, f"{entry.key} is planned" in outcome.out) == (0, True)
    assert (await terminal.run(*RUN)).code == 0
    assert count_submits(terminal) == 2


async def test_a_skip_ends_it(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(LostAnswer(on="submit"))
    await plan(terminal, 1)
    assert (await terminal.run(*RUN)).code == 7
    (entry,) = await read_entries(terminal)
    assert (await terminal.run("batch", "resolve", entry.key, "--skip")).code == 0
    outcome = await terminal.run(*RUN)
    assert (outcome.code, outcome.find("batch")["spent"]) == (0, 150.0)


async def test_a_key_that_is_refused_ends_with_6_and_the_command(
    terminal: Terminal,
) -> None:
    await plan(terminal, 2)
    terminal.sandbox.faults.append(StatusFault(on="submit", status=401, times=9))
    outcome = await terminal.run(*RUN)
    assert outcome.code == 6
    assert "To continue: openfunnel-async batch run q4" in outcome.errors[-1]["message"]
    assert outcome.find("batch")["planned"] == 2


async def test_another_account_is_refused(terminal: Terminal) -> None:
    await plan(terminal, 1)
    outcome = await terminal.run(*RUN, OPENFUNNEL_API_KEY="of_another_key")
    assert (outcome.code, count_submits(terminal)) == (1, 0)


async def test_a_cancel_stops_the_jobs_and_what_is_planned(terminal: Terminal) -> None:
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    await plan(terminal, 3)
    async with await terminal.start(*RUN, "--max-active", "2") as process:
        await terminal.sandbox.until(lambda: len(terminal.sandbox.jobs) > 1)
        second = await terminal.run(*RUN)
        assert (second.code, "is run by process" in second.err) == (1, True)
        cancelled = await terminal.run("batch", "cancel", NAME, "--wait", "--json")
        ended = await terminal.outcome(process)
    assert (cancelled.code, ended.code) == (0, 0)
    receipts = [each for each in cancelled.objects if each["event"] == "cancel"]
    assert {each["status"] for each in receipts} == {"cancelled"}
    batch = ended.find("batch")
    assert (batch["cancelled"], batch["skipped"]) == (2, 1)
    assert batch["spent"] == terminal.sandbox.ledger.used
    assert (await check(terminal)).is_ok


async def test_an_export_of_a_running_batch_ends_with_4(terminal: Terminal) -> None:
    await plan(terminal, 1)
    export = ("batch", "export", NAME, "-o", "out.jsonl")
    outcome = await terminal.run(*export)
    assert (outcome.code, "the batch is not done" in outcome.out) == (4, True)


async def test_a_backup_is_a_book(terminal: Terminal) -> None:
    await plan(terminal, 1)
    backup = ("book", "backup", "copy.sqlite", "--json")
    made = (await terminal.run_in_thread(*backup)).find("backup")
    assert made["path"] == str(terminal.folder / "copy.sqlite")
    assert (await terminal.run_in_thread(*backup)).code == 1
    outcome = await terminal.run_in_thread("batch", "list", "--book", "copy.sqlite")
    assert NAME in outcome.out


async def test_a_damaged_book_fails_its_check(terminal: Terminal) -> None:
    await plan(terminal, 1)
    get_book(terminal).write_bytes(b"not a database, at all" * 400)
    for words in (("book", "check"), ("batch", "list")):
        outcome = await terminal.run_in_thread(*words)
        assert (outcome.code, outcome.out) == (1, "")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no bytes in names there")
async def test_a_name_that_moves_the_cursor_is_not_printed(terminal: Terminal) -> None:
    write = ("batch", "plan", "q4.csv", "--name")
    (terminal.folder / "q4.csv").write_text("query,limit\n\x1b[2Jx,1\n")
    outcome = await terminal.run_in_thread(*write, "\x1b[2J")
    assert (outcome.code, "\x1b" in outcome.err) == (2, False)
    await terminal.run_in_thread(*write, NAME)
    shown = await terminal.run_in_thread("batch", "show", NAME)
    assert (shown.code, "\x1b" in shown.out) == (0, False)
