"""The demo as its users see it, but without its pauses."""

import contextlib
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.cli.command import inherited, start_python

_WITHOUT_PAUSES = (
    "from openfunnel_async.cli import main; import sys;"
    "from openfunnel_async.cli._commands.demo import scenario;"
    "scenario.PAUSE = 0.0; sys.exit(main())"
)
_ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1"},
    {
        "PYTHONHASHSEED": "2",
        "FORCE_COLOR": "1",
        "OPENFUNNEL_API_KEY": "nobody's",
        "OPENFUNNEL_BASE_URL": "https://nowhere.invalid",
    },
)


@attrs.frozen(kw_only=True)
class Run:
    folder: Path
    code: int
    out: str
    err: str

    @property
    def table(self) -> bytes:
        return (self.folder / "openfunnel-demo" / "companies.csv").read_bytes()

    @property
    def summary(self) -> dict[str, int]:
        lines = re.findall(r"^([A-Z][a-z ]+?) {2,}([\d,]+)  ", self.out, re.MULTILINE)
        return {what: int(number.replace(",", "")) for what, number in lines}

    def companies(self) -> Iterator[dict[str, str]]:
        path = self.folder / "openfunnel-demo" / "companies.csv"
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folders = [tmp_path_factory.mktemp("demo") for _ in _ENVIRONMENTS]
    (folders[1] / "companies.csv").write_text("of an earlier run")
    arguments = ["-c", _WITHOUT_PAUSES, "demo"]
    started = [
        (
            folder,
            start_python(arguments, folder=folder, **environment),
        )
        for folder, environment in zip(folders, _ENVIRONMENTS, strict=True)
    ]
    ended: list[Run] = []
    for folder, process in started:
        out, err = process.communicate(timeout=60)
        ended.append(Run(folder=folder, code=process.returncode, out=out, err=err))
    return ended


def test_it_succeeds_without_an_error(runs: list[Run]) -> None:
    assert [(run.code, run.err) for run in runs] == [(0, "")] * len(runs)


def test_every_run_writes_the_same_bytes(runs: list[Run]) -> None:
    first, second = runs
    assert first.table == second.table


def test_every_run_prints_the_same_lines(runs: list[Run]) -> None:
    first, second = runs
    assert _without_ties(first.out) == _without_ties(second.out)


def test_a_pipe_gets_no_control_codes(runs: list[Run]) -> None:
    for run in runs:
        assert "\x1b" not in run.out
        assert "\r" not in run.out


def test_it_leaves_only_the_companies(runs: list[Run]) -> None:
    for run in runs:
        made = run.folder / "openfunnel-demo"
        assert [path.name for path in made.iterdir()] == ["companies.csv"]
    assert [*runs[0].folder.iterdir()] == [runs[0].folder / "openfunnel-demo"]


def test_a_file_of_the_user_s_stays(runs: list[Run]) -> None:
    """Caught: a demo that replaced companies.csv unasked."""
    assert (runs[1].folder / "companies.csv").read_text() == "of an earlier run"


def test_the_summary_adds_up(runs: list[Run]) -> None:
    run = runs[0]
    found_by = [row["found_by"].split("; ") for row in run.companies()]
    billed = re.findall(r"([\d,]+) credits billed", run.out)
    assert run.summary == {
        "Delivered": sum(map(len, found_by)),
        "Unique companies": len(found_by),
        "Credits used": sum(int(number.replace(",", "")) for number in billed),
        "Credits saved": 2000 - 525,
    }
    assert run.summary["Delivered"] == run.summary["Credits used"]
    assert "equals the sandbox's ledger" in run.out


def test_searches_share_companies_and_each_is_listed_once(runs: list[Run]) -> None:
    rows = list(runs[0].companies())
    assert len({row["linkedin_url"] for row in rows}) == len(rows)
    assert len({row["found_by"] for row in rows}) > 3


def test_the_late_cancel_is_printed_as_a_normal_outcome(runs: list[Run]) -> None:
    assert "C  cancel came late: already completed (409), nothing lost" in runs[0].out


def _without_ties(out: str) -> list[str]:
    """Sort the lines of a second: two answers may arrive in either order."""
    lines = out.splitlines()
    begin = next(n for n, line in enumerate(lines) if re.match(r" *\d+ s ", line))
    end = lines.index("", begin)
    middle = sorted(lines[begin:end], key=lambda line: (int(line[:4]), line[8]))
    return [*lines[:begin], *middle, *lines[end:]]


def test_a_program_gets_objects(tmp_path: Path) -> None:
    arguments = ["-c", _WITHOUT_PAUSES, "demo", "--json", "-o", "found.jsonl"]
    process = start_python(arguments, folder=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    *progress, last = (json.loads(line) for line in out.splitlines())
    assert {each["event"] for each in progress} == {"progress"}
    assert len({frozenset(each) for each in progress}) == 1
    lines = (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()
    assert last == {
        "event": "demo",
        "jobs": 3,
        "delivered": 1325,
        "companies": len(lines),
        "credits_used": 1325.0,
        "credits_saved": 1475.0,
        "agrees": True,
        "path": "found.jsonl",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    near, far = os.openpty()
    with subprocess.Popen(  # noqa: S603 -- this very Python
        [sys.executable, "-c", _WITHOUT_PAUSES, "demo"],
        cwd=tmp_path,
        env=inherited() | {"COLUMNS": "100", "TERM": "xterm"},
        stdout=far,
    ) as process:
        os.close(far)
        drawn = _read_all(near)
    os.close(near)
    assert process.returncode == 0
    assert "525/2,000" in drawn
    assert "1,199 companies are in openfunnel-demo/companies.csv" in drawn


def _read_all(terminal: int) -> str:
    """Read until the other side is closed, which Linux reports as an error."""
    pieces: list[bytes] = []
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65_536):
            pieces.append(piece)
    return b"".join(pieces).decode()
