"""The skill for agents that ships with the package: its commands, run as processes."""

import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import openfunnel_async
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.sandbox import LostAnswer
from tests.cli.command import Outcome, Terminal, life
from tests.docs.pages import DOCS, blocks
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

FOLDER = Path(openfunnel_async.__path__[0], "cli", "skills", "openfunnel-async")
SKILL = (FOLDER / "SKILL.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```$", SKILL, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
LIMITS = {"submit": 200, "run": 50}


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(lives=[life()] * 2) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def with_cap(name: str, cap: int) -> list[str]:
    [command] = (each for each in COMMANDS if each[0] == name)
    place = command.index("--max-credits") + 1
    return [*command[:place], str(cap), *command[place + 1 :]]


async def test_its_commands_work_one_after_the_other(terminal: Terminal) -> None:
    """Caught: a command without ``--json``; a flag that was renamed."""
    outcomes: dict[str, Outcome] = {}
    job = ""
    for command in COMMANDS:
        words = [job if word == "JOB" else word for word in command]
        outcome = outcomes[command[0]] = await terminal.run(*words)
        assert (outcome.code, outcome.errors) == (0, []), command
        assert all("event" in each for each in outcome.objects), command
        job = job or outcome.objects[0].get("job_id", "")
    assert outcomes["watch"].objects[-1]["credits_consumed"] == 200
    assert outcomes["cancel"].find("cancel")["already_terminal"]
    assert outcomes["fetch"].find("exported")["rows"] == 200
    assert outcomes["run"].find("exported")["credits_consumed"] == 50
    assert (terminal.folder / "companies.csv").is_file()
    assert (terminal.folder / "similar.csv").is_file()


@pytest.mark.parametrize("name", LIMITS)
async def test_over_the_cap_is_five_and_starts_no_job(
    name: str, terminal: Terminal
) -> None:
    outcome = await terminal.run(*with_cap(name, LIMITS[name] - 1))
    assert outcome.code == ExitCode.BUDGET
    [error] = outcome.errors
    assert (error["code"], error["worst_case_credits"]) == (5, LIMITS[name])
    assert terminal.sandbox.requests == []


@pytest.mark.parametrize("name", LIMITS)
async def test_an_unknown_outcome_is_seven_and_states_the_worst_case(
    name: str, tmp_path: Path
) -> None:
    lost = LostAnswer(on="submit")
    async with WatchedSandbox(lives=[life()], faults=[lost]) as sandbox:
        terminal = Terminal(folder=tmp_path, sandbox=sandbox)
        outcome = await terminal.run(*with_cap(name, LIMITS[name]))
    assert outcome.code == ExitCode.UNKNOWN
    [error] = outcome.errors
    assert (error["code"], error["job_id"]) == (7, None)
    assert error["worst_case_credits"] == LIMITS[name]
    assert len(sandbox.jobs) == 1


def test_it_explains_every_exit_code() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", SKILL, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == set(ExitCode)


def test_its_head_names_the_folder() -> None:
    """Caught: a head that agents cannot read, or that is too long for them."""
    _, head, _ = SKILL.split("---\n", 2)
    assert f"name: {FOLDER.name}\n" in head
    [text] = re.findall(r"^description: >-\n((?:  .*\n)+)", head, re.MULTILINE)
    assert 100 < len(text) < 1024


def test_the_page_of_the_command_line_says_how_to_copy_it(tmp_path: Path) -> None:
    """Caught: a folder that was moved, and the page that was not."""
    [copy] = (b for b in blocks(DOCS / "reference" / "cli.md", "sh") if "cp -r" in b)
    python = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}\n'
    subprocess.run(["/bin/sh", "-ec", python + copy], cwd=tmp_path, check=True)  # noqa: S603 -- the page's own command
    copied = tmp_path / ".claude" / "skills" / FOLDER.name / "SKILL.md"
    assert copied.read_text(encoding="utf-8") == SKILL
