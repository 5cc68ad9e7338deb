"""The how-to on exports: a real process, killed, and one that continues."""

import ast
import csv
import re
import sys
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest

from openfunnel_async import LookalikeSearch, OpenFunnel, export, merge_results
from openfunnel_async.sandbox import JobLife
from tests.docs.programs import QUICK_POLLS
from tests.fleet.programs import WatchedSandbox, output_of, start, write_program

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export.md"
# Time stands still: two pages are there, the others come when the clock is moved.
TWO_PAGES = JobLife(
    queue=0, first_page_after=0, seconds_per_page=(0.0, 60.0), closing=10
)
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


async def run(folder: Path, sandbox: WatchedSandbox) -> tuple[int | None, str]:
    script = write_program("export.md", folder)
    async with await start(script, sandbox, **QUICK_POLLS) as process:
        said = await output_of(process)
    return process.returncode, said


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "companies.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_exact(folder: Path, sandbox: WatchedSandbox) -> bool:
    """Tell whether the file holds the job's rows, all, in order, each once."""
    [job] = sandbox.jobs.values()
    truth: list[Any] = [row["linkedin_url"] for row in job.rows]
    return [line["linkedin_url"] for line in listed(folder)] == truth


async def test_what_is_found_is_in_the_file(tmp_path: Path) -> None:
    async with WatchedSandbox(speed=0, lives=[AT_ONCE]) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert (code, is_exact(tmp_path, sandbox)) == (0, True), said
    assert "500 companies in companies.csv, 0 of an earlier run" in said
    assert said.endswith("the job is completed\n")
    assert list(listed(tmp_path)[0]) == [
        "name", "domain", "linkedin_url", "industries", "employee_count", "extra",
    ]  # fmt: skip


async def test_a_killed_export_goes_on_and_buys_nothing_twice(tmp_path: Path) -> None:
    """Caught: `resume=True` left out, and with it the rows before the kill."""
    script = write_program("export.md", tmp_path)
    async with WatchedSandbox(speed=0, lives=[TWO_PAGES]) as sandbox:
        async with await start(script, sandbox, **QUICK_POLLS) as process:
            # Who asks for the second page a second time has its rows in the part.
            await sandbox.until(lambda: sandbox.count("read", "page_0001") >= 2)
            process.kill()
            await output_of(process)
        assert not (tmp_path / "companies.csv").exists()
        sandbox.advance(3600)
        code, said = await run(tmp_path, sandbox)
        assert (code, is_exact(tmp_path, sandbox)) == (0, True), said
        assert sandbox.count("submit") == 1
    assert "500 companies in companies.csv, 200 of an earlier run" in said


async def test_a_file_that_is_there_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "companies.csv").write_text("of yesterday")
    async with WatchedSandbox(speed=0, lives=[AT_ONCE]) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert sandbox.requests == []
    assert code == 1
    assert "move it away" in said


async def test_a_failed_job_leaves_its_rows(tmp_path: Path) -> None:
    fails = attrs.evolve(AT_ONCE, rows=120, ends="failed")
    async with WatchedSandbox(speed=0, lives=[fails]) as sandbox:
        code, said = await run(tmp_path, sandbox)
        assert is_exact(tmp_path, sandbox)
    assert code == 1
    assert "JobFailedError" in said
    assert len(listed(tmp_path)) == 120


async def test_companies_in_memory_are_written_as_on_the_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    [lines] = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    code = compile(lines, PAGE, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    monkeypatch.chdir(tmp_path)
    async with (
        WatchedSandbox(speed=0, lives=[AT_ONCE] * 2) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        search = LookalikeSearch(query="voice", limit=20)
        known: dict[str, Any] = {
            "sys": sys,
            "export": export,
            "merge_results": merge_results,
            "job": await client.submit(search),
            "outcomes": await client.run_many([search]),
        }
        await eval(code, known)  # noqa: S307 -- the page is ours
    assert known["frame"].equals(pl.read_parquet("companies.parquet"))
    assert [line["found_by"] for line in listed(tmp_path)] == ["voice"] * 20
    assert len(capsysbinary.readouterr().out.splitlines()) == 20
