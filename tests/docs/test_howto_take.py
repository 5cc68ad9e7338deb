"""The how-to on taking what one needs: its program, run."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import attrs
import pytest

from openfunnel_async.sandbox import JobLife, Sandbox

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "take-what-you-need.md"
# At the sandbox's speed the first page comes in a second, each other after three.
LIFE = JobLife(queue=0, first_page_after=100, seconds_per_page=300)


def example() -> str:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


async def run(folder: Path, sandbox: Sandbox) -> CompletedProcess[bytes]:
    script = folder / "example.py"
    script.write_text(example(), encoding="utf-8")
    told = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
        # The names of companies are printed in any script.
        "PYTHONUTF8": "1",
    }
    with anyio.fail_after(60):
        return await anyio.run_process(
            [sys.executable, str(script)], env=os.environ | told, check=False
        )


def is_wanted(row: Mapping[str, object]) -> bool:
    employees = row["employee_count"]
    return isinstance(employees, int) and employees >= 50


async def test_it_prints_the_first_25_that_match_and_the_bill(tmp_path: Path) -> None:
    async with Sandbox(speed=100, lives=[LIFE]) as sandbox:
        process = await run(tmp_path, sandbox)
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
        process = await run(tmp_path, sandbox)
    assert process.returncode == 1
    [job] = sandbox.jobs.values()
    [line] = process.stdout.decode().splitlines()
    taken = sum(map(is_wanted, job.rows))
    assert line.startswith(f"job {job.id} failed: ")
    assert line.endswith(f"; {taken} companies were taken before that")
