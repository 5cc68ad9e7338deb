"""A job's rows in a file: all of them, each once, whatever comes between."""

import asyncio
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.to_thread import run_sync

from openfunnel_async import (
    BulkJob,
    Company,
    ConfigurationError,
    IncompleteResultsError,
    JobFailedError,
    JobStatus,
    RequestRejectedError,
    export,
)
from openfunnel_async.export import _streaming
from openfunnel_async.sandbox import EditedAnswer, StatusFault
from tests.export.conftest import World
from tests.export.readers import READERS, links, names_in

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

OnRows = Callable[[int], object]


class Enough(Exception):  # noqa: N818 -- not an error: it breaks an export off
    """Raised by a test in the middle of an export."""


def stop_after(rows: int) -> OnRows:
    """Return what ends an export early once N rows are saved."""

    def stop(safe: int) -> None:
        if safe >= rows:
            raise Enough

    return stop


async def broken_off(world: World, path: Path, rows: int, **life: Any) -> BulkJob:
    """Export until N rows are saved, and stop there."""
    job = await world.submit(**life)
    with pytest.raises(Enough):
        await export.to_file(job, path, on_rows=stop_after(rows))
    return job


@pytest.mark.parametrize("suffix", READERS)
async def test_a_running_job_is_written_as_it_delivers(
    world: World, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    job = await world.submit()
    counts: list[int] = []
    report = await export.to_file(job, path, on_rows=counts.append)
    assert links(path) == world.truth(job)
    assert counts == [100, 200, 300, 350]
    assert report == export.ExportReport(
        path=path, rows=350, resumed=0, status=JobStatus.COMPLETED
    )
    assert names_in(tmp_path) == [path.name]


async def test_what_was_there_stays_until_the_end(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("of yesterday")
    seen: list[tuple[str, bool]] = []

    async def look(_rows: int) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append((path.read_text(), (tmp_path / "out.csv.part").exists()))

    job = await world.submit()
    await export.to_file(job, path, on_rows=look)
    assert seen == [("of yesterday", True)] * 4
    assert links(path) == world.truth(job)


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("attach", ["at the place", "anew"])
async def test_a_broken_off_export_goes_on(
    world: World, tmp_path: Path, suffix: str, attach: str
) -> None:
    """Caught: the rows before the place written a second time."""
    path = tmp_path / f"out{suffix}"
    job = await broken_off(world, path, 200)
    assert not path.exists()
    place = export.left_at(path)
    assert place is not None
    assert (place.job_id, place.rows_before + place.offset) == (job.id, 200)
    anew = attach == "anew"
    again = world.client.job(job.id) if anew else world.client.resume(place)
    world.service.requests.clear()
    report = await export.to_file(again, path, resume=True)
    assert (report.rows, report.resumed) == (350, 200)
    assert links(path) == world.truth(job)
    assert ("page_0000" in world.reads(job) or None in world.reads(job)) == anew
    assert export.left_at(path) is None


async def test_a_resumed_export_may_have_other_columns(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await world.submit()
    with pytest.raises(Enough):
        await export.to_file(job, path, columns=["name"], on_rows=stop_after(100))
    await export.to_file(job, path, resume=True, columns=["linkedin_url"])
    assert links(path) == world.truth(job)


async def test_without_resume_an_export_begins_anew(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    await broken_off(world, path, 200)
    other = await world.finished()
    report = await export.to_file(other, path)
    assert (report.rows, report.resumed) == (350, 0)
    assert links(path) == world.truth(other)


async def test_resume_with_nothing_there_begins(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert export.left_at(path) is None
    job = await world.finished()
    await export.to_file(job, path, resume=True)
    await export.to_file(job, path, resume=True)
    assert links(path) == world.truth(job)


async def test_the_part_of_another_job_is_not_touched(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await broken_off(world, path, 100)
    other = await world.finished()
    world.service.requests.clear()
    with pytest.raises(
        ConfigurationError, match=rf"\.part file belongs to job {job.id}"
    ):
        await export.to_file(other, path, resume=True)
    assert world.service.requests == []
    await export.to_file(world.client.job(job.id), path, resume=True)
    assert links(path) == world.truth(job)


async def test_a_handle_beyond_the_part_is_refused(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await broken_off(world, path, 100)
    async with job.rows() as rows:
        async for _ in rows:
            if rows.delivered == 101:
                break
        beyond = world.client.resume(rows.checkpoint())
    with pytest.raises(ConfigurationError, match="ends 1 rows before the position"):
        await export.to_file(beyond, path, resume=True)


async def test_rows_of_the_part_that_the_service_lost_are_said(
    world: World, tmp_path: Path
) -> None:
    job = await broken_off(world, tmp_path / "out.csv", 300)
    short = await world.finished(rows=250)
    part = tmp_path / "out.csv.part"
    part.write_text(part.read_text().replace(job.id, short.id))
    with pytest.raises(Exception, match="no longer returns the rows"):
        await export.to_file(short, tmp_path / "out.csv", resume=True)


@pytest.mark.parametrize("most", [1, 99, 100, 101, 200, 350, 400])
async def test_enough_is_enough(world: World, tmp_path: Path, most: int) -> None:
    path = tmp_path / "out.csv"
    job = await world.submit()
    report = await export.to_file(job, path, most=most)
    assert report.rows == min(most, 350)
    assert links(path) == world.truth(job)[:most]
    assert not job.cancel_requested


async def test_enough_counts_what_was_there(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    job = await broken_off(world, path, 200)
    report = await export.to_file(job, path, resume=True, most=150)
    assert (report.rows, report.resumed) == (200, 200)
    assert links(path) == world.truth(job)[:200]


async def test_without_following_only_what_is_there_is_written(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await world.submit(queue=0, first_page_after=10, seconds_per_page=10)
    await anyio.sleep(15)
    report = await export.to_file(job, path, follow=False)
    assert report.status is JobStatus.RUNNING
    assert report.rows == world.service.jobs[job.id].rows_written == 150
    assert links(path) == world.truth(job)[:150]


async def test_a_stream_is_written_from_where_it_stands(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await world.finished()
    async with job.rows() as rows:
        await anext(rows)
        with pytest.raises(Enough):
            await export.to_file(rows, path, on_rows=stop_after(100))
        report = await export.to_file(rows, path, resume=True)
    assert links(path) == world.truth(job)[1:]
    assert (report.rows, report.resumed, report.status) == (349, 100, None)


async def test_a_cancelled_job_is_written_as_far_as_it_came(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await world.submit()
    async with anyio.create_task_group() as group:
        group.start_soon(export.to_file, job, path)
        await anyio.sleep(45)
        await job.cancel(wait=True)
    assert job.status is JobStatus.CANCELLED
    assert links(path) == world.truth(job)
    assert 0 < len(links(path)) < 350


async def test_the_rows_of_a_failed_job_are_in_the_file(
    world: World, tmp_path: Path
) -> None:
    """Caught: the part left lying, though no resume would ever get further."""
    path = tmp_path / "out.parquet"
    job = await world.submit(rows=130, ends="failed")
    with pytest.raises(JobFailedError, match="failed"):
        await export.to_file(job, path)
    assert links(path) == world.truth(job)
    assert len(links(path)) == 130
    assert names_in(tmp_path) == [path.name]


async def test_a_fault_leaves_every_row_before_it_in_the_part(
    world: World, tmp_path: Path
) -> None:
    """Caught: the rows gathered since the last hundred dropped."""
    path = tmp_path / "out.csv"
    path.write_text("of yesterday")
    job = await world.submit(queue=0, first_page_after=10, seconds_per_page=10)
    await anyio.sleep(18)

    async def follow() -> None:
        with pytest.raises(RequestRejectedError):
            await export.to_file(job, path)

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.sleep(0.5)
        world.service.faults.append(StatusFault(status=422, on="read"))
    place = export.left_at(path)
    assert place is not None
    assert place.rows_before + place.offset > 100
    assert path.read_text() == "of yesterday"
    await export.to_file(job, path, resume=True)
    assert links(path) == world.truth(job)


async def test_rows_that_do_not_add_up_are_not_called_whole(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await world.finished()

    def edit(body: Any) -> Any:
        return {**body, "manifest": {**body["manifest"], "count": 351}}

    world.service.faults.append(EditedAnswer(on="read", edit=edit, times=100))
    with pytest.raises(IncompleteResultsError):
        await export.to_file(job, path)
    assert not path.exists()
    world.service.faults.clear()
    report = await export.to_file(world.client.job(job.id), path, resume=True)
    assert (report.rows, report.resumed) == (350, 350)
    assert links(path) == world.truth(job)


@pytest.mark.parametrize("after", [0.0, 25.0, 30.0, 61.0])
@pytest.mark.parametrize("natively", [True, False])
async def test_a_cancelled_export_goes_on(
    world: World, tmp_path: Path, after: float, natively: bool
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("of yesterday")
    job = await world.submit()
    if natively:
        task = asyncio.create_task(export.to_file(job, path))
        await anyio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with anyio.move_on_after(after) as scope:
            await export.to_file(job, path)
        assert scope.cancelled_caught
    assert path.read_text() == "of yesterday"
    await export.to_file(job, path, resume=True)
    assert links(path) == world.truth(job)


async def test_a_task_cancelled_while_a_thread_writes_loses_and_doubles_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: the part closed under the thread that is writing to it."""
    monkeypatch.setattr(_streaming, "run_sync", run_sync)
    path = tmp_path / "out.csv"
    job = await world.finished()
    real_sync, syncs, is_over = os.fsync, 0, False
    loop, started = asyncio.get_running_loop(), asyncio.Event()

    def slow_sync(file: int) -> None:
        nonlocal syncs, is_over
        syncs += 1
        if syncs == 4:
            loop.call_soon_threadsafe(started.set)
            threading.Event().wait(0.2)
            real_sync(file)
            is_over = True

    monkeypatch.setattr(os, "fsync", slow_sync)
    task = asyncio.create_task(export.to_file(job, path))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_over
    report = await export.to_file(job, path, resume=True)
    assert report.rows == 350
    assert links(path) == world.truth(job)


async def test_two_exports_to_one_file_do_not_mix(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    job = await world.submit()
    refused: list[str] = []

    async def another(_rows: int) -> None:
        with pytest.raises(ConfigurationError, match="another export is writing") as no:
            await export.to_file(job, path, resume=True)
        with pytest.raises(ConfigurationError, match="another export is writing"):
            export.write([], path)
        refused.append(str(no.value))

    await export.to_file(job, path, on_rows=another)
    assert len(refused) == 4
    assert links(path) == world.truth(job)


@contextmanager
def no_file_above(size: int) -> Generator[None]:
    """Have the disk full, for this process, once a file is so large."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_leaves_the_part(world: World, tmp_path: Path) -> None:
    """Caught: rows appended to what a failed write had left behind."""
    path = tmp_path / "out.csv"
    job = await world.finished()
    with no_file_above(60_000):
        with pytest.raises(OSError, match="File too large"):
            await export.to_file(job, path)
        with pytest.raises(OSError, match="File too large"):
            await export.to_file(job, path, resume=True)
    assert (tmp_path / "out.csv.part").stat().st_size == 60_000
    report = await export.to_file(job, path, resume=True)
    assert report.resumed in {100, 200}
    assert links(path) == world.truth(job)


async def test_a_disk_that_is_full_at_the_last_row_is_noticed(
    world: World, tmp_path: Path
) -> None:
    """Caught: a write that took only a part, and was taken for whole."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    job = await broken_off(world, path, 350)
    with (
        no_file_above(part.stat().st_size - 1),
        pytest.raises(OSError, match="File too large"),
    ):
        await export.to_file(job, path)
    assert not path.exists()
    report = await export.to_file(job, path, resume=True)
    assert (report.rows, report.resumed) == (350, 300)
    assert links(path) == world.truth(job)


async def test_companies_of_any_source_are_written(tmp_path: Path) -> None:
    companies = [Company(linkedin_url=str(number)) for number in range(250)]

    async def later() -> AsyncIterator[Company]:
        for company in companies:
            await anyio.sleep(1)
            yield company

    sources: list[Any] = [companies, iter(companies), later()]
    for place, source in enumerate(sources):
        path, counts = tmp_path / f"{place}.csv", list[int]()
        report = await export.to_file(source, path, on_rows=counts.append, most=249)
        assert links(path) == [str(number) for number in range(249)]
        assert (report.rows, counts[-1]) == (249, 249)


async def test_companies_come_out_of_the_part_as_they_went_in(tmp_path: Path) -> None:
    odd = Company(
        name="a\ud800 \u2028\n\x00", industries=("x", ""), extra={"k": [1, {"é": None}]}
    )

    async def both() -> AsyncIterator[Company]:
        yield odd
        yield Company()

    await export.to_file(both(), tmp_path / "one.jsonl")
    export.write([odd, Company()], tmp_path / "two.jsonl")
    one, two = (tmp_path / name for name in ("one.jsonl", "two.jsonl"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("options", [{"resume": True}, {"most": 0}, {"columns": []}])
async def test_what_cannot_be_is_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigurationError):
        await export.to_file([Company()], tmp_path / "out.csv", **options)
    assert names_in(tmp_path) == []


async def test_nothing_is_sent_for_a_file_that_cannot_be(
    world: World, tmp_path: Path
) -> None:
    job = world.client.job("job-1")
    for path in (tmp_path, tmp_path / "nowhere" / "out.csv", tmp_path / "out.txt"):
        with pytest.raises(ConfigurationError):
            await export.to_file(job, path)
    with pytest.raises(ConfigurationError):
        await export.to_file(job, tmp_path / "out.csv", columns=["nmae"])
    assert world.service.requests == []
