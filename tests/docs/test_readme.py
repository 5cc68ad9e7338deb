"""The README: its programs and commands, run."""

import os
import re
import sys
from pathlib import Path

import anyio
import pytest

from openfunnel_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


async def test_the_example_stops_the_spend(tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(blocks("python")[0], encoding="utf-8")
    async with Sandbox(speed=100) as sandbox:
        told = {
            "OPENFUNNEL_BASE_URL": sandbox.base_url,
            "OPENFUNNEL_API_KEY": sandbox.api_key,
            # The names of companies are printed in any script.
            "PYTHONUTF8": "1",
        }
        with anyio.fail_after(60):
            process = await anyio.run_process(
                [sys.executable, str(example)], env=os.environ | told, check=False
            )
    assert process.returncode == 0, process.stderr.decode()
    *companies, receipt = process.stdout.decode().splitlines()
    status, consumed, avoided = receipt.split()
    assert len(companies) == 800
    assert status == "cancelled"
    assert float(consumed) + float(avoided) == 5000
    assert float(avoided) > 0


def test_the_commands_are_those_that_are_judged() -> None:
    judged = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [b.strip() for b in blocks("sh") if b.startswith("python3 -m venv")]
    assert re.findall(r"^\w+='(python3 -m venv .*)'$", judged, re.MULTILINE) == commands
    assert len(commands) == 2
