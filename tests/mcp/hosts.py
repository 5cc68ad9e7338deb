"""A host of the server, as agents have one: the SDK's own client, over stdio."""

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from openfunnel_async import Book
from openfunnel_async.book import BookCheck, BookEntry
from tests.cli.command import Terminal, life
from tests.fleet.programs import WatchedSandbox

BUDGET = "agent"
QUERY = {"query": "voice ai", "limit": 100}
LONG = life(pages=2)
"""A job that delivers two pages and then runs for a day; a whole one is in the Book."""
_WITHIN = 30.0

# Writes its process id, and changes constants that a test would wait for.
_PROGRAM = """
import os, sys
from importlib import import_module
from openfunnel_async.cli import main
open(sys.argv[1], "w").write(str(os.getpid()))
for changed in sys.argv[2].split():
    path, value = changed.split("=")
    module, name = path.rsplit(".", 1)
    found = import_module("openfunnel_async.mcp." + module)
    assert hasattr(found, name)
    setattr(found, name, float(value))
sys.exit(main(sys.argv[3:]))
"""


@attrs.frozen(kw_only=True)
class Answer:
    """What a tool returned."""

    is_error: bool
    fields: dict[str, Any]
    text: str
    progress: list[tuple[float, float | None, str | None]]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@attrs.define(kw_only=True)
class Host:
    """A connection to a server that runs as a process of its own."""

    client: Client
    pid_file: Path

    async def call(self, name: str, **arguments: Any) -> Answer:
        """Call a tool, and check what holds for every answer."""
        reports: list[tuple[float, float | None, str | None]] = []

        async def note(
            progress: float, total: float | None, message: str | None
        ) -> None:
            reports.append((progress, total, message))

        with anyio.fail_after(_WITHIN):
            result = await self.client.call_tool(
                name, arguments, progress_callback=note
            )
        assert isinstance(result, CallToolResult)
        [content] = result.content
        assert content.type == "text"
        fields: dict[str, Any] = json.loads(content.text)
        assert fields == result.structured_content
        return Answer(
            is_error=bool(result.is_error),
            fields=fields,
            text=content.text,
            progress=reports,
        )

    async def finish(self, job: str) -> Answer:
        """Call status until the job has ended."""
        with anyio.fail_after(_WITHIN):
            while True:
                answer = await self.call("status", job=job, wait_seconds=5)
                if answer["is_done"]:
                    return answer

    def send_signal(self, number: int) -> None:
        """Send a signal to the process of the server."""
        os.kill(int(self.pid_file.read_text()), number)

    async def kill(self) -> None:
        """Kill the server, and wait until it is gone."""
        pid = int(self.pid_file.read_text())
        self.send_signal(signal.SIGKILL)
        with anyio.fail_after(_WITHIN):
            while is_alive(pid):  # noqa: ASYNC110 -- of another process
                await anyio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@attrs.define(kw_only=True)
class Desk:
    """A folder with a Book, a budget, and a folder for lists, and its sandbox."""

    folder: Path
    sandbox: WatchedSandbox
    database: str | None = None
    servers: int = 0

    @property
    def book_path(self) -> Path:
        """The file of the Book, if it is one."""
        return self.folder / "book.sqlite"

    @property
    def address(self) -> str:
        """What --book names."""
        return self.database or str(self.book_path)

    def open_book(self) -> Book:
        """Return the Book."""
        return Book.connect(self.database) if self.database else Book(self.book_path)

    @property
    def lists(self) -> Path:
        """The folder that save writes in."""
        return self.folder / "lists"

    @property
    def terminal(self) -> Terminal:
        """The command line, in the folder."""
        return Terminal(
            folder=self.folder,
            sandbox=self.sandbox,
            environment={"OPENFUNNEL_BOOK": self.address},
        )

    def read_list(self, path: str) -> str:
        """Return the text of a file that save has written."""
        assert Path(path).parent == self.lists.resolve()
        return Path(path).read_bytes().decode(errors="replace")

    async def set_budget(self, credit: float, name: str = BUDGET) -> None:
        """Make a budget, or change it, as a person does."""
        async with self.open_book() as book:
            await book.set_budget(name, total=credit)

    async def entries(self) -> list[BookEntry]:
        """Return what is in the Book."""
        async with self.open_book() as book:
            return await book.entries()

    async def check(self) -> BookCheck:
        """Recompute the sums of the Book."""
        async with self.open_book() as book:
            return await book.check()

    def count_submits(self) -> int:
        """Return how many submits have arrived at the service."""
        return self.sandbox.count("submit")

    def count_credits(self) -> float:
        """Return what the service has billed."""
        return self.sandbox.ledger.used

    def statuses(self) -> list[str]:
        """Return the status of each job at the service."""
        return [job.status for job in self.sandbox.jobs.values()]

    def end_jobs(self) -> None:
        """Let the jobs that run end."""
        self.sandbox.advance(10 * 86_400)

    def arguments(self, budget: str = BUDGET) -> list[str]:
        """Return the arguments of the command."""
        return [
            "mcp",
            *("--book", self.address),
            *("--budget", budget),
            *("--folder", str(self.lists)),
        ]

    def parameters(
        self, budget: str = BUDGET, changes: str = ""
    ) -> StdioServerParameters:
        """Return how a host starts the server."""
        self.servers += 1
        pid_file = self.folder / f"pid-{self.servers}"
        return StdioServerParameters(
            command=sys.executable,
            args=["-c", _PROGRAM, str(pid_file), changes, *self.arguments(budget)],
            env=self.environment(),
            cwd=self.folder,
        )

    def environment(self) -> dict[str, str]:
        """Return what a host passes to the server."""
        return {
            "OPENFUNNEL_BASE_URL": self.sandbox.base_url,
            "OPENFUNNEL_API_KEY": self.sandbox.api_key,
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "XDG_STATE_HOME": str(self.folder),
        }

    @asynccontextmanager
    async def host(
        self,
        *,
        mode: str = "auto",
        budget: str = BUDGET,
        changes: str = "",
        errors: Path | None = None,
    ) -> AsyncGenerator[Host]:
        """Start a server, and connect to it; its stderr has no traceback and no key."""
        parameters = self.parameters(budget, changes)
        pid_file = Path(parameters.args[2])
        log = errors or self.folder / f"stderr-{self.servers}"
        with log.open("w", encoding="utf-8") as stderr:
            async with Client(stdio_client(parameters, stderr), mode=mode) as client:
                yield Host(client=client, pid_file=pid_file)
        printed = log.read_text(encoding="utf-8")
        assert "Traceback" not in printed, printed
        assert self.sandbox.api_key not in printed
