"""How the program is called: mistakes in one line, and what is not a command."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from openfunnel_async import __version__
from openfunnel_async.sandbox import StatusFault
from tests.cli.command import Terminal, inherited, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--yes")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox() as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


@pytest.mark.parametrize(
    ("words", "message", "helped"),
    [
        (("smubit",), 'Unknown command "smubit". Did you mean "submit"?', ""),
        (("--versoin",), 'Unknown flag "--versoin".', ""),
        (("qqq",), 'Unknown command "qqq".', ""),
        (("balance", "x", "y"), "Unexpected argument: x y.", " balance"),
        (("run",), "--output requires an argument", " run"),
        (("submit", "--limti", "3"), "--limit", " submit"),
        (("submit", "--limit", "many"), 'unable to convert "many"', " submit"),
        (("status",), "name at least one job", None),
        (("watch",), "name at least one job", None),
    ],
)
async def test_a_mistake_is_one_line_without_a_list_of_commands(
    terminal: Terminal, words: tuple[str, ...], message: str, helped: str | None
) -> None:
    """Caught: every command listed after a typing error."""
    outcome = await terminal.run(*words)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert message in outcome.err
    assert "sandbox" not in outcome.err
    if helped is not None:
        assert outcome.err.endswith(f"See: openfunnel-async{helped} --help\n")


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        (("body", "limit"), "--limit"),
        (("body", "query"), "--query"),
        (("body", "funding_stages", 0), "--funding-stage"),
        (("body", "seed_domains", 1), "--seed-domain"),
        (("body", "odd"), "body.odd"),
    ],
)
async def test_a_search_that_the_service_refuses_names_the_flag(
    terminal: Terminal, field: tuple[str | int, ...], flag: str
) -> None:
    issue = {"type": "x", "loc": [*field], "msg": "Input should be less"}
    fault = StatusFault(on="submit", status=422, body={"detail": [issue]})
    terminal.sandbox.faults += [fault]
    for command in (("submit",), ("run", "-o", "out.csv")):
        terminal.sandbox.faults[:] = [fault]
        outcome = await terminal.run(*command, *SEARCH, "--json")
        (error,) = outcome.errors
        assert (outcome.code, error["code"], error["status_code"]) == (2, 2, 422)
        assert f"{flag}: Input should be less" in error["message"]
    assert [*terminal.folder.iterdir()] == []


async def test_a_funding_stage_of_the_user_is_refused_by_the_service(
    terminal: Terminal,
) -> None:
    outcome = await terminal.run("submit", *SEARCH, "--funding-stage", "Seeed")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--funding-stage: " in outcome.err


async def test_the_status_of_several_jobs_is_in_their_order(
    terminal: Terminal,
) -> None:
    one, two = await terminal.submit(10), await terminal.submit(10)
    outcome = await terminal.run("status", two, one, two, "--json")
    assert [each["job_id"] for each in outcome.objects] == [two, one]
    assert outcome.code == 0
    outcome = await terminal.run("status", one, "nobodys", two, "--json")
    assert (outcome.code, len(outcome.objects)) == (1, 2)
    assert outcome.errors[0]["job_id"] == "nobodys"


async def test_a_watch_shows_that_a_job_is_not_found(terminal: Terminal) -> None:
    """Caught: "unknown", which is also a status of the service."""
    one = await terminal.submit(10)
    outcome = await terminal.run("watch", one, "nobodys")
    assert outcome.code == 1
    assert "nobodys  not found\n" in outcome.out
    assert f"{one}  completed" in outcome.out
    assert "unknown" not in outcome.out + outcome.err
    assert "nobodys" in outcome.err


@pytest.mark.parametrize("module", ["openfunnel_async", "openfunnel_async.cli"])
@pytest.mark.parametrize("flag", ["-V", "--version"])
async def test_the_version(terminal: Terminal, module: str, flag: str) -> None:
    ended = await anyio.run_process(
        [sys.executable, "-m", module, flag], cwd=terminal.folder, env=inherited()
    )
    assert ended.stdout.decode().strip() == __version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_prints_a_script_and_changes_nothing(
    terminal: Terminal, shell: str
) -> None:
    outcome = await terminal.run("completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    assert "openfunnel-async" in outcome.out
    assert "--max-credits" in outcome.out or "max-credits" in outcome.out
    assert [*terminal.folder.iterdir()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="no bash there")
async def test_bash_completes_a_command_and_a_flag(terminal: Terminal) -> None:
    script = (await terminal.run("completion", "bash")).out
    (terminal.folder / "complete.sh").write_text(script)
    for line, expected in (
        ("openfunnel-async est", "estimate"),
        ("openfunnel-async run --max-c", "--max-credits"),
    ):
        asked = (
            "source ./complete.sh; "
            f"COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; "
            f'COMP_LINE="{line}"; COMP_POINT={len(line)}; '
            "_openfunnel_async; echo ${COMPREPLY[@]}"
        )
        ended = await anyio.run_process(
            ["bash", "-c", asked], cwd=terminal.folder, stderr=subprocess.STDOUT
        )
        assert ended.stdout.decode().split() == [expected]


async def test_verbose_prints_the_requests_on_stderr(terminal: Terminal) -> None:
    outcome = await terminal.run("balance", "-v")
    assert outcome.code == 0
    assert "RequestSent kind=read method=GET" in outcome.err
    assert "credits left" in outcome.out
    outcome = await terminal.run("submit", *SEARCH, "--verbose", "--json")
    logs = [each for each in outcome.errors if each["event"] == "log"]
    assert {each["level"] for each in logs} == {"debug", "info"}
    assert any("JobSubmitted" in each["message"] for each in logs)
    assert (await terminal.run("balance")).err == ""
