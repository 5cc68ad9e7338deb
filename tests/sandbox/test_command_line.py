"""``python -m openfunnel_async.sandbox`` as a process of its own."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import takewhile

import pytest

from openfunnel_async.sandbox import Sandbox

COMMAND = (sys.executable, "-m", "openfunnel_async.sandbox")


@contextmanager
def _running(*options: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 -- the command is this file's own
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _welcome(process: subprocess.Popen[str]) -> Sequence[str]:
    """Read what is printed until the last line of it."""
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    return list(takewhile(lambda line: "Ctrl-C" not in line, lines))


def _exports(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.split()[1] for line in lines if line.strip().startswith("export"))
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_exits_0(stop: signal.Signals) -> None:
    with _running("--port", "0", "--credits", "37.5") as process:
        exports = _exports(_welcome(process))
        request = urllib.request.Request(  # noqa: S310 -- loopback
            exports["OPENFUNNEL_BASE_URL"] + "/api/v1/credits/balance",
            headers={"X-API-Key": exports["OPENFUNNEL_API_KEY"]},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 -- the same
            assert b'"total_credits":37.5' in response.read()
        process.send_signal(stop)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_a_taken_port_is_one_clear_line_and_exit_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with _running("--port", str(port)) as process:
            output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert errors.count("\n") == 1


def test_it_prints_the_key_of_its_seed() -> None:
    with _running("--port", "0", "--seed", "mine", "--speed", "0") as process:
        lines = _welcome(process)
    assert _exports(lines)["OPENFUNNEL_API_KEY"] == Sandbox(seed="mine").api_key
    assert any("time is stopped" in line for line in lines)


def test_it_shows_the_code_of_a_sign_up() -> None:
    """No mail brings it; the address is text of anybody's."""
    with _running("--port", "0") as process:
        url = _exports(_welcome(process))["OPENFUNNEL_BASE_URL"]
        request = urllib.request.Request(  # noqa: S310 -- loopback
            f"{url}/api/v1/agent/sign-up",
            headers={"Content-Type": "application/json"},
            data=b'{"email": "ada\\u001b@example.org"}',
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- the same
            pass
        assert process.stdout is not None
        line = process.stdout.readline()
    assert re.fullmatch(r"The code for ada\?@example\.org is \d{6}\n", line)


def test_it_takes_a_key_that_is_given() -> None:
    with _running("--port", "0", "--api-key", "of_mine", "--rows", "six") as process:
        lines = _welcome(process)
    assert _exports(lines)["OPENFUNNEL_API_KEY"] == "of_mine"


def test_it_listens_where_a_container_publishes_it() -> None:
    with _running("--port", "0", "--host", "0.0.0.0") as process:  # noqa: S104 -- asked for
        lines = _welcome(process)
        exports = _exports(lines)
    assert any("other machines may be able to connect" in line for line in lines)
    assert exports["OPENFUNNEL_BASE_URL"].startswith("http://127.0.0.1:")
    assert exports["OPENFUNNEL_API_KEY"] == Sandbox().api_key


def test_a_key_of_ones_own_stays_on_this_machine() -> None:
    """Caught: a real key accepted over plain HTTP from other machines."""
    options = ("--port", "0", "--host", "0.0.0.0", "--api-key", "of_mine")  # noqa: S104 -- refused
    with _running(*options) as process:
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (2, "")
    assert "is only accepted with the made-up key" in errors
    assert "of_mine" not in errors


def test_the_balance_may_begin_below_0() -> None:
    with _running("--port", "0", "--credits", "-5") as process:
        assert _exports(_welcome(process))


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "65536"),
        ("--speed", "-1"),
        ("--speed", "inf"),
        ("--credits", "inf"),
        ("--host", "localhost"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused(options: Sequence[str]) -> None:
    with _running(*options) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert options[0] in errors
