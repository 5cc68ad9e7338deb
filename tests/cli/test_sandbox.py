"""sandbox: a local OpenFunnel that prints its address and the sign-up codes."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from openfunnel_async.agent_auth import sign_up
from openfunnel_async.cli import main
from tests.cli.command import start

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to send there"),
]


def _next(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    printed: dict[str, object] = json.loads(process.stdout.readline())
    return printed


async def test_it_prints_its_address_and_each_code_until_a_signal(
    tmp_path: Path,
) -> None:
    process = start(["sandbox", "--port", "0", "--json"], folder=tmp_path)
    with process:
        printed = _next(process)
        assert list(printed) == ["event", "base_url", "api_key", "speed"]
        await sign_up("ada@example.org", base_url=str(printed["base_url"]))
        code = await anyio.to_thread.run_sync(_next, process)
        assert list(code) == ["event", "email", "otp_code"]
        assert code["email"] == "ada@example.org"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


async def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(["sandbox", "--port", port], folder=tmp_path)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"openfunnel-async: cannot listen on 127.0.0.1:{port}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("flags", [("--port", "65536"), ("--speed", "-1")])
async def test_invalid_flags_are_refused(
    flags: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", *flags]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert flags[0] in printed.err
