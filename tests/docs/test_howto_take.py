"""The how-to on taking what one needs: its program, run."""

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

PROGRAM = blocks(DOCS / "how-to" / "take-what-you-need.md", "python")[0]
# At the speed of the sandbox the first page takes 0.2 s, each other one 3 s.
LIFE = JobLife(queue=0, first_page_after=20, seconds_per_page=300)


def is_wanted(row: Mapping[str, object]) -> bool:
    employees = row["employee_count"]
    return isinstance(employees, int) and employees >= 50


async def test_it_prints_the_first_25_that_match_and_the_bill(tmp_path: Path) -> None:
    async with Sandbox(speed=100, lives=[LIFE]) as sandbox:
        process = await run_program(PROGRAM, tmp_path, environment_of(sandbox))
    assert process.returncode == 0, process.stderr.decode()
    *companies, tally, bill = process.stdout.decode().splitlines()
    [job] = sandbox.jobs.values()
    wanted = [row for row in job.rows if is_wanted(row)][:25]
    assert companies == [f"{row['name']} {row['domain']}" for row in wanted]
    scanned = job.rows.index(wanted[-1]) + 1
    assert tally == f"25 wanted among {scanned} read; job cancelled"
    billed = sandbox.ledger.credits_of(job.id)
    assert bill == f"{billed:g} credits spent, {1000 - billed:g} not spent"
    assert scanned <= billed < 1000


async def test_a_job_that_fails_is_told_with_what_was_taken(tmp_path: Path) -> None:
    life = attrs.evolve(LIFE, rows=30, ends="failed")
    async with Sandbox(speed=100, lives=[life]) as sandbox:
        process = await run_program(PROGRAM, tmp_path, environment_of(sandbox))
    assert process.returncode == 1
    [job] = sandbox.jobs.values()
    [line] = process.stdout.decode().splitlines()
    taken = sum(map(is_wanted, job.rows))
    assert line.startswith(f"job {job.id} failed: ")
    assert line.endswith(f"; {taken} companies were taken before that")
