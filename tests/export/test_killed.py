"""Exports that are killed and continued write each row exactly once."""

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
from openfunnel_async.export._layout import Layout
from openfunnel_async.export._part import PartFile
from openfunnel_async.sandbox import JobLife, Sandbox, Unknowns
from tests.export.readers import list_names, read_links

EXPORTER = Path(__file__).with_name("exporter.py")
KILLS = 6
LAYOUT = Layout(columns={"linkedin_url": "linkedin_url"})
# At this sandbox's speed a page of a hundred rows takes 0.2 s; it grows in quarters.
# Some exports are killed while the job runs, others when it is terminal.
LIFE = JobLife(queue=0, first_page_after=40, seconds_per_page=40, closing=10)


async def start(sandbox: Sandbox, path: Path, job_id: str) -> Process:
    environment = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        EXPORTER,
        path,
        job_id,
        env=os.environ | environment,
        stdout=PIPE,
    )


async def kill_after(process: Process, lines: int, seconds: float) -> None:
    """Kill the process some time after it has printed N lines."""
    assert process.stdout is not None
    for _ in range(lines):
        await process.stdout.readline()
    await asyncio.sleep(seconds)  # Time of a real process.
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.mark.anyio
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".xlsx"])
async def test_the_rows_of_killed_exports_add_up(tmp_path: Path, suffix: str) -> None:
    """Caught: a checkpoint written before its rows; an invalid end left in the part."""
    path, random_numbers = tmp_path / f"out{suffix}", random.Random(f"kills/{suffix}")
    unknowns = Unknowns(labels="opaque", newest_page_grows=True)
    with anyio.fail_after(90):
        async with Sandbox(speed=200, lives=[LIFE], unknowns=unknowns) as sandbox:
            async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client:
                job = await client.submit(LookalikeSearch(query="voice ai", limit=850))
            for _ in range(KILLS):
                process = await start(sandbox, path, job.id)
                await kill_after(
                    process, random_numbers.randint(1, 3), random_numbers.random() / 20
                )
            process = await start(sandbox, path, job.id)
            await process.communicate()
            assert process.returncode == 0
    truth = [row["linkedin_url"] for row in sandbox.jobs[job.id].rows]
    assert read_links(path) == truth
    assert len(truth) == 850
    assert list_names(tmp_path) == [path.name]


def write_part(rows: int, path: Path) -> bytes:
    """Write a part, three rows at a time, and return what is in it."""
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-1"))
        for before in range(0, rows, 3):
            companies = [Company(linkedin_url=f"é{before + n}") for n in range(3)]
            checkpoint = JobCheckpoint(job_id="job-1", offset=before + 3)
            part.append(companies, checkpoint)
    return path.with_name("out.csv.part").read_bytes()


def test_an_export_continues_from_a_part_cut_off_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a last mark without a line end, and the next row on the same line."""
    # Thousands of calls, and this computer loses no power.
    monkeypatch.setattr(os, "fsync", id)
    path = tmp_path / "out.csv"
    whole = write_part(6, path)
    part = tmp_path / "out.csv.part"
    for length in range(len(whole) + 1):
        part.write_bytes(whole[:length])
        check_it_continues(path)


def check_it_continues(path: Path) -> None:
    """Continue a part of up to six rows, and check that nine rows are in the file."""
    with PartFile(path) as part:
        checkpoint = part.restore()
        if checkpoint is None:
            part.begin(JobCheckpoint(job_id="job-1"))
        assert (checkpoint.offset if checkpoint else 0) == part.rows
        rows = [Company(linkedin_url=f"é{n}") for n in range(part.rows, 9)]
        part.append(rows, JobCheckpoint(job_id="job-1", offset=9))
        part.finish(LAYOUT, overwrite=True)
    assert read_links(path) == [f"é{n}" for n in range(9)]


@pytest.mark.parametrize(
    "junk", [b"\0" * 40, b"{\n", b"[\n", b"[]\n", b'"x"\n', b"\xff\n"]
)
def test_an_invalid_line_ends_the_part(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "out.csv"
    whole = write_part(6, path)
    lines = whole.splitlines(keepends=True)
    part = tmp_path / "out.csv.part"
    for count in range(1, len(lines)):
        part.write_bytes(b"".join([*lines[:count], junk, *lines[count:]]))
        check_it_continues(path)


@pytest.mark.parametrize("tail", [b'{"linked', b'{"linkedin_url": "x"}\n'])
def test_rows_without_a_mark_after_them_are_not_in_the_file(
    tmp_path: Path, tail: bytes
) -> None:
    """Caught: a file written from the whole part if the job has no more rows."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    part.write_bytes(write_part(6, path) + tail)
    with PartFile(path) as opened:
        opened.restore()
        opened.finish(LAYOUT, overwrite=True)
    assert read_links(path) == [f"é{n}" for n in range(6)]


def test_a_part_removed_before_it_was_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: rows written to a file that has been deleted."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    lock_file, locked = _part._lock_file, list[Path]()

    def delete_and_lock(file: FileIO, at: Path) -> None:
        if not locked:
            at.unlink()
        locked.append(at)
        lock_file(file, at)

    monkeypatch.setattr(_part, "_lock_file", delete_and_lock)
    with PartFile(path) as opened:
        opened.begin(None)
        assert part.stat().st_size
    assert locked == [part, part]


def test_a_new_part_has_nothing_of_the_job_before(tmp_path: Path) -> None:
    """Caught: rows and marks of the old job after the first mark of the new one."""
    path = tmp_path / "out.csv"
    write_part(6, path)
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-2"))
    assert export.left_at(path) == JobCheckpoint(job_id="job-2")


def test_left_at_returns_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_part(6, path)
    assert export.left_at(path) == JobCheckpoint(job_id="job-1", offset=6)


@pytest.mark.parametrize("content", ["name,domain\nAcme,\n", "{}\n", "x", "[1]\n"])
def test_a_file_of_another_program_is_not_changed(tmp_path: Path, content: str) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    part.write_text(content)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.left_at(path)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.check(path)
    with pytest.raises(ConfigurationError, match="is not the part of an"):
        export.write([], path)
    assert part.read_text() == content


def test_the_part_of_another_version_is_not_changed(tmp_path: Path) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    newer = write_part(3, path).replace(b'export", 1, ', b'export", 2, ')
    part.write_bytes(newer)
    with pytest.raises(ConfigurationError, match="by another version"):
        export.left_at(path)
    with (
        PartFile(path) as opened,
        pytest.raises(ConfigurationError, match="by another"),
    ):
        opened.restore()
    assert part.read_bytes() == newer


def test_a_failed_write_leaves_the_part_of_another_export(tmp_path: Path) -> None:
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    content = write_part(3, path)
    no_company: Any = None
    with pytest.raises(ConfigurationError):
        export.write([no_company], path)
    assert part.read_bytes() == content
    assert list(tmp_path.iterdir()) == [part]
