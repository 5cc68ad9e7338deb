"""The README: its programs and commands, run."""

import re
from pathlib import Path

import pytest

from openfunnel_async.sandbox import Sandbox
from tests.docs.pages import ROOT, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

PAGE = ROOT / "README.md"


async def test_the_example_stops_the_spend(tmp_path: Path) -> None:
    program = blocks(PAGE, "python")[0]
    async with Sandbox(speed=200) as sandbox:
        process = await run_program(program, tmp_path, environment_of(sandbox))
    assert process.returncode == 0, process.stderr.decode()
    *companies, receipt = process.stdout.decode().splitlines()
    status, consumed, avoided = receipt.split()
    assert len(companies) == 800
    assert status == "cancelled"
    assert float(consumed) + float(avoided) == 5000
    assert float(avoided) > 0


def test_the_commands_are_those_that_are_judged() -> None:
    judged = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [
        b.strip() for b in blocks(PAGE, "sh") if b.startswith("python3 -m venv")
    ]
    assert re.findall(r"^\w+='(python3 -m venv .*)'$", judged, re.MULTILINE) == commands
    assert len(commands) == 2
