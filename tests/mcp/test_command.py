"""``openfunnel-async mcp``: what it refuses, and how it ends."""

import json
import os
import signal
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process

from openfunnel_async.sandbox import SlowAnswer
from tests.cli.command import Terminal
from tests.mcp.hosts import LONG, Desk

pytestmark = pytest.mark.anyio

_WITHIN = 30.0
_PARAMS: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
HANDSHAKE: tuple[dict[str, Any], dict[str, Any]] = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _PARAMS},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
)


@pytest.fixture
def terminal(desk: Desk) -> Terminal:
    return desk.terminal


async def test_without_a_budget(desk: Desk, terminal: Terminal) -> None:
    lists = str(desk.lists)
    outcome = await terminal.run("mcp", "--folder", lists)
    assert (outcome.code, outcome.out) == (2, "")
    assert "book budget set" in outcome.err
    assert "--per-day" in outcome.err
    unknown = await terminal.run("mcp", "--folder", lists, "--budget", "agnet")
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean agent?" in unknown.err
    named = await terminal.run("mcp", "--folder", lists, OPENFUNNEL_BUDGET="agent")
    assert (named.code, named.out) == (0, "")


async def test_without_a_book_a_folder_or_a_key(desk: Desk, terminal: Terminal) -> None:
    lists = str(desk.lists)
    budget = ("--budget", "agent")
    none = await terminal.run("mcp", "--folder", lists, *budget, "--book", "no.sqlite")
    assert (none.code, none.out) == (2, "")
    assert not (desk.folder / "no.sqlite").exists()
    folder = await terminal.run("mcp", "--folder", "nothing", *budget)
    assert (folder.code, folder.out) == (2, "")
    assert "make it first" in folder.err
    (desk.folder / ".env").write_text(f"OPENFUNNEL_API_KEY={desk.sandbox.api_key}\n")
    key = await terminal.run("mcp", "--folder", lists, *budget, OPENFUNNEL_API_KEY="")
    assert (key.code, key.out) == (6, "")
    assert "OPENFUNNEL_API_KEY" in key.err
    file = await terminal.run(
        *("mcp", "--folder", lists, *budget, "--env-file", ".env"),
        OPENFUNNEL_API_KEY="",
    )
    assert (file.code, file.out, file.err) == (0, "", "")


async def test_without_the_extra(desk: Desk, terminal: Terminal) -> None:
    program = (
        "import sys; sys.modules['mcp'] = None\n"
        "from openfunnel_async.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    bare = Terminal(
        folder=desk.folder,
        sandbox=desk.sandbox,
        environment=terminal.environment,
        program=("-c", program),
    )
    outcome = await bare.run(*desk.arguments())
    assert (outcome.code, outcome.out) == (2, "")
    assert 'pip install ".[cli,mcp]"' in outcome.err


async def send(process: Process, message: dict[str, Any] | bytes) -> None:
    """Write one line to the server."""
    assert process.stdin is not None
    line = message if isinstance(message, bytes) else json.dumps(message).encode()
    await process.stdin.send(line + b"\n")


async def receive(process: Process) -> dict[str, Any]:
    """Read one line from the server: nothing but the protocol may be there."""
    assert process.stdout is not None
    line = b""
    with anyio.fail_after(_WITHIN):
        while not line.endswith(b"\n"):
            line += await process.stdout.receive(1)
    message = json.loads(line)
    assert message["jsonrpc"] == "2.0"
    found: dict[str, Any] = message
    return found


async def connect(process: Process) -> None:
    """Shake hands as an older host does."""
    first, second = HANDSHAKE
    await send(process, first)
    assert (await receive(process))["result"]["serverInfo"]["name"] == "openfunnel"
    await send(process, second)


async def call(process: Process, name: str, **arguments: Any) -> None:
    """Send a call of a tool."""
    params = {"name": name, "arguments": arguments}
    request = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    await send(process, request)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
async def test_a_signal_ends_it_while_stdin_is_open(
    desk: Desk, terminal: Terminal, number: signal.Signals, code: int
) -> None:
    """Caught: a thread that waits for a line of stdin, and keeps the process alive."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with await terminal.start(*desk.arguments()) as process:
        await connect(process)
        await call(process, "start", query="voice ai", limit=300)
        answer = await receive(process)
        assert answer["result"]["structuredContent"]["state"] == "running"
        process.send_signal(number)
        with anyio.fail_after(_WITHIN):
            assert await process.wait() == code
    assert desk.statuses() == ["running"]
    assert (await desk.check()).is_ok


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
async def test_a_signal_during_a_submit_waits_for_its_outcome(
    desk: Desk, terminal: Terminal
) -> None:
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with await terminal.start(*desk.arguments()) as process:
        await connect(process)
        await call(process, "start", query="voice ai", limit=100)
        await desk.sandbox.until(lambda: desk.count_submits() == 1)
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(_WITHIN):
            assert await process.wait() == 143
    [entry] = await desk.entries()
    assert entry.job_id in desk.sandbox.jobs


async def test_a_host_that_closes_both_ends(desk: Desk) -> None:
    """Its answer has no reader. Caught: a traceback, and a job that is cancelled."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    reader, writer = os.pipe()
    async with await anyio.open_process(
        [sys.executable, "-m", "openfunnel_async.cli", *desk.arguments()],
        cwd=desk.folder,
        env=os.environ | desk.environment(),
        stdout=writer,
    ) as process:
        os.close(writer)
        assert process.stdin is not None
        assert process.stderr is not None
        for message in HANDSHAKE:
            await send(process, message)
        assert await anyio.to_thread.run_sync(os.read, reader, 10)
        os.close(reader)
        await call(process, "start", query="voice ai", limit=300)
        await desk.sandbox.until(lambda: desk.count_submits() == 1)
        await anyio.sleep(1)
        await process.stdin.aclose()
        with anyio.fail_after(_WITHIN):
            printed = b"".join([piece async for piece in process.stderr])
            assert await process.wait() == 0
    assert b"Traceback" not in printed, printed
    assert desk.statuses() == ["running"]
    [entry] = await desk.entries()
    assert entry.job_id in desk.sandbox.jobs
    assert (await desk.check()).is_ok


async def test_lines_that_are_no_protocol(desk: Desk, terminal: Terminal) -> None:
    """The server answers, or ignores them, and lives on."""
    async with await terminal.start(*desk.arguments()) as process:
        await connect(process)
        for line in (b"", b"{", b"null", b"\xff\xfe", b"[]", b'{"jsonrpc":"2.0"}'):
            await send(process, line)
        await call(process, "estimate", query="voice ai", limit=300)
        while (answer := await receive(process)).get("id") != 2:
            assert "error" in answer
        assert answer["result"]["structuredContent"]["credits_at_most"] == 300
        outcome = await terminal.outcome(process)
    assert (outcome.code, outcome.out) == (0, "")


async def test_what_prints_does_not_reach_the_protocol(
    desk: Desk, terminal: Terminal
) -> None:
    """Caught: a server whose stdout is still the file descriptor 1."""
    program = (
        "import os, sys\n"
        "from openfunnel_async.mcp import _tools\n"
        "from openfunnel_async.cli import main\n"
        "real = _tools.make_answer\n"
        "def noisy(*given):\n"
        "    print('noise'); os.write(1, b'noise'); os.system('echo noise')\n"
        "    return real(*given)\n"
        "_tools.make_answer = noisy\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    noisy = Terminal(
        folder=desk.folder,
        sandbox=desk.sandbox,
        environment=terminal.environment,
        program=("-c", program),
    )
    async with await noisy.start(*desk.arguments(), "--verbose") as process:
        await connect(process)
        await call(process, "start", query="voice ai", limit=100)
        answer = await receive(process)
        assert answer["result"]["structuredContent"]["limit"] == 100
        outcome = await noisy.outcome(process)
    assert outcome.out == ""
    assert outcome.err.count("noise") == 3
