"""Not a benchmark: a proof that the benchmarks still run."""

import sys
from pathlib import Path

from tests.benchmarks.__main__ import main

# uvloop is in the group `bench` alone.
OPTIONAL = "## The SDK on another event loop, CPU"
HEADINGS = [
    "## A page and a poll, CPU",
    "## The SDK with each JSON library, CPU",
    "## What a poll and a page pay, by layer",
    "## The SDK on each Python, CPU",
    "## A harvest of 10,000 rows",
    "## A slow link",
    "## A fleet of waits",
    "## A soak",
    "## Memory",
    "## Growth of a job",
    "## Growth of a fleet",
    "## The Book",
    "## The Book on PostgreSQL",
    "## Growth of a Book",
    "## Import, CPU",
    "## Pace",
    "## Pace after a cancel, and on other jobs",
    "## Pace of many jobs at once",
    "## A budget of polls",
    "## Known companies",
    "## A refresh of a market",
    "## A budget of many processes",
]


def test_every_section_writes_its_table(tmp_path: Path) -> None:
    """Caught: an interpreter that is handed over and not measured."""
    page = tmp_path / "benchmarks.md"
    # This interpreter takes the place of another one.
    other = f"--python={sys.executable}"
    assert main(["--quick", "--out", str(page), other]) == 0
    text = page.read_text("utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading != OPTIONAL] == HEADINGS
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert text.count(f"{own}: bare, µs") == 2
    # A version that nobody handed over is named as absent.
    absent = {v for v in ("3.11", "3.13") if f"Python {v} is not in the table" in text}
    assert absent == {"3.11", "3.13"} - {own}
