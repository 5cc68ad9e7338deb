"""sign-up: a new key, in a file that only its owner can read."""

import json
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import LostAnswer
from tests.cli.command import Terminal
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
# Nothing in the environment: the key is to be found in the file.
BARE = {"OPENFUNNEL_API_KEY": ""}


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox() as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox, environment=BARE)


async def sign_up(terminal: Terminal, *arguments: str) -> dict[str, object]:
    """Sign up as a program does, which writes the code to stdin."""
    async with await terminal.start(
        "sign-up", "--email", ADA, "--json", *arguments
    ) as process:
        await terminal.sandbox.until(lambda: ADA in terminal.sandbox.codes)
        code = terminal.sandbox.codes[ADA]
        ended = await terminal.outcome(process, stdin=f"{code}\n")
    assert (ended.code, ended.err) == (0, "")
    assert ended.find("code_sent") == {"event": "code_sent", "email": ADA}
    return ended.find("signed_up")


async def test_the_code_is_read_from_stdin(
    terminal: Terminal,
) -> None:
    outcome = await sign_up(terminal)
    assert outcome == {
        "event": "signed_up",
        "email": ADA,
        "is_new_user": True,
        "env_file": ".env",
    }
    path = terminal.folder / ".env"
    assert path.read_text() == (
        f"OPENFUNNEL_API_KEY={terminal.sandbox.api_key}\n"
        f"OPENFUNNEL_BASE_URL={terminal.sandbox.base_url}\n"
    )
    assert list(terminal.folder.iterdir()) == [path]
    assert (await terminal.run_in_thread("balance", OPENFUNNEL_BASE_URL="")).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="other rights there")
async def test_only_its_owner_can_read_the_file(terminal: Terminal) -> None:
    """Caught: the file opened with the mode of the umask."""
    path = terminal.folder / "my.env"
    path.write_text("OTHER=1\n")
    path.chmod(0o644)
    await sign_up(terminal, "--env-file", "my.env")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("OTHER=1\nOPENFUNNEL_API_KEY=of_")


async def test_address_and_code_may_come_together(terminal: Terminal) -> None:
    """The first command has the code sent, and has no stdin to read it from."""
    first = await terminal.run_in_thread("sign-up", stdin=f"{ADA}\n")
    assert first.code == 2
    assert f"sign-up --email {ADA} --code CODE" in first.err
    code = terminal.sandbox.codes[ADA]
    second = await terminal.run_in_thread(
        "sign-up", "--email", ADA, "--code", f"{code[:3]} {code[3:]}"
    )
    assert (second.code, second.out) == (0, "")
    assert ".env" in second.err
    kinds = [seen.kind for seen in terminal.sandbox.requests]
    assert kinds == ["sign-up", "verify"]


async def test_the_key_is_printed_if_asked_for(terminal: Terminal) -> None:
    await terminal.run_in_thread("sign-up", "--email", ADA)
    code = terminal.sandbox.codes[ADA]
    async with await terminal.start(
        "sign-up", "--email", ADA, "--code", code, "--json", "--show-key"
    ) as process:
        assert process.stdout is not None
        outcome = json.loads(b"".join([piece async for piece in process.stdout]))
    assert outcome["api_key"] == terminal.sandbox.api_key


async def test_another_key_is_not_overwritten_and_no_code_is_sent(
    terminal: Terminal,
) -> None:
    """Caught: the file checked only once the key is there."""
    path = terminal.folder / ".env"
    path.write_text("OPENFUNNEL_API_KEY=of_another\n")
    outcome = await terminal.run_in_thread("sign-up", "--email", ADA, "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--replace" in outcome.errors[0]["message"]
    assert terminal.sandbox.requests == []
    assert path.read_text() == "OPENFUNNEL_API_KEY=of_another\n"
    await sign_up(terminal, "--replace")
    assert terminal.sandbox.api_key in path.read_text()
    assert "of_another" not in path.read_text()


async def test_an_unwritable_file_is_an_error_before_anything_is_sent(
    terminal: Terminal,
) -> None:
    for path in (".", "missing/.env"):
        outcome = await terminal.run_in_thread(
            "sign-up", "--email", ADA, "--env-file", path
        )
        assert outcome.code == 2
        assert outcome.err.startswith(f"openfunnel-async: cannot write {path}: ")
    assert terminal.sandbox.requests == []


async def test_a_wrong_code_is_an_error_without_the_code(
    terminal: Terminal,
) -> None:
    await terminal.run_in_thread("sign-up", "--email", ADA)
    for code in ("000000", "12345"):
        outcome = await terminal.run_in_thread(
            "sign-up", "--email", ADA, "--code", code, "--json"
        )
        assert code not in outcome.err
        assert outcome.code == (1 if code == "000000" else 2)
    assert not (terminal.folder / ".env").exists()
    assert len(terminal.sandbox.requests) == 2


async def test_a_lost_answer_prints_how_to_recover(terminal: Terminal) -> None:
    await terminal.run_in_thread("sign-up", "--email", ADA)
    terminal.sandbox.faults.append(LostAnswer())
    code = terminal.sandbox.codes[ADA]
    outcome = await terminal.run_in_thread("sign-up", "--email", ADA, "--code", code)
    assert outcome.code == 1
    assert "same address recovers the account" in outcome.err
    assert outcome.err.count("\n") == 1
