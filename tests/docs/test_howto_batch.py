"""The how-to on batches under a cap: its program, run."""

import csv
import re
from pathlib import Path

import pytest

from openfunnel_async.sandbox import JobLife, LostAnswer
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import QUICK_POLLS
from tests.fleet.programs import WatchedSandbox, output_of, start, write_program

pytestmark = pytest.mark.anyio

NAMES = ("voice", "hospital", "robots", "records", "billing", "triage")


def life(rows: int | None = None, *, fails: bool = False) -> JobLife:
    return JobLife(
        queue=0,
        first_page_after=0,
        seconds_per_page=0,
        closing=0,
        rows=rows,
        ends="failed" if fails else "completed",
    )


async def run(folder: Path, sandbox: WatchedSandbox) -> tuple[int | None, list[str]]:
    script = write_program("batch-script.md", folder)
    async with await start(script, sandbox, **QUICK_POLLS) as process:
        said = await output_of(process)
    return process.returncode, said.splitlines()


def listed(folder: Path) -> list[dict[str, str]]:
    text = (folder / "companies.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


async def test_each_company_is_listed_once_with_who_found_it(tmp_path: Path) -> None:
    """Caught: the outcomes' rows written one after the other."""
    lives = [life(30), life(40), life(0), life(7), life(50), life(60)]
    async with WatchedSandbox(speed=0, lives=lives) as sandbox:
        code, said = await run(tmp_path, sandbox)
    assert code == 0
    found: dict[object, list[str]] = {}
    for name, job in zip(NAMES, sandbox.jobs.values(), strict=True):
        for row in job.rows:
            found.setdefault(row["linkedin_url"], []).append(name)
    lines = listed(tmp_path)
    assert [line["linkedin_url"] for line in lines] == list(found)
    by = [" ".join(dict.fromkeys(names)) for names in found.values()]
    assert [line["found_by"] for line in lines] == by
    assert any(" " in names for names in by)
    assert said[-1] == f"{len(found)} companies in companies.csv, 187 credits"


async def test_the_sandbox_prints_what_the_page_says(tmp_path: Path) -> None:
    """Caught: a refused search that makes the program fail."""
    async with WatchedSandbox(speed=200) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert sandbox.count("submit") == 5
    assert code == 0
    assert sandbox.ledger.used == 500
    [shown] = blocks(DOCS / "how-to" / "batch-script.md", "text")
    # Which job is submitted first decides which companies are new.
    counted = r"\d+ (?=new companies|companies)"
    assert re.sub(counted, "", "\n".join([*said, ""])) == re.sub(counted, "", shown)


async def test_a_job_that_failed_keeps_its_rows_and_its_bill(tmp_path: Path) -> None:
    lives = [life(25, fails=True), *[life(10)] * 5]
    async with WatchedSandbox(speed=0, lives=lives) as sandbox:
        code, said = await run(tmp_path, sandbox)
    assert code == 1
    assert said[0].startswith("voice: 25 new companies, 25 credits; job ")
    assert sum("voice" in line["found_by"] for line in listed(tmp_path)) == 25
    assert said[-1].endswith("75 credits")


async def test_a_submit_of_unknown_outcome_is_said(tmp_path: Path) -> None:
    lost = LostAnswer(on="submit")
    async with WatchedSandbox(speed=0, lives=[life(5)] * 6, faults=[lost]) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert sandbox.count("submit") == 6
    assert code == 1
    assert said[0].startswith("voice: 0 new companies, no bill; ")
