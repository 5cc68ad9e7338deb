"""Output that fails does not hide the id of a job."""

import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.cli.command import Terminal, inherited
from tests.fleet.programs import WatchedSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's"),
]


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox() as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def submit(
    terminal: Terminal, redirect: str
) -> subprocess.CompletedProcess[bytes]:
    """Submit a job in a shell, with its output redirected."""
    command = shlex.join(
        (sys.executable, "-m", "openfunnel_async.cli", "submit", "--query", "ai")
    )
    with anyio.fail_after(60):
        return await anyio.run_process(
            ["/bin/sh", "-c", f"{command} --yes --limit 100 {redirect}"],
            cwd=terminal.folder,
            env={
                **inherited(),
                "OPENFUNNEL_BASE_URL": terminal.sandbox.base_url,
                "OPENFUNNEL_API_KEY": terminal.sandbox.api_key,
            },
            check=False,
        )


@pytest.mark.parametrize("redirect", ["> /dev/full", ">&-"])
async def test_the_id_is_on_stderr_if_stdout_fails(
    terminal: Terminal, redirect: str
) -> None:
    """Caught: a traceback in place of the id of a job that bills."""
    ended = await submit(terminal, redirect)
    ((job_id, _job),) = terminal.sandbox.jobs.items()
    printed = ended.stderr.decode()
    assert (ended.returncode, job_id in printed) == (1, True)
    assert "Traceback" not in printed
    assert "Exception ignored" not in printed


@pytest.mark.parametrize("redirect", ["2> /dev/full", "2>&-"])
async def test_the_id_is_on_stdout_if_stderr_fails(
    terminal: Terminal, redirect: str
) -> None:
    ended = await submit(terminal, redirect)
    ((job_id, _job),) = terminal.sandbox.jobs.items()
    assert ended.stdout.decode().split() == [job_id]
    assert ended.returncode == 0
