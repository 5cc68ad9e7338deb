"""Not a benchmark: a proof that the benchmarks still run."""

from pathlib import Path

from tests.benchmarks.__main__ import main


def test_every_section_writes_its_table(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    assert main(["--quick", "--out", str(page)]) == 0
    # uvloop is in the group `bench` alone.
    other = "## The SDK on another event loop, CPU"
    headings = [line for line in page.read_text("utf-8").splitlines() if "## " in line]
    assert [heading for heading in headings if heading != other] == [
        "## A page and a poll, CPU",
        "## The SDK with each JSON library, CPU",
        "## A harvest of 10,000 rows",
        "## A slow link",
        "## A fleet of waits",
        "## A soak",
        "## Memory",
        "## The Book",
        "## The Book on PostgreSQL",
        "## Growth of a Book",
        "## Import, CPU",
        "## Pace",
        "## A budget of polls",
        "## Known companies",
        "## A refresh of a market",
        "## A budget of many processes",
    ]
