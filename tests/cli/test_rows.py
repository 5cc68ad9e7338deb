"""watch, fetch and run: the rows that are paid for end in the file."""

import csv
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import attrs
import pytest

from openfunnel_async import (
    ConfigurationError,
    RequestTimeoutError,
    TransportError,
)
from openfunnel_async.cli._gather import is_about_the_rows
from openfunnel_async.sandbox import StatusFault, Unknowns
from tests.cli.command import Terminal, inherited, life, until_said
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--yes")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def plan(terminal: Terminal, *, pages: int = 0, fails: bool = False) -> None:
    terminal.sandbox.plan = lambda _number, _limit: life(pages=pages, fails=fails)


async def submitted(terminal: Terminal, limit: int = 250) -> str:
    told = await terminal.run("submit", *SEARCH, "--limit", str(limit))
    return told.out.strip()


def names(terminal: Terminal, file: str = "out.csv") -> list[str]:
    path = terminal.folder / file
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return [row["name"] for row in csv.DictReader(lines)]
    return [
        json.loads(line)["name"]
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def truth(terminal: Terminal) -> list[object]:
    (job,) = terminal.sandbox.jobs.values()
    return [row["name"] for row in job.rows]


async def test_run_for_a_program(terminal: Terminal) -> None:
    plan(terminal)
    told = await terminal.run(
        "run", *SEARCH, "--limit", "250", "-o", "out.csv", "--json"
    )
    assert (told.code, told.err) == (0, "")
    assert names(terminal) == truth(terminal)
    (job_id,) = terminal.sandbox.jobs
    assert told.objects[0]["event"] == "submitted"
    assert list(told.objects[1]) == [
        "event",
        "job_id",
        "status",
        "delivered",
        "limit",
        "credits_so_far",
        "rate",
        "eta",
    ]
    assert told.objects[-1] == {
        "event": "exported",
        "job_id": job_id,
        "path": str(terminal.folder / "out.csv"),
        "rows": 250,
        "resumed": 0,
        "status": "completed",
        "credits_consumed": 250.0,
    }


async def test_enough_stops_the_spend_and_keeps_what_is_billed(
    terminal: Terminal,
) -> None:
    """Caught: the file cut at --enough, with rows paid for beyond it."""
    plan(terminal, pages=2)
    told = await terminal.run(
        "run", *SEARCH, "--limit", "900", "--enough", "120", "-o", "out.jsonl", "--json"
    )
    assert (told.code, told.err) == (0, "")
    assert terminal.sandbox.ledger.used == 200.0
    assert len(names(terminal, "out.jsonl")) == 200
    assert told.objects[-1]["status"] == "cancelled"
    assert told.objects[-1]["credits_consumed"] == 200.0


async def test_a_failed_job_ends_with_3_and_its_rows_are_there(
    terminal: Terminal,
) -> None:
    plan(terminal, fails=True)
    told = await terminal.run(
        "run", *SEARCH, "--limit", "150", "-o", "out.csv", "--json"
    )
    assert told.code == 3
    assert told.errors[0]["code"] == 3
    assert "are in out.csv" in told.errors[0]["message"]
    assert names(terminal) == truth(terminal)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("-o", "out.xlsx"), "must end in one of"),
        (("-o", "missing/out.csv"), "there is no folder"),
        (("-o", "."), "must end in one of"),
        (("-o", "-"), "run needs a file"),
        (("-o", "out.csv", "--columns", "nmae"), "there is no column"),
        (("-o", "out.csv", "--enough", "0"), "at least 1"),
        ((), "--output"),
    ],
)
async def test_a_file_that_cannot_be_written_is_told_before_anything_is_spent(
    terminal: Terminal, flags: tuple[str, ...], words: str
) -> None:
    """Caught: the file checked once the job was submitted."""
    told = await terminal.run("run", *SEARCH, *flags)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
    assert told.err.count("\n") == 1
    assert terminal.sandbox.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
async def test_a_disk_that_is_full_cancels_the_job_and_says_how_to_go_on(
    terminal: Terminal,
) -> None:
    """Caught: the error raised with the job left running."""
    plan(terminal, pages=2)
    # Lifted at the end, for what a measurement of the tests' coverage writes then.
    small = (
        "import sys; from resource import RLIMIT_FSIZE, getrlimit, setrlimit;"
        "from openfunnel_async.cli import main; before = getrlimit(RLIMIT_FSIZE);"
        "setrlimit(RLIMIT_FSIZE, (9000, before[1])); code = main();"
        "setrlimit(RLIMIT_FSIZE, before); sys.exit(code)"
    )
    cramped = attrs.evolve(terminal, program=("-c", small))
    told = await cramped.run(
        "run", *SEARCH, "--limit", "900", "-o", "out.csv", "--json"
    )
    (job_id,) = terminal.sandbox.jobs
    assert told.code == 1
    assert terminal.sandbox.jobs[job_id].status == "cancelled"
    assert told.told("cancel")["credits_consumed"] == 200.0
    assert f"fetch {job_id} -o out.csv --follow --resume" in told.err
    fetched = await terminal.run("fetch", job_id, "-o", "out.csv", "--resume")
    assert fetched.code == 4
    assert names(terminal) == truth(terminal)


async def test_fetch_follow_and_resume(terminal: Terminal) -> None:
    plan(terminal, pages=2)
    job_id = await submitted(terminal)
    told = await terminal.run("fetch", job_id, "-o", "out.csv", "--json")
    assert (told.code, told.objects[-1]["rows"]) == (4, 200)
    async with await terminal.start(
        "fetch", job_id, "-o", "more.csv", "--follow", "--json"
    ) as process:
        await until_said(process, '"delivered": 200')
        process.kill()
    assert (terminal.folder / "more.csv.part").exists()
    terminal.sandbox.advance(86_400)
    told = await terminal.run(
        "fetch", job_id, "-o", "more.csv", "--follow", "--resume", "--json"
    )
    assert (told.code, told.err) == (0, "")
    report = told.told("exported")
    assert (report["rows"], report["resumed"]) == (250, 200)
    assert names(terminal, "more.csv") == truth(terminal)


async def test_fetch_to_stdout_is_a_row_a_line(terminal: Terminal) -> None:
    plan(terminal)
    job_id = await submitted(terminal)
    told = await terminal.run(
        "fetch", job_id, "-o", "-", "--columns", "name", PYTHONIOENCODING="utf-8"
    )
    assert told.code == 0
    assert [row["name"] for row in told.objects] == truth(terminal)
    assert "250 companies" in told.err
    told = await terminal.run("fetch", job_id, "-o", "-", "--json")
    assert (told.code, len(told.objects)) == (0, 250)
    assert told.errors[-1]["event"] == "printed"


async def test_watch_tells_how_each_job_ended(terminal: Terminal) -> None:
    plan(terminal)
    done = await submitted(terminal)
    plan(terminal, fails=True)
    failed = await submitted(terminal)
    told = await terminal.run("watch", done, failed, "--json")
    assert (told.code, told.err) == (3, "")
    ends = {each["job_id"]: each for each in told.objects if each["event"] == "job"}
    assert ends[done]["status"] == "completed"
    assert ends[done]["credits_consumed"] == 250.0
    assert ends[failed]["error_message"]
    shown = await terminal.run("watch", done)
    assert shown.code == 0
    assert done in shown.out
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
async def test_a_reader_who_has_seen_enough_is_no_error(terminal: Terminal) -> None:
    plan(terminal)
    job_id = await submitted(terminal, 900)
    for command in (f"fetch {job_id} -o -", f"watch {job_id} {job_id}x --json"):
        told = await anyio.run_process(
            f"{sys.executable} -m openfunnel_async.cli {command} | head -n 1",
            cwd=terminal.folder,
            env={
                **inherited(),
                "OPENFUNNEL_API_KEY": terminal.sandbox.api_key,
                "OPENFUNNEL_BASE_URL": terminal.sandbox.base_url,
            },
        )
        assert told.stdout.count(b"\n") == 1
        assert b"Traceback" not in told.stderr


async def test_a_key_that_goes_bad_leaves_the_job_and_says_how_to_go_on(
    terminal: Terminal,
) -> None:
    plan(terminal, pages=1)
    terminal.sandbox.faults.append(StatusFault(on="read", status=401))
    told = await terminal.run(
        "run", *SEARCH, "--limit", "150", "-o", "out.csv", "--json"
    )
    assert told.code == 6
    assert "The job goes on and bills. Go on with the next row" in told.err


async def test_a_cancel_that_fails_is_told_and_the_rows_are_kept(
    terminal: Terminal,
) -> None:
    """Caught: the export broken off by what kept the job from being cancelled."""
    plan(terminal, pages=2)
    sandbox = terminal.sandbox
    sandbox.faults.append(StatusFault(on="cancel", status=403))
    run = ("run", *SEARCH, "--limit", "250", "--enough", "1", "-o", "out.csv", "--json")
    async with await terminal.start(*run) as process:
        await sandbox.until(lambda: sandbox.count("cancel") > 0)
        sandbox.advance(86_400)
        told = await terminal.outcome(process)
    (job_id,) = sandbox.jobs
    assert (told.code, told.told("exported")["rows"]) == (1, 250)
    assert f"it may bill on. Cancel it: openfunnel-async cancel {job_id}" in told.err
    assert names(terminal) == truth(terminal)


async def test_a_file_that_another_export_writes_is_told_before(
    terminal: Terminal,
) -> None:
    plan(terminal, pages=1)
    other = await submitted(terminal)
    fetch = ("fetch", other, "-o", "out.csv", "--follow", "--json")
    async with await terminal.start(*fetch) as process:
        await until_said(process, '"delivered": 100')
        told = await terminal.run(
            "run", *SEARCH, "--limit", "900", "-o", "out.csv", "--json"
        )
        process.kill()
    assert told.code == 2
    assert "another export is writing" in told.err
    assert list(terminal.sandbox.jobs) == [other]


def test_a_time_out_of_the_service_is_not_about_the_file() -> None:
    """Caught: each OSError taken for a full disk, and the job cancelled."""
    assert is_about_the_rows(RequestTimeoutError("no answer", True))
    assert is_about_the_rows(TransportError("no answer", True))
    assert not is_about_the_rows(ConfigurationError("in use"))
    assert not is_about_the_rows(OSError(28, "no space"))
