"""Exports killed at any moment, and others that continue: each row exactly once."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import pytest

from openfunnel_async import (
    Company,
    ConfigurationError,
    JobCheckpoint,
    LookalikeSearch,
    OpenFunnel,
    export,
)
from openfunnel_async.export import _part
from openfunnel_async.export._part import PartFile
from openfunnel_async.sandbox import JobLife, Sandbox, Unknowns
from tests.export.readers import links, names_in

EXPORTER = Path(__file__).with_name("exporter.py")
KILLS = 6
# At this sandbox's speed a page of a hundred rows takes 0.2 s; it grows in quarters.
# Some exports are killed while the job runs, others when it is terminal.
LIFE = JobLife(queue=0, first_page_after=40, seconds_per_page=40, closing=10)


async def start(sandbox: Sandbox, path: Path, job_id: str) -> Process:
    told = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, EXPORTER, path, job_id, env=os.environ | told, stdout=PIPE
    )


async def kill_after(process: Process, lines: int, seconds: float) -> None:
    """Kill the process some time after it has printed N lines."""
    assert process.stdout is not None
    for _ in range(lines):
        await process.stdout.readline()
    await asyncio.sleep(seconds)  # A real moment of a real process.
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.mark.anyio
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
async def test_the_rows_of_killed_exports_add_up(tmp_path: Path, suffix: str) -> None:
    """Caught: the place written before its rows; a part that is not cut off."""
    path, dice = tmp_path / f"out{suffix}", random.Random(f"kills/{suffix}")
    unknowns = Unknowns(labels="opaque", newest_page_grows=True)
    with anyio.fail_after(90):
        async with Sandbox(speed=200, lives=[LIFE], unknowns=unknowns) as sandbox:
            async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client:
                job = await client.submit(LookalikeSearch(query="voice ai", limit=850))
            for _ in range(KILLS):
                process = await start(sandbox, path, job.id)
                await kill_after(process, dice.randint(1, 3), dice.random() / 20)
            process = await start(sandbox, path, job.id)
            await process.communicate()
            assert process.returncode == 0
    truth = [row["linkedin_url"] for row in sandbox.jobs[job.id].rows]
    assert links(path) == truth
    assert len(truth) == 850
    assert names_in(tmp_path) == [path.name]


def part_of(rows: int, path: Path) -> bytes:
    """Write a part, three rows at a time, and return what is in it."""
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-1"))
        for before in range(0, rows, 3):
            companies = [Company(linkedin_url=f"é{before + n}") for n in range(3)]
            place = JobCheckpoint(job_id="job-1", offset=before + 3)
            part.append(companies, place)
    return path.with_name("out.csv.part").read_bytes()


def test_a_part_cut_off_anywhere_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a last mark without its line's end, and the next row on its line."""
    # Thousands of calls, and no power is lost here.
    monkeypatch.setattr(os, "fsync", id)
    path = tmp_path / "out.csv"
    whole = part_of(6, path)
    part = tmp_path / "out.csv.part"
    for length in range(len(whole) + 1):
        part.write_bytes(whole[:length])
        check_gone_on(path)


def check_gone_on(path: Path) -> None:
    """Continue a part of up to six rows, and see nine rows at the end."""
    with PartFile(path) as part:
        place = part.restore()
        if place is None:
            part.begin(JobCheckpoint(job_id="job-1"))
        assert (place.offset if place else 0) == part.rows
        rows = [Company(linkedin_url=f"é{n}") for n in range(part.rows, 9)]
        part.append(rows, JobCheckpoint(job_id="job-1", offset=9))
        part.finish(["linkedin_url"])
    assert links(path) == [f"é{n}" for n in range(9)]


@pytest.mark.parametrize(
    "junk", [b"\0" * 40, b"{\n", b"[\n", b"[]\n", b'"x"\n', b"\xff\n"]
)
def test_what_a_lost_write_leaves_ends_the_part(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "out.csv"
    whole = part_of(6, path)
    lines = whole.splitlines(keepends=True)
    part = tmp_path / "out.csv.part"
    for place in range(1, len(lines)):
        part.write_bytes(b"".join([*lines[:place], junk, *lines[place:]]))
        check_gone_on(path)


@pytest.mark.parametrize("tail", [b'{"linked', b'{"linkedin_url": "x"}\n'])
def test_rows_without_a_mark_after_them_are_not_in_the_file(
    tmp_path: Path, tail: bytes
) -> None:
    """Caught: a file made of the whole part, when the job had no more rows."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    part.write_bytes(part_of(6, path) + tail)
    with PartFile(path) as held:
        held.restore()
        held.finish(["linkedin_url"])
    assert links(path) == [f"é{n}" for n in range(6)]


def test_a_part_that_was_taken_away_while_it_was_opened_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: rows gathered in a file that has no name any more."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    really_lock_file, taken = _part._lock_file, list[Path]()

    def hold(file: FileIO, at: Path) -> None:
        if not taken:
            at.unlink()
        taken.append(at)
        really_lock_file(file, at)

    monkeypatch.setattr(_part, "_lock_file", hold)
    with PartFile(path) as held:
        held.begin(None)
        assert part.stat().st_size
    assert taken == [part, part]


def test_a_part_begun_anew_forgets_the_job_before(tmp_path: Path) -> None:
    """Caught: the old job's rows and places behind the new one's first mark."""
    path = tmp_path / "out.csv"
    part_of(6, path)
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-2"))
    assert export.left_at(path) == JobCheckpoint(job_id="job-2")


def test_the_place_of_a_part_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    part_of(6, path)
    assert export.left_at(path) == JobCheckpoint(job_id="job-1", offset=6)


@pytest.mark.parametrize("content", ["name,domain\nAcme,\n", "{}\n", "x", "[1]\n"])
def test_a_file_that_is_no_part_is_not_touched(tmp_path: Path, content: str) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    part.write_text(content)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.left_at(path)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.check(path)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.write([], path)
    assert part.read_text() == content


def test_the_part_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    newer = part_of(3, path).replace(b'export", 1, ', b'export", 2, ')
    part.write_bytes(newer)
    with pytest.raises(ConfigurationError, match="by another version"):
        export.left_at(path)
    with PartFile(path) as held, pytest.raises(ConfigurationError, match="by another"):
        held.restore()
    assert part.read_bytes() == newer


def test_a_write_that_fails_leaves_the_part_that_was_there(tmp_path: Path) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    content = part_of(3, path)
    no_company: Any = None
    with pytest.raises(ConfigurationError):
        export.write([no_company], path)
    assert part.read_bytes() == content
    assert list(tmp_path.iterdir()) == [part]
