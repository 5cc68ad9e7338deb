"""``save`` writes new files into its folder, and nowhere else."""

import csv
import os
import sys
from pathlib import Path

import anyio
import pytest

from openfunnel_async import Company
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.mcp._files import SaveFolder
from openfunnel_async.mcp._refusals import Refusal
from tests.mcp.hosts import LONG, QUERY, Desk

pytestmark = pytest.mark.anyio

BAD = [
    "",
    ".",
    "..",
    "../x.csv",
    "..\\x.csv",
    "a/../../x.csv",
    "a/x.csv",
    "/tmp/x.csv",  # noqa: S108 -- a name that is refused
    "~/x.csv",
    "C:\\x.csv",
    "C:x.csv",
    "\\\\server\\share\\x.csv",
    "file:///tmp/x.csv",
    "x.csv\0.png",
    "x\n.csv",
    "x.csv ",
    " x.csv",
    "x.csv.",
    ".x.csv",
    ".csv",
    "-o.csv",
    "x..csv",
    "$HOME.csv",
    "x;rm -rf.csv",
    "x.csv:stream",
    "%2e%2e%2fx.csv",
    "\uff0e\uff0e\uff0fx.csv",
    "\uff58.csv",
    "\u0445.csv",
    "x\u202evsc.csv",
    f"{'x' * 97}.csv",
    f"{'x' * 5000}.csv",
    "x",
    "x.txt",
    "x.py",
    "x.csv.sh",
    "x.xlsx",
    "book.sqlite",
    "CON.csv",
    "nul.csv",
    "Aux.jsonl",
    "com1.csv",
    "LPT9.csv",
    "con.x.csv",
]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_refused(tmp_path: Path, name: str) -> None:
    """Caught: a check by `resolve()` alone, or one that joins first."""
    with pytest.raises(Refusal) as refused:
        SaveFolder(tmp_path).check(name)
    assert refused.value.reason == "bad_file"
    assert refused.value.message.isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.csv", "A-1_b.v2.jsonl", "x.CSV", "1.parquet"])
def test_a_name_that_is_accepted(tmp_path: Path, name: str) -> None:
    assert SaveFolder(tmp_path).check(name) == tmp_path.resolve() / name


async def test_through_the_protocol(desk: Desk) -> None:
    """All names at once, with a job that has companies."""
    before = sorted(desk.folder.parent.rglob("*.csv"))
    async with desk.host() as host:
        job = (await host.call("start", **QUERY))["job"]
        await host.finish(job)
        for name in BAD:
            answer = await host.call("save", job=job, file=name)
            assert answer["error"] == "bad_file", name
        saved = await host.call("save", job=job, file="clinics.csv")
        again = await host.call("save", job=job, file="clinics.csv")
        other = await host.call("save", job=job, file="clinics.csv", columns=["name"])
        few = await host.call(
            "save", job=job, file="few.csv", columns=["domain", "name"]
        )
    assert again.fields == saved.fields
    assert other["error"] == "file_exists"
    assert (saved["rows"], saved["is_complete"]) == (100, True)
    assert saved["path"] == str(desk.lists.resolve() / "clinics.csv")
    assert list_names(desk.lists) == ["clinics.csv", "few.csv"]
    assert sorted(desk.folder.parent.rglob("*.csv")) == sorted(
        [*before, desk.lists / "clinics.csv", desk.lists / "few.csv"]
    )
    rows = list(csv.reader(desk.read_list(few["path"]).splitlines()))
    assert (rows[0], len(rows)) == (["domain", "name"], 101)


async def test_a_job_that_still_runs(desk: Desk) -> None:
    """Caught: an earlier result that hides what came later."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        job = (await host.call("start", query="voice ai", limit=300))["job"]
        await desk.sandbox.until(lambda: desk.sandbox.count("read") > 2)
        status = await host.call("status", job=job, wait_seconds=3)
        assert (status["delivered"], status["in_book"]) == (200, 100)
        early = await host.call("save", job=job, file="x.csv")
        assert (early["rows"], early["is_complete"]) == (100, False)
        desk.end_jobs()
        await host.finish(job)
        assert (await host.call("save", job=job, file="x.csv"))["error"] == (
            "file_exists"
        )
        whole = await host.call("save", job=job, file="y.csv")
        assert (whole["rows"], whole["is_complete"]) == (300, True)


def list_names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def make_folder(tmp_path: Path) -> tuple[SaveFolder, Path, Path]:
    """Return a folder to save in, its path, and a folder outside of it."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    return SaveFolder(inside), inside, outside


class Rows:
    """Companies, and something that happens before the last one."""

    def __init__(self, happens: object = None) -> None:
        self._left = [Company(name="a"), Company(name="b")]
        self._happens = happens

    def __aiter__(self) -> "Rows":
        return self

    async def __anext__(self) -> Company:
        if not self._left:
            raise StopAsyncIteration
        if len(self._left) == 1 and callable(self._happens):
            self._happens()
        return self._left.pop()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_never_followed(tmp_path: Path, exists: bool) -> None:
    """Also one that leads nowhere. Caught: `exists()`, which follows links."""
    folder, inside, outside = make_folder(tmp_path)
    if exists:
        (outside / "x.csv").write_text("mine")
    (inside / "x.csv").symlink_to(outside / "x.csv")
    with pytest.raises(Refusal, match="file_exists"):
        folder.check("x.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("links", [True, False])
async def test_a_link_that_is_made_during_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Caught: a rename that replaces, an open that follows."""
    folder, inside, outside = make_folder(tmp_path)
    if not links:
        monkeypatch.setattr(os, "link", _refuse_links)
    path = folder.check("x.csv")
    rows = Rows(lambda: path.symlink_to(outside / "x.csv"))
    with pytest.raises(Refusal, match="file_exists"):
        await folder.write(rows, path, None)
    assert not list(outside.iterdir())
    assert path.is_symlink()
    assert list_names(inside) == ["x.csv"]


def _refuse_links(*_args: object, **_options: object) -> None:
    raise PermissionError(1, "no hard links here")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
async def test_a_folder_that_becomes_a_link(tmp_path: Path) -> None:
    folder, inside, outside = make_folder(tmp_path)
    path = folder.check("x.csv")
    inside.rename(tmp_path / "moved")
    inside.symlink_to(outside)
    with pytest.raises(Refusal, match="bad_file"):
        await folder.write(Rows(), path, None)
    assert not list(outside.iterdir())


async def test_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, inside, _ = make_folder(tmp_path)
    monkeypatch.setattr(os, "link", _refuse_links)
    assert await folder.write(Rows(), folder.check("x.csv"), ["name"]) == 2
    assert list_names(inside) == ["x.csv"]
    assert (inside / "x.csv").read_text(encoding="utf-8").count("\n") == 3


async def test_a_file_that_is_made_during_the_write_stays(tmp_path: Path) -> None:
    folder, inside, _ = make_folder(tmp_path)
    path = folder.check("x.csv")
    rows = Rows(lambda: path.write_text("mine", encoding="utf-8") and None)
    with pytest.raises(Refusal, match="file_exists"):
        await folder.write(rows, path, None)
    assert path.read_text(encoding="utf-8") == "mine"
    assert list_names(inside) == ["x.csv"]


async def test_a_write_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    folder, inside, _ = make_folder(tmp_path)
    with anyio.CancelScope() as scope:
        rows = Rows(scope.cancel)
        await folder.write(rows, folder.check("x.csv"), None)
    assert not list(inside.iterdir())


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make it first"):
        SaveFolder(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="make it first"):
        SaveFolder(tmp_path / "file")
