"""The how-to on other schedulers: its program, run twice, and twice at once."""

import asyncio
from pathlib import Path

import pytest

from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import examples
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
PAGE = "how-to/other-schedulers.md"


async def test_a_repeated_task_buys_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    """Caught: a run that is bought again by the retry of its task."""
    (example,) = (each for each in examples() if each.page == PAGE)
    program = example.code.replace("sys.argv[1]", repr("run-1"))
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    async with Sandbox(lives=[AT_ONCE] * 3) as sandbox:
        variables = environment_of(sandbox) | {"OPENFUNNEL_BOOK": postgres_url}
        runs = [run_program(program, folder, variables) for folder in folders]
        done = await asyncio.gather(*runs)
        done.append(await run_program(program, tmp_path, variables))
        assert [each.returncode for each in done] == [0, 0, 0], done
        assert {each.stdout for each in done} == {b"150 companies, 150 credits\n"}
        submits = [seen for seen in sandbox.requests if seen.kind == "submit"]
        assert len(submits) == 2
        assert sandbox.ledger.used == 150
