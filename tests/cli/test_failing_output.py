"""Output that fails ends no purchase and hides no job; the exit code reports it."""

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from openfunnel_async.sandbox import StatusFault, Unknowns
from tests.cli.command import Terminal, inherited, life
from tests.fleet.programs import WatchedSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's"),
]

SUBMIT = ("submit", "--query", "ai", "--yes", "--limit", "100")
RUN = ("run", "--query", "ai", "--yes", "--limit", "100", "-o", "out.jsonl")
STDOUT_FAILS = ("> /dev/full", ">&-")
STDERR_FAILS = ("2> /dev/full", "2>&-")
BOTH_FAIL = ("> /dev/full 2>&1", ">&- 2>&-", "> /dev/full 2>&-")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def environment(terminal: Terminal) -> dict[str, str]:
    return {
        **inherited(),
        "OPENFUNNEL_BASE_URL": terminal.sandbox.base_url,
        "OPENFUNNEL_API_KEY": terminal.sandbox.api_key,
    }


async def run_in_shell(
    terminal: Terminal, arguments: tuple[str, ...], redirect: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell, with its output redirected."""
    command = shlex.join((sys.executable, "-m", "openfunnel_async.cli", *arguments))
    with anyio.fail_after(60):
        ended = await anyio.run_process(
            ["/bin/sh", "-c", f"{command} {redirect}"],
            cwd=terminal.folder,
            env=environment(terminal),
            check=False,
        )
    printed = ended.stdout + ended.stderr
    assert b"Traceback" not in printed
    assert b"Exception ignored" not in printed
    return ended


def only_job(terminal: Terminal) -> str:
    (job_id,) = terminal.sandbox.jobs
    return job_id


def lines(terminal: Terminal) -> int:
    return (terminal.folder / "out.jsonl").read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize("json", [(), ("--json",)])
@pytest.mark.parametrize("redirect", STDOUT_FAILS)
async def test_the_id_is_on_stderr_if_stdout_fails(
    terminal: Terminal, redirect: str, json: tuple[str, ...]
) -> None:
    """Caught: a traceback in place of the id of a job that bills."""
    ended = await run_in_shell(terminal, (*SUBMIT, *json), redirect)
    assert only_job(terminal) in ended.stderr.decode()
    assert ended.returncode == 1


@pytest.mark.parametrize("redirect", STDERR_FAILS)
async def test_the_id_is_on_stdout_if_stderr_fails(
    terminal: Terminal, redirect: str
) -> None:
    ended = await run_in_shell(terminal, SUBMIT, redirect)
    assert ended.stdout.decode().split() == [only_job(terminal)]
    assert ended.returncode == 0


@pytest.mark.parametrize("redirect", [*STDOUT_FAILS, *STDERR_FAILS, *BOTH_FAIL])
async def test_a_run_writes_its_file_whatever_fails(
    terminal: Terminal, redirect: str
) -> None:
    """Caught: a progress line that could not be written, and ended the purchase."""
    ended = await run_in_shell(terminal, RUN, redirect)
    assert lines(terminal) == 100
    fails = 1 if redirect not in STDERR_FAILS else 0
    assert ended.returncode == fails
    works = ended.stdout if redirect in STDERR_FAILS else ended.stderr
    assert redirect in BOTH_FAIL or only_job(terminal) in works.decode()
    if redirect in STDERR_FAILS:
        assert "100 companies are in out.jsonl" in ended.stdout.decode()


async def test_an_error_that_names_a_job_goes_to_the_stream_that_works(
    terminal: Terminal,
) -> None:
    ended = await run_in_shell(terminal, ("status", "nobodys"), "2> /dev/full")
    assert (ended.returncode, b"nobodys" in ended.stdout) == (1, True)


@pytest.mark.parametrize("redirect", [*STDOUT_FAILS, *BOTH_FAIL])
@pytest.mark.parametrize(
    "command",
    [
        ("balance",),
        ("estimate", "-q", "ai"),
        ("doctor",),
        ("status", "JOB"),
        ("watch", "JOB"),
        ("cancel", "JOB"),
        ("fetch", "JOB", "-o", "-"),
        ("--help",),
        ("completion", "bash"),
    ],
)
async def test_a_result_that_is_lost_ends_with_1(
    terminal: Terminal, command: tuple[str, ...], redirect: str
) -> None:
    job_id = await terminal.submit(10)
    words = tuple(job_id if word == "JOB" else word for word in command)
    ended = await run_in_shell(terminal, words, redirect)
    assert ended.returncode == 1
    if redirect in STDOUT_FAILS:
        assert b"stdout failed" in ended.stderr


async def test_a_receipt_is_on_stderr_if_stdout_fails(terminal: Terminal) -> None:
    job_id = await terminal.submit(10)
    ended = await run_in_shell(terminal, ("cancel", job_id), "> /dev/full")
    assert b"nothing to cancel" in ended.stderr


@pytest.mark.parametrize("redirect", [*STDOUT_FAILS, *BOTH_FAIL, "2>&-"])
async def test_the_demo_ends_quietly(terminal: Terminal, redirect: str) -> None:
    """Stdout is all that it is for, so it ends with it, and leaves no empty folder."""
    ended = await run_in_shell(terminal, ("demo",), redirect)
    works = redirect == "2>&-"
    assert ended.returncode == (0 if works else 1)
    assert (terminal.folder / "openfunnel-demo").exists() is works


@pytest.mark.parametrize("command", [SUBMIT, ("sign-up",), ("status", "x")])
async def test_a_closed_stdin_is_an_empty_one(
    terminal: Terminal, command: tuple[str, ...]
) -> None:
    """Caught: None.isatty()."""
    ended = await run_in_shell(terminal, command, "<&-")
    assert ended.returncode == (
        0 if command is SUBMIT else 2 - (command[0] != "sign-up")
    )


async def test_a_terminal_that_is_gone_ends_no_purchase(terminal: Terminal) -> None:
    """Caught: EIO, which a write to a closed terminal raises."""
    near, far = os.openpty()
    process = await anyio.open_process(
        [sys.executable, "-m", "openfunnel_async.cli", *RUN],
        cwd=terminal.folder,
        env=environment(terminal),
        stdout=far,
        stderr=far,
    )
    os.close(far)
    os.close(near)
    with anyio.fail_after(60):
        async with process:
            assert await process.wait() == 1
    assert lines(terminal) == 100


async def test_a_key_that_goes_bad_leaves_the_id_on_stdout(terminal: Terminal) -> None:
    """Caught: an error about a job that did not name it, on a stderr that failed."""
    terminal.sandbox.plan = lambda _number, _limit: life(pages=1)
    terminal.sandbox.faults.append(StatusFault(on="read", status=401))
    ended = await run_in_shell(terminal, RUN, "2> /dev/full")
    assert ended.returncode == 6
    assert f"fetch {only_job(terminal)} -o out.jsonl" in ended.stdout.decode()


async def test_a_closed_stream_s_number_is_given_to_no_file(
    terminal: Terminal,
) -> None:
    """Caught: the .part opened with the number of stderr, where libraries write."""
    program = (
        "import os, sys; from openfunnel_async.cli import main; "
        "code = main(['balance']); os.write(2, b'odd'); sys.exit(code)"
    )
    command = shlex.join((sys.executable, "-c", program))
    ended = await anyio.run_process(
        ["/bin/sh", "-c", f"{command} 2>&-"],
        cwd=terminal.folder,
        env=environment(terminal),
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
