"""Known companies and budgets on the command line."""

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import Unknowns
from tests.cli.batches import NAME, check, count_submits, get_book, plan, read_entries
from tests.cli.command import Terminal, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

ADD = ("book", "known", "add")
LABEL = ("--label", "crm")
SEARCH = ("--query", "voice ai", "--yes", "--limit", "40")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"domain\na.com\nb.com\n"),
        ("a.csv", b"Name,Company Domain Name\nA,www.a.com\nB,https://b.com/x\n"),
        ("a.csv", b"\xef\xbb\xbfName;Website;LinkedIn URL\r\nA;a.com;\r\nB;b.com;\r\n"),
        ("a.csv", b"linkedin_company_page\nlinkedin.com/company/a\n"
                  b"https://de.linkedin.com/company/B/\n"),
        ("a.csv", b'WEBSITE\tNote\nA.com\t"two\nlines"\n\nb.com\t\n'),
        ("a.csv", b"name,domain\nA,a.com\nnone,\nB,b.com\n"),
        ("a.jsonl", b'{"domain": "a.com", "size": 3}\n\n{"LinkedIn-URL": '
                    b'"https://linkedin.com/company/b", "domain": null}\n'),
    ],
)  # fmt: skip
async def test_forms_of_a_list(terminal: Terminal, name: str, data: bytes) -> None:
    (terminal.folder / name).write_bytes(data)
    added = await terminal.run_in_thread(*ADD, name, *LABEL, "--json")
    assert (added.code, added.find("known_added")["added"]) == (0, 2)
    again = await terminal.run_in_thread(*ADD, name, "--label", "again", "--json")
    found = again.find("known_added")
    assert (found["added"], found["known"]) == (0, 2)


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("a.csv", "name,size\nA,3\n", ["line 1: no column is a domain"]),
        ("a.csv", "domain\na.com\nlocal\n\nb.com\nhere\n",
         ["line 3: it has neither", "line 6: it has neither"]),
        ("a.csv", "domain,name\na.com\n", ["line 2: it has 1 cells for 2 columns"]),
        ("a.csv", 'domain\n"a.com\n', ["line 2: a double quote is not closed"]),
        ("a.csv", "domain\n", ["it has no company"]),
        ("a.jsonl", '{"domain": "a.com"}\n[]\n{"domain": 7}\n{\n',
         ["line 2: it must be an object", "line 3: domain must be a text",
          "line 4: it is not JSON"]),
        ("a.txt", "a.com\n", ["must be a .csv or a .jsonl file"]),
    ],
)  # fmt: skip
async def test_broken_lines_are_named_and_nothing_is_added(
    terminal: Terminal, name: str, text: str, faults: list[str]
) -> None:
    """Caught: a list of which half was added; only the first broken line named."""
    (terminal.folder / name).write_text(text)
    outcome = await terminal.run_in_thread(*ADD, name, *LABEL)
    assert outcome.code == 2
    for fault in faults:
        assert fault in outcome.err
    named = [line for line in outcome.err.splitlines() if ", line " in line]
    assert len(named) == sum(fault.startswith("line") for fault in faults)
    if get_book(terminal).exists():
        listed = await terminal.run_in_thread("book", "known", "count", "--json")
        assert listed.find("known_count")["companies"] == 0


async def test_lists_are_listed_and_removed(terminal: Terminal) -> None:
    (terminal.folder / "a.csv").write_text("domain\na.com\nb.com\n")
    assert (await terminal.run(*ADD, "a.csv", *LABEL)).code == 0
    listed = await terminal.run("book", "known", "list")
    assert listed.out.splitlines() == ["LABEL  COMPANIES", "crm            2"]
    wrong = await terminal.run_in_thread("book", "known", "remove", "--label", "crn")
    assert (wrong.code, "did you mean crm?" in wrong.err) == (2, True)
    removed = await terminal.run_in_thread("book", "known", "remove", *LABEL)
    assert (removed.code, "Removed 2 companies" in removed.out) == (0, True)
    listed = await terminal.run_in_thread("book", "known", "list")
    assert (listed.out, "Nothing was added" in listed.err) == ("", True)
    assert terminal.sandbox.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ("book", "known", "list"),
        ("book", "known", "count"),
        ("book", "known", "remove", *LABEL),
        ("book", "budget", "show"),
        ("book", "diff", "a", "b"),
    ],
)
async def test_readers_make_no_book(terminal: Terminal, words: tuple[str, ...]) -> None:
    outcome = await terminal.run_in_thread(*words)
    assert (outcome.code, "there is no Book" in outcome.err) == (2, True)
    assert [*terminal.folder.iterdir()] == []


async def test_a_refresh_of_an_owned_market(terminal: Terminal) -> None:
    """Caught: numbers that differ between the terminal, the file and the ledger."""
    await plan(terminal, 2)
    assert (await terminal.run("batch", "run", NAME)).code == 0
    used = terminal.sandbox.ledger.used
    text = "query,limit\nvoice ai 0,150\nrobots,150\nclinics,150\n"
    (terminal.folder / "q5.csv").write_text(text)
    reuse = ("--reuse-days", "30", "--distinct", "10000")
    planned = await terminal.run("batch", "plan", "q5.csv", *reuse, "--json")
    assert planned.find("planned")["distinct"] == 10_000
    outcome = await terminal.run("batch", "run", "q5", "--json")
    batch = outcome.find("batch")
    billed = terminal.sandbox.ledger.used - used
    assert (batch["reused"], batch["credits_consumed"], billed) == (1, 300, 300)
    assert batch["new"] + batch["known"] == batch["rows"] == 450
    assert batch["credits_per_new_company"] == 300 / batch["new"]
    shown = await terminal.run("batch", "show", "q5")
    assert f"({batch['new']} of 10,000 new, {batch['known']} known)" in shown.out
    assert "1 search answered from the Book for 0 credits." in shown.out
    assert f"{300 / batch['new']:,.2f} credits per new company." in shown.out
    assert "\n    answered from the Book: q4/" in shown.out

    export = ("batch", "export", "q5", "-o", "new.csv", "--new-only", "--json")
    written = (await terminal.run(*export)).find("batch_exported")
    rows = read_rows(terminal.folder / "new.csv")
    assert (written["rows"], len(rows)) == (batch["new"], batch["new"])
    diff = await terminal.run("book", "diff", NAME, "q5", "--json")
    counts = diff.find("diff")
    assert counts["second"] == batch["new"]
    listed = await terminal.run("book", "diff", NAME, "q5", "--list", "second")
    marks = listed.out.splitlines()
    assert len(marks) == counts["second"]
    assert all(mark.startswith(("p:", "d:")) for mark in marks)
    assert (await check(terminal)).is_ok


async def test_a_batch_stops_at_so_many_new_companies(terminal: Terminal) -> None:
    await plan(terminal, 6, "--distinct", "100")
    outcome = await terminal.run("batch", "run", NAME, "--max-active", "1", "--json")
    batch = outcome.find("batch")
    assert (outcome.code, count_submits(terminal)) == (0, 1)
    assert (batch["distinct"], batch["skipped"], batch["new"] >= 100) == (100, 5, True)


@pytest.mark.parametrize(
    "flags",
    [
        ("--min-new-share", "0"),
        ("--min-new-share", "20"),
        ("--over", "0"),
        ("--keep-credits", "-1"),
        ("--budget", "agent"),
    ],
)
async def test_rules_that_are_refused(
    terminal: Terminal, flags: tuple[str, str]
) -> None:
    await plan(terminal, 1)
    outcome = await terminal.run("batch", "run", NAME, *flags)
    assert (outcome.code, terminal.sandbox.requests) == (2, [])


@pytest.mark.parametrize("flags", [("--distinct", "0"), ("--reuse-days", "0")])
async def test_plans_that_are_refused(
    terminal: Terminal, flags: tuple[str, str]
) -> None:
    (terminal.folder / "q4.csv").write_text("query,limit\nx,1\n")
    outcome = await terminal.run_in_thread("batch", "plan", "q4.csv", *flags)
    assert (outcome.code, get_book(terminal).exists()) == (2, False)


async def set_budget(terminal: Terminal, *limits: str) -> None:
    outcome = await terminal.run_in_thread("book", "budget", "set", "agent", *limits)
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("way", ["flag", "variable"])
async def test_a_budget_refuses_a_submit_with_5(terminal: Terminal, way: str) -> None:
    await set_budget(terminal, "--total", "100")
    flags = ("--budget", "agent") if way == "flag" else ()
    more = {"OPENFUNNEL_BUDGET": "agent"} if way == "variable" else {}
    for code in (0, 0, 5):
        outcome = await terminal.run("submit", *SEARCH, *flags, **more)
        assert outcome.code == code, outcome.err
    run = ("run", *SEARCH, *flags, "-o", "out.csv")
    assert (await terminal.run(*run, **more)).code == 5
    assert (count_submits(terminal), terminal.sandbox.ledger.used) == (2, 80)
    assert not (terminal.folder / "out.csv").exists()
    shown = await terminal.run("book", "budget", "show", "--json")
    (budget,) = shown.objects
    assert (budget["spent"], budget["reserved"], budget["left"]) == (80, 0, 20)


async def test_jobs_that_ended_unseen_are_billed_before_a_refusal(
    terminal: Terminal,
) -> None:
    """Caught: credits that stay reserved for jobs that nobody waits for."""
    terminal.sandbox.plan = lambda _number, _limit: life(rows=5)
    await set_budget(terminal, "--per-day", "100")
    for _ in range(4):
        outcome = await terminal.run("submit", *SEARCH, "--budget", "agent")
        assert outcome.code == 0, outcome.err
    entries = await read_entries(terminal)
    assert {entry.job_id for entry in entries} == {*terminal.sandbox.jobs}
    assert (len(entries), count_submits(terminal)) == (4, 4)
    assert (await check(terminal)).is_ok


async def test_a_budget_or_a_kept_balance_stops_a_batch_with_5(
    terminal: Terminal,
) -> None:
    await plan(terminal, 3)
    await set_budget(terminal, "--total", "200", "--per-month", "900")
    run = ("batch", "run", NAME)
    outcome = await terminal.run(*run, "--budget", "agent")
    assert (outcome.code, count_submits(terminal)) == (5, 1)
    assert "does not fit now under the budget." in outcome.err
    assert "--budget agent\n" in outcome.err
    outcome = await terminal.run(*run, "--keep-credits", "1000000000")
    assert (outcome.code, count_submits(terminal)) == (5, 1)
    assert "does not fit now under --keep-credits." in outcome.err
    assert (await terminal.run(*run)).code == 0
    assert count_submits(terminal) == 3


async def test_an_unknown_budget_sends_nothing(terminal: Terminal) -> None:
    flags = ("--budget", "agnt")
    outcome = await terminal.run("submit", *SEARCH, *flags)
    assert (outcome.code, "there is no Book" in outcome.err) == (2, True)
    assert [*terminal.folder.iterdir()] == []
    await set_budget(terminal, "--total", "1")
    outcome = await terminal.run("submit", *SEARCH, *flags)
    assert (outcome.code, "did you mean agent?" in outcome.err) == (2, True)
    assert (terminal.sandbox.requests, await read_entries(terminal)) == ([], [])


@pytest.mark.parametrize("limits", [(), ("--total", "-1"), ("--per-day", "inf")])
async def test_a_budget_without_a_limit_is_refused(
    terminal: Terminal, limits: tuple[str, ...]
) -> None:
    outcome = await terminal.run_in_thread("book", "budget", "set", "agent", *limits)
    assert (outcome.code, get_book(terminal).exists()) == (2, False)


async def test_a_run_writes_only_what_is_new(terminal: Terminal) -> None:
    """Caught: a company twice in the files of two runs; a paid row that is lost."""
    run = ("run", *SEARCH, "--new-only", "-o")
    refused = await terminal.run(*run, "a.csv")
    assert (refused.code, "needs a Book" in refused.err) == (2, True)
    assert terminal.sandbox.requests == []
    await plan(terminal, 1)
    assert (await terminal.run(*run, "a.csv")).code == 0
    more = ("run", "--query", "voice ai", "--limit", "100", "--yes", "--new-only")
    outcome = await terminal.run(*more, "-o", "b.csv", "--json")
    assert (outcome.code, outcome.errors) == (0, [])
    first, second = (read_rows(terminal.folder / name) for name in ("a.csv", "b.csv"))
    known = {row["linkedin_url"] for row in first}
    assert known.isdisjoint(row["linkedin_url"] for row in second)
    found = outcome.find("new_only")
    assert (found["rows"], found["known"]) == (len(second), 100 - len(second))
    assert (len(first), found["known"] > 0) == (40, True)
    assert outcome.find("exported")["rows"] == 100
    assert terminal.sandbox.ledger.used == 140
