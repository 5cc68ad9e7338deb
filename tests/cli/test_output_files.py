"""No command replaces a file unasked, or discards the rows of another job."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from openfunnel_async import Company, export
from openfunnel_async.sandbox import Unknowns
from tests.cli.command import Terminal, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--yes", "--limit", "250")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life(pages=2)
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def leave_part(terminal: Terminal) -> str:
    """Kill a run once it has saved rows, and return the id of its job."""
    out = terminal.folder / "out.csv"
    async with await terminal.start("run", *SEARCH, "-o", "out.csv") as process:
        with anyio.fail_after(60):
            while _saved_rows(out) < 200:  # noqa: ASYNC110 -- a file has no event
                await anyio.sleep(0.01)
        process.kill()
    (job_id,) = terminal.sandbox.jobs
    terminal.sandbox.requests.clear()
    return job_id


def _saved_rows(path: Path) -> int:
    checkpoint = export.left_at(path)
    return 0 if checkpoint is None else checkpoint.rows_before + checkpoint.offset


async def test_a_part_of_another_job_is_refused_and_the_command_to_continue_works(
    terminal: Terminal,
) -> None:
    """Caught: paid rows, and the only record of a running job, discarded."""
    job_id = await leave_part(terminal)
    part = terminal.folder / "out.csv.part"
    before = part.read_bytes()
    for command in (
        ("run", *SEARCH, "-o", "out.csv"),
        ("run", *SEARCH, "-o", "out.csv", "--overwrite"),
        ("fetch", "another", "-o", "out.csv"),
        ("fetch", "another", "-o", "out.csv", "--resume", "--overwrite"),
        ("demo", "-o", "out.csv", "--overwrite"),
    ):
        outcome = await terminal.run(*command, "--json")
        (error,) = outcome.errors
        assert (outcome.code, outcome.out, error["job_id"]) == (2, "", job_id)
        assert "200 paid rows" in error["message"]
        assert part.read_bytes() == before
    assert terminal.sandbox.requests == []
    words = error["message"].partition("openfunnel-async ")[2].split()
    terminal.sandbox.advance(86_400)
    continued = await terminal.run(*words, "--json")
    report = continued.find("exported")
    assert (continued.code, report["rows"], report["resumed"]) == (0, 250, 200)


async def test_the_part_of_the_sample_is_checked_as_well(terminal: Terminal) -> None:
    job_id = await leave_part(terminal)
    part = terminal.folder / "out.csv.part"
    part.rename(terminal.folder / "new.sample.csv.part")
    outcome = await terminal.run(
        "run", *SEARCH, "-o", "new.csv", "--sample", "3", "--json"
    )
    assert (outcome.code, outcome.errors[0]["job_id"]) == (2, job_id)
    assert terminal.sandbox.requests == []


async def test_fetch_continues_with_the_part_of_its_own_job(
    terminal: Terminal,
) -> None:
    """Caught: the saved rows discarded first, and then a service that has none."""
    job_id = await leave_part(terminal)
    outcome = await terminal.run("fetch", job_id, "-o", "out.csv", "--json")
    report = outcome.find("exported")
    assert (outcome.code, report["rows"], report["resumed"]) == (4, 200, 200)


async def test_the_rows_stay_if_the_service_has_lost_the_job(
    terminal: Terminal,
) -> None:
    job_id = await leave_part(terminal)
    async with WatchedSandbox() as empty:
        outcome = await terminal.run(
            "fetch", job_id, "-o", "out.csv", "--base-url", empty.base_url, "--json"
        )
    assert outcome.code == 1
    assert _saved_rows(terminal.folder / "out.csv") == 200


async def test_a_part_without_a_job_is_refused(terminal: Terminal) -> None:
    stop = RuntimeError("stopped")

    async def rows() -> AsyncIterator[Company]:
        for name in ("one", ""):
            if not name:
                raise stop
            yield Company(name=name)

    with pytest.raises(RuntimeError):
        await export.to_file(rows(), terminal.folder / "out.csv")
    assert (terminal.folder / "out.csv.part").exists()
    outcome = await terminal.run("run", *SEARCH, "-o", "out.csv", "--json")
    assert outcome.code == 2
    assert "not finished" in outcome.errors[0]["message"]
    assert terminal.sandbox.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
async def test_a_file_that_is_being_written_names_its_job(terminal: Terminal) -> None:
    run = ("run", *SEARCH, "-o", "out.csv", "--json")
    async with await terminal.start(*run) as process:
        with anyio.fail_after(60):
            while _saved_rows(terminal.folder / "out.csv") < 200:  # noqa: ASYNC110 -- a file has no event
                await anyio.sleep(0.01)
        outcome = await terminal.run(*run)
        process.kill()
    (job_id,) = terminal.sandbox.jobs
    assert (outcome.code, outcome.errors[0]["job_id"]) == (2, job_id)
    assert "another export is writing" in outcome.errors[0]["message"]


@pytest.mark.parametrize(
    "command",
    [
        ("run", *SEARCH),
        ("fetch", "a-job"),
        ("demo",),
        ("run", *SEARCH, "--sample", "2"),
    ],
)
async def test_a_file_that_exists_is_refused_before_anything_is_sent(
    terminal: Terminal, command: tuple[str, ...]
) -> None:
    file = "out.sample.csv" if "--sample" in command else "out.csv"
    (terminal.folder / file).write_text("mine")
    outcome = await terminal.run(*command, "-o", "out.csv", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--overwrite" in outcome.errors[0]["message"]
    assert (terminal.folder / file).read_text() == "mine"
    assert [path.name for path in terminal.folder.iterdir()] == [file]
    assert terminal.sandbox.requests == []


async def test_overwrite_replaces_it(terminal: Terminal) -> None:
    terminal.sandbox.plan = lambda _number, _limit: life()
    (terminal.folder / "out.csv").write_text("mine")
    outcome = await terminal.run("run", *SEARCH, "-o", "out.csv", "--overwrite")
    assert outcome.code == 0
    fetched = await terminal.run("fetch", *terminal.sandbox.jobs, "-o", "out.csv")
    assert fetched.code == 2
    fetched = await terminal.run(
        "fetch", *terminal.sandbox.jobs, "-o", "out.csv", "--overwrite"
    )
    assert fetched.code == 0


async def test_the_command_after_an_incomplete_fetch_works(terminal: Terminal) -> None:
    job_id = await terminal.submit(250)
    first = await terminal.run("fetch", job_id, "-o", "out.csv")
    assert first.code == 4
    words = first.err.partition("openfunnel-async ")[2].split()
    terminal.sandbox.advance(86_400)
    second = await terminal.run(*words, "--json")
    assert (second.code, second.find("exported")["rows"]) == (0, 250)
