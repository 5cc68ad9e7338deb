"""watch, fetch and run: the file has every row that is paid for."""

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
    export,
)
from openfunnel_async.cli._commands.row_export import is_read_error
from openfunnel_async.sandbox import StatusFault, Unknowns
from tests.cli.command import Terminal, inherited, life, read_until
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--yes")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def plan(terminal: Terminal, *, pages: int = 0, fails: bool = False) -> None:
    terminal.sandbox.plan = lambda _number, _limit: life(pages=pages, fails=fails)


def names(terminal: Terminal, file: str = "out.csv") -> list[str]:
    path = terminal.folder / file
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return [row["name"] for row in csv.DictReader(lines)]
    return [
        json.loads(line)["name"]
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def saved_rows(terminal: Terminal, file: str) -> int:
    checkpoint = export.left_at(terminal.folder / file)
    return 0 if checkpoint is None else checkpoint.rows_before + checkpoint.offset


def truth(terminal: Terminal) -> list[object]:
    (job,) = terminal.sandbox.jobs.values()
    return [row["name"] for row in job.rows]


async def test_run_for_a_program(terminal: Terminal) -> None:
    plan(terminal)
    outcome = await terminal.run(
        "run", *SEARCH, "--limit", "250", "-o", "out.csv", "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert names(terminal) == truth(terminal)
    (job_id,) = terminal.sandbox.jobs
    assert outcome.objects[0]["event"] == "submitted"
    assert list(outcome.objects[1]) == [
        "event",
        "job_id",
        "status",
        "delivered",
        "limit",
        "credits_so_far",
        "rate",
        "eta",
    ]
    assert outcome.objects[-1] == {
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
    outcome = await terminal.run(
        "run", *SEARCH, "--limit", "900", "--enough", "120", "-o", "out.jsonl", "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert terminal.sandbox.ledger.used == 200.0
    assert len(names(terminal, "out.jsonl")) == 200
    assert outcome.objects[-1]["status"] == "cancelled"
    assert outcome.objects[-1]["credits_consumed"] == 200.0


async def test_a_failed_job_ends_with_3_and_its_rows_are_there(
    terminal: Terminal,
) -> None:
    plan(terminal, fails=True)
    outcome = await terminal.run(
        "run", *SEARCH, "--limit", "150", "-o", "out.csv", "--json"
    )
    assert outcome.code == 3
    assert outcome.errors[0]["code"] == 3
    assert "are in out.csv" in outcome.errors[0]["message"]
    assert names(terminal) == truth(terminal)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("-o", "out.xls"), "must end in one of"),
        (("-o", "missing/out.csv"), "there is no folder"),
        (("-o", "."), "must end in one of"),
        (("-o", "-"), "run cannot write to stdout"),
        (("-o", "out.csv", "--columns", "nmae"), "there is no column"),
        (("-o", "out.csv", "--enough", "0"), "at least 1"),
        ((), "--output"),
    ],
)
async def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_spent(
    terminal: Terminal, flags: tuple[str, ...], words: str
) -> None:
    """Caught: the file checked once the job was submitted."""
    outcome = await terminal.run_in_thread("run", *SEARCH, *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert terminal.sandbox.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
async def test_a_disk_that_is_full_cancels_the_job_and_prints_how_to_continue(
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
    outcome = await cramped.run(
        "run", *SEARCH, "--limit", "900", "-o", "out.csv", "--json"
    )
    (job_id,) = terminal.sandbox.jobs
    assert outcome.code == 1
    assert terminal.sandbox.jobs[job_id].status == "cancelled"
    assert outcome.find("cancel")["credits_consumed"] == 200.0
    assert f"fetch {job_id} -o out.csv --follow --resume" in outcome.err
    fetched = await terminal.run("fetch", job_id, "-o", "out.csv", "--resume")
    assert fetched.code == 4
    assert names(terminal) == truth(terminal)


async def test_fetch_follow_and_resume(terminal: Terminal) -> None:
    plan(terminal, pages=2)
    job_id = await terminal.submit(250)
    outcome = await terminal.run("fetch", job_id, "-o", "out.csv", "--json")
    assert (outcome.code, outcome.objects[-1]["rows"]) == (4, 200)
    async with await terminal.start(
        "fetch", job_id, "-o", "more.csv", "--follow", "--json"
    ) as process:
        with anyio.fail_after(30):
            while saved_rows(terminal, "more.csv") < 200:  # noqa: ASYNC110 -- a file has no event
                await anyio.sleep(0.01)
        process.kill()
    terminal.sandbox.advance(86_400)
    outcome = await terminal.run(
        "fetch", job_id, "-o", "more.csv", "--follow", "--resume", "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    report = outcome.find("exported")
    assert (report["rows"], report["resumed"]) == (250, 200)
    assert names(terminal, "more.csv") == truth(terminal)


async def test_fetch_to_stdout_is_a_row_a_line(terminal: Terminal) -> None:
    """Caught: rows that are no JSON, because the locale has no Unicode."""
    plan(terminal)
    job_id = await terminal.submit(250)
    outcome = await terminal.run(
        "fetch", job_id, "-o", "-", "--columns", "name", PYTHONIOENCODING="utf-8"
    )
    assert outcome.code == 0
    assert [row["name"] for row in outcome.objects] == truth(terminal)
    assert "250 companies" in outcome.err
    outcome = await terminal.run(
        "fetch", job_id, "-o", "-", "--json", PYTHONIOENCODING="ascii"
    )
    assert outcome.code == 0
    assert [row["name"] for row in outcome.objects] == truth(terminal)
    assert outcome.errors[-1]["event"] == "printed"


@pytest.mark.parametrize("columns", ["nmae", "name,domain,name"])
async def test_invalid_columns_on_stdout_are_an_error_before_anything_is_sent(
    terminal: Terminal, columns: str
) -> None:
    outcome = await terminal.run_in_thread(
        "fetch", "a-job", "-o", "-", "--columns", columns
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert "column" in outcome.err
    assert terminal.sandbox.requests == []


async def test_watch_reports_how_each_job_ended(terminal: Terminal) -> None:
    plan(terminal)
    done = await terminal.submit(250)
    plan(terminal, fails=True)
    failed = await terminal.submit(250)
    outcome = await terminal.run("watch", done, failed, "--json")
    assert (outcome.code, outcome.err) == (3, "")
    ends = {each["job_id"]: each for each in outcome.objects if each["event"] == "job"}
    assert ends[done]["status"] == "completed"
    assert ends[done]["credits_consumed"] == 250.0
    assert ends[failed]["error_message"]
    outcome = await terminal.run("watch", done)
    assert outcome.code == 0
    assert done in outcome.out
    assert "\x1b" not in outcome.out + outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
async def test_a_reader_that_leaves_causes_no_traceback(terminal: Terminal) -> None:
    plan(terminal)
    job_id = await terminal.submit(900)
    for command in (f"fetch {job_id} -o -", f"watch {job_id} {job_id}x --json"):
        outcome = await anyio.run_process(
            f"{sys.executable} -m openfunnel_async.cli {command} | head -n 1",
            cwd=terminal.folder,
            env={
                **inherited(),
                "OPENFUNNEL_API_KEY": terminal.sandbox.api_key,
                "OPENFUNNEL_BASE_URL": terminal.sandbox.base_url,
            },
        )
        assert outcome.stdout.count(b"\n") == 1
        assert b"Traceback" not in outcome.stderr


async def test_a_key_that_goes_bad_leaves_the_job_and_prints_how_to_continue(
    terminal: Terminal,
) -> None:
    plan(terminal, pages=1)
    terminal.sandbox.faults.append(StatusFault(on="read", status=401))
    outcome = await terminal.run(
        "run", *SEARCH, "--limit", "150", "-o", "out.csv", "--json"
    )
    assert outcome.code == 6
    assert "The job continues and bills. To continue with the next row" in outcome.err


async def test_after_a_failed_cancel_the_rows_are_kept(
    terminal: Terminal,
) -> None:
    """Caught: the export stopped by the error of the cancel."""
    plan(terminal, pages=2)
    sandbox = terminal.sandbox
    sandbox.faults.append(StatusFault(on="cancel", status=403))
    run = ("run", *SEARCH, "--limit", "250", "--enough", "1", "-o", "out.csv", "--json")
    async with await terminal.start(*run) as process:
        await sandbox.until(lambda: sandbox.count("cancel") > 0)
        sandbox.advance(86_400)
        outcome = await terminal.outcome(process)
    (job_id,) = sandbox.jobs
    assert (outcome.code, outcome.find("exported")["rows"]) == (1, 250)
    assert (
        f"the job may still bill. Cancel it: openfunnel-async cancel {job_id}"
        in outcome.err
    )
    assert names(terminal) == truth(terminal)


async def test_a_file_that_another_export_writes_is_an_error_before_the_submit(
    terminal: Terminal,
) -> None:
    plan(terminal, pages=1)
    other = await terminal.submit(250)
    fetch = ("fetch", other, "-o", "out.csv", "--follow", "--json")
    async with await terminal.start(*fetch) as process:
        await read_until(process, '"delivered": 100')
        outcome = await terminal.run(
            "run", *SEARCH, "--limit", "900", "-o", "out.csv", "--json"
        )
        process.kill()
    assert outcome.code == 2
    assert "another export is writing" in outcome.err
    assert list(terminal.sandbox.jobs) == [other]


def test_a_timeout_of_the_service_is_not_a_failure_to_write() -> None:
    """Caught: each OSError taken for a full disk, and the job cancelled."""
    assert is_read_error(RequestTimeoutError("no answer", True))
    assert is_read_error(TransportError("no answer", True))
    assert not is_read_error(ConfigurationError("in use"))
    assert not is_read_error(OSError(28, "no space"))
