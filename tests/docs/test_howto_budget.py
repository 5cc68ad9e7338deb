"""The how-to on budgets: its programs, run by processes under one Book."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

SET, SPEND = blocks(DOCS / "how-to" / "budget.md", "python")
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


async def run(
    code: str, folder: Path, sandbox: Sandbox, query: str = ""
) -> CompletedProcess[bytes]:
    # The program reads its query from the command line.
    given = f"import sys\nsys.argv[1:] = [{query!r}]\n"
    return await run_program(given + code, folder, environment_of(sandbox))


async def test_a_budget_is_spent_and_then_refuses(tmp_path: Path) -> None:
    """Caught: a refusal after the request was sent."""
    lives = [AT_ONCE, AT_ONCE, AT_ONCE]
    async with Sandbox(speed=0, lives=lives) as sandbox:
        done = await run(SET, tmp_path, sandbox)
        assert done.stdout.decode().splitlines() == [
            "agent-7: 200 left of 200",
            "agent-7: 4000 left of 4000",
        ]
        first = await run(SPEND, tmp_path, sandbox, "voice AI")
        assert first.returncode == 0, first.stderr.decode()
        companies, day, month = first.stdout.decode().splitlines()
        assert companies == "100 companies"
        assert day.endswith(": 100 spent, 0 reserved, 100 left")
        assert month.endswith(": 100 spent, 0 reserved, 3900 left")
        second = await run(SPEND, tmp_path, sandbox, "hospital software")
        assert second.returncode == 0
        refused = await run(SPEND, tmp_path, sandbox, "robots")
        assert refused.returncode == 5
        said = refused.stdout.decode()
        assert said.startswith("refused: 100 credits do not fit under the budget")
        assert "agent-7" in said
        submits = [one for one in sandbox.requests if one.kind == "submit"]
        assert len(submits) == 2
        assert sandbox.ledger.used == 200
