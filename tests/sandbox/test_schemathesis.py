"""A stranger's reading of the contract, tried against a sandbox that runs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from openfunnel_async.sandbox import Sandbox
from tests.sandbox.contract import PATH

CONFIG = Path(__file__).parent / "schemathesis.toml"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox on a loop of its own while the test waits for a process."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            Sandbox(speed=100, credits=1e9, row_shape="six")
        ) as sandbox,
    ):
        yield sandbox


def test_schemathesis_finds_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """It failed with ``count`` written as text, and with a limit of 0 taken."""
    command = [sys.executable, "-m", "schemathesis.cli"]
    command += ["--config-file", str(CONFIG), "run", str(PATH)]
    command += ["--url", sandbox.base_url]
    command += ["--header", f"X-API-Key: {sandbox.api_key}"]
    command += ["--seed", "1", "--max-examples", "20", "--no-color"]
    command += ["--generation-deterministic"]
    result = subprocess.run(  # noqa: S603 -- the command is this file's own
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert {seen.kind for seen in sandbox.requests} >= {
        "submit",
        "read",
        "cancel",
        "balance",
        "sign-up",
        "verify",
    }
    assert max(seen.status for seen in sandbox.requests) < 500
