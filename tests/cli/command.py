"""Start the command line as a user does: as a process of its own."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from anyio.abc import ByteReceiveStream, Process

from openfunnel_async import LookalikeSearch, OpenFunnel
from openfunnel_async.cli import main
from openfunnel_async.sandbox import JobLife
from tests.fleet.programs import WatchedSandbox

_TIMEOUT = 60.0
_DAY = 86_400.0
_KEY_VARIABLES = ("OPENFUNNEL_API_KEY", "OPENFUNNEL_BASE_URL")
_TERMINAL_VARIABLES = ("FORCE_COLOR", "NO_COLOR", "COLUMNS")


def start(
    arguments: Sequence[str], *, folder: Path, **environment: str
) -> subprocess.Popen[str]:
    """Start ``openfunnel-async`` in a folder, its output piped."""
    return start_python(
        ["-m", "openfunnel_async.cli", *arguments], folder=folder, **environment
    )


def start_python(
    arguments: Sequence[str], *, folder: Path, **environment: str
) -> subprocess.Popen[str]:
    """Start this Python in a folder, its output piped."""
    return subprocess.Popen(  # noqa: S603 -- this very Python
        [sys.executable, *arguments],
        cwd=folder,
        env=inherited() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def inherited() -> dict[str, str]:
    """Return this process's environment without variables that change the output."""
    left_out = {*_KEY_VARIABLES, *_TERMINAL_VARIABLES}
    return {name: value for name, value in os.environ.items() if name not in left_out}


@attrs.frozen(kw_only=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The objects on stderr, one a line."""
        return [json.loads(line) for line in self.err.splitlines()]

    def find(self, event: str) -> dict[str, Any]:
        """The one object of an event."""
        (found,) = (each for each in self.objects if each["event"] == event)
        return found


@attrs.frozen(kw_only=True)
class Terminal:
    """A folder in which commands are run against a sandbox.

    Checks that no output has the sandbox's key or a traceback.
    """

    folder: Path
    sandbox: WatchedSandbox
    environment: dict[str, str] = attrs.field(factory=dict[str, str])
    program: tuple[str, ...] = ("-m", "openfunnel_async.cli")

    async def run(self, *arguments: str, stdin: str = "", **more: str) -> Outcome:
        """Run a command to its end."""
        whole = attrs.evolve(self, environment=self.environment | more)
        async with await whole.start(*arguments) as process:
            return await self.outcome(process, stdin=stdin)

    async def run_in_thread(
        self, *arguments: str, stdin: str = "", **more: str
    ) -> Outcome:
        """Run a command in this process, which is faster.

        Only for commands that handle no signals, or that end before they would.
        """

        def run() -> Outcome:
            out, err = io.StringIO(), io.StringIO()
            with (
                pytest.MonkeyPatch.context() as patch,
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                patch.chdir(self.folder)
                patch.setattr(sys, "stdin", io.StringIO(stdin))
                variables = {**self._service(), **self.environment, **more}
                for name, value in variables.items():
                    patch.setenv(name, value)
                code = main(arguments)
            return self._checked(code, out.getvalue(), err.getvalue())

        return await anyio.to_thread.run_sync(run)

    async def submit(self, limit: int) -> str:
        """Submit a job as a program does, and return its id."""
        key, url = self.sandbox.api_key, self.sandbox.base_url
        async with OpenFunnel(key, base_url=url) as client:
            search = LookalikeSearch(query="voice ai", limit=limit)
            return (await client.submit(search)).id

    async def start(
        self, *arguments: str, on_terminal: int = subprocess.PIPE
    ) -> Process:
        """Start a command; use it as a context manager, which kills it at the end.

        Its stdin and stderr may be a terminal's.
        """
        return await anyio.open_process(
            [sys.executable, *self.program, *arguments],
            cwd=self.folder,
            env={**inherited(), **self._service(), **self.environment},
            stdin=on_terminal,
            stderr=on_terminal,
        )

    async def outcome(self, process: Process, *, stdin: str = "") -> Outcome:
        """Read what a command prints until it ends."""
        assert process.stdin is not None
        printed = ["", ""]

        async def read(place: int, stream: ByteReceiveStream | None) -> None:
            assert stream is not None
            printed[place] = b"".join([piece async for piece in stream]).decode()

        with anyio.fail_after(_TIMEOUT):
            async with anyio.create_task_group() as group:
                group.start_soon(read, 0, process.stdout)
                group.start_soon(read, 1, process.stderr)
                # A command may end without reading what it is given.
                with contextlib.suppress(anyio.BrokenResourceError):
                    await process.stdin.send(stdin.encode())
                    await process.stdin.aclose()
            code = await process.wait()
        return self._checked(code, *printed)

    def _service(self) -> dict[str, str]:
        return {
            "OPENFUNNEL_BASE_URL": self.sandbox.base_url,
            "OPENFUNNEL_API_KEY": self.sandbox.api_key,
        }

    def _checked(self, code: int, out: str, err: str) -> Outcome:
        assert "Traceback" not in out + err, err
        assert self.sandbox.api_key not in out + err
        return Outcome(code=code, out=out, err=err)


async def read_until(process: Process, words: str) -> str:
    """Read stdout until it has these words."""
    assert process.stdout is not None
    printed = b""
    with anyio.fail_after(_TIMEOUT):
        while words.encode() not in printed:
            printed += await process.stdout.receive()
    return printed.decode()


def life(rows: int | None = None, *, fails: bool = False, pages: int = 0) -> JobLife:
    """Plan a job that ends at once, or that stops after some pages."""
    gaps = (0.0,) * (pages - 1) + (_DAY,) if pages else 0.0
    return JobLife(
        queue=0,
        processed_after=0,
        first_page_after=0,
        seconds_per_page=gaps,
        closing=0,
        rows=rows,
        ends="failed" if fails else "completed",
    )
