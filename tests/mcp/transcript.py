"""`python -m tests.mcp.transcript` prints the exchange that the how-to shows."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from openfunnel_async.sandbox import JobLife, Unknowns
from tests.fleet.programs import WatchedSandbox
from tests.mcp.hosts import Desk, Host

SEARCH = {"query": "voice AI for clinics", "limit": 300}
OTHER = {"query": "robots for warehouses", "limit": 400}
LIFE = JobLife(
    queue=0, processed_after=0, first_page_after=30, seconds_per_page=0, closing=0
)
_SHOWN_FOLDER = "/home/you/lists"


class Recorder:
    """Writes down each call and its answer.

    Attributes:
        lines: The calls and the answers, in turn.
        sent: The bytes of the calls: the names and the arguments.
        received: The bytes of the texts of the answers.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._folder = str(folder.resolve())
        self.lines: list[str] = []
        self.sent: int = 0
        self.received: int = 0

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and write it down."""
        answer = await self._host.call(name, **arguments)
        given = json.dumps(arguments)
        text = answer.text.replace(self._folder, _SHOWN_FOLDER)
        self.sent += len(name) + len(given)
        self.received += len(text.encode())
        self.lines += [f"call   {name} {given}", f"answer {text}", ""]
        return answer.fields


async def run_exchange(folder: Path) -> Recorder:
    """Buy a list as a model does, with a repeated call and one over the budget."""
    async with WatchedSandbox(speed=0, unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: LIFE
        desk = Desk(folder=folder, sandbox=sandbox)
        desk.lists.mkdir()
        await desk.set_budget(500)
        async with desk.host() as host:
            recorder = Recorder(host, desk.lists)
            await recorder.call("estimate", **SEARCH)
            job = (await recorder.call("start", **SEARCH))["job"]
            await recorder.call("start", **SEARCH)
            await recorder.call("start", **OTHER)
            sandbox.advance(100)
            await host.finish(job)
            await recorder.call("status", job=job)
            await recorder.call("sample", job=job, rows=2, columns=["name", "domain"])
            await recorder.call("save", job=job, file="clinics.csv")
        return recorder


def main() -> None:
    """Print the exchange."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = anyio.run(run_exchange, Path(folder))
    sys.stdout.write("\n".join(recorder.lines))


if __name__ == "__main__":
    main()
