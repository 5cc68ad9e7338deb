"""The README and the first page of the site: their programs and commands, run."""

import re
from pathlib import Path

import pytest

from openfunnel_async.sandbox import Sandbox
from tests.docs.pages import DOCS, ROOT, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

README = ROOT / "README.md"
FIRST_PAGE = DOCS / "index.md"


@pytest.mark.parametrize(
    ("page", "enough", "limit"), [(README, 800, 5000), (FIRST_PAGE, 300, 2000)]
)
async def test_the_example_stops_the_spend(
    page: Path, enough: int, limit: int, tmp_path: Path
) -> None:
    program = blocks(page, "python")[0]
    async with Sandbox(speed=100) as sandbox:
        process = await run_program(program, tmp_path, environment_of(sandbox))
    assert process.returncode == 0, process.stderr.decode()
    *companies, receipt = process.stdout.decode().splitlines()
    status, consumed, avoided = receipt.split()
    assert len(companies) == enough
    assert status == "cancelled"
    assert float(consumed) + float(avoided) == limit
    assert float(avoided) > 0


def test_the_first_page_installs_as_the_readme_does() -> None:
    """Caught: an extra that was renamed on one of the two."""
    [lines] = blocks(FIRST_PAGE, "sh")
    assert " && ".join(lines.splitlines()) in blocks(README, "sh")[0]


def test_the_commands_are_those_that_are_judged() -> None:
    judged = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [
        b.strip() for b in blocks(README, "sh") if b.startswith("python3 -m venv")
    ]
    assert re.findall(r"^\w+='(python3 -m venv .*)'$", judged, re.MULTILINE) == commands
    assert len(commands) == 2
