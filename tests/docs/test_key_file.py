"""The key that sign-up has written, loaded into a program."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.cli.command import Terminal
from tests.cli.test_sign_up import BARE, sign_up
from tests.docs.pages import DOCS, ROOT, blocks
from tests.docs.test_howto_network import PLAIN
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

[LINE] = blocks(DOCS / "reference" / "client.md", "sh")


@pytest.mark.skipif(sys.platform == "win32", reason="a line for a POSIX shell")
async def test_the_line_of_the_page_loads_the_key_of_a_sign_up(tmp_path: Path) -> None:
    async with WatchedSandbox() as sandbox:
        await sign_up(Terminal(folder=tmp_path, sandbox=sandbox, environment=BARE))
        script = tmp_path / "program.py"
        script.write_text(PLAIN, encoding="utf-8")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OPENFUNNEL_")
        }
        ended = await anyio.run_process(
            ["/bin/sh", "-c", f'{LINE.strip()}; "{sys.executable}" program.py'],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout.decode()
        assert float(ended.stdout) == sandbox.ledger.balance


async def test_a_program_without_a_key_names_the_line(tmp_path: Path) -> None:
    ended = await anyio.run_process(
        [sys.executable, "-c", PLAIN],
        env=os.environ | BARE,
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode == 1
    assert LINE.strip() in ended.stderr.decode().splitlines()[-1]


def test_the_package_cites_pages_of_the_site_only() -> None:
    """Caught: a docstring that cites a file which only the repository has."""
    for path in (ROOT / "openfunnel_async").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "facts.md" not in text, path
