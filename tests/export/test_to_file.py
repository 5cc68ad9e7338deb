"""An export writes all rows of a job, each once, whatever interrupts it."""

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
from tests.export.conftest import ConnectedService
from tests.export.readers import READERS, leave_part, list_names, read_links

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

OnRows = Callable[[int], object]


class StopExport(Exception):  # noqa: N818 -- not an error: it ends an export early
    """Raised by a test in the middle of an export."""


def stop_after(rows: int) -> OnRows:
    """Return a callback that ends an export once N rows are saved."""

    def stop(saved: int) -> None:
        if saved >= rows:
            raise StopExport

    return stop


async def start_export(
    connected: ConnectedService, path: Path, rows: int, **life: Any
) -> BulkJob:
    """Submit a job, and export it until N rows are saved."""
    job = await connected.submit(**life)
    with pytest.raises(StopExport):
        await export.to_file(job, path, on_rows=stop_after(rows))
    return job


@pytest.mark.parametrize("suffix", READERS)
async def test_rows_are_written_while_the_job_runs(
    connected: ConnectedService, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    job = await connected.submit()
    counts: list[int] = []
    report = await export.to_file(job, path, on_rows=counts.append)
    assert read_links(path) == connected.delivered(job)
    assert counts == [100, 200, 300, 350]
    assert report == export.ExportReport(
        path=path, rows=350, resumed=0, status=JobStatus.COMPLETED
    )
    assert list_names(tmp_path) == [path.name]


async def test_the_old_file_stays_until_the_end(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old content")
    seen: list[tuple[str, bool]] = []

    async def read_files(_rows: int) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append((path.read_text(), (tmp_path / "out.csv.part").exists()))

    job = await connected.submit()
    await export.to_file(job, path, overwrite=True, on_rows=read_files)
    assert seen == [("old content", True)] * 4
    assert read_links(path) == connected.delivered(job)


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("attach", ["at the checkpoint", "new"])
async def test_an_unfinished_export_continues(
    connected: ConnectedService, tmp_path: Path, suffix: str, attach: str
) -> None:
    """Caught: the rows before the checkpoint written a second time."""
    path = tmp_path / f"out{suffix}"
    job = await start_export(connected, path, 200)
    assert not path.exists()
    checkpoint = export.left_at(path)
    assert checkpoint is not None
    assert (checkpoint.job_id, checkpoint.rows_before + checkpoint.offset) == (
        job.id,
        200,
    )
    is_new = attach == "new"
    again = (
        connected.client.job(job.id) if is_new else connected.client.resume(checkpoint)
    )
    connected.service.requests.clear()
    report = await export.to_file(again, path, resume=True)
    assert (report.rows, report.resumed) == (350, 200)
    assert read_links(path) == connected.delivered(job)
    assert (
        "page_0000" in connected.reads(job) or None in connected.reads(job)
    ) == is_new
    assert export.left_at(path) is None


async def test_a_resumed_export_may_have_other_columns(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit()
    with pytest.raises(StopExport):
        await export.to_file(job, path, columns=["name"], on_rows=stop_after(100))
    await export.to_file(job, path, resume=True, columns=["linkedin_url"])
    assert read_links(path) == connected.delivered(job)


async def test_without_resume_an_export_starts_again(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await start_export(connected, path, 200)
    report = await export.to_file(job, path)
    assert (report.rows, report.resumed) == (350, 0)
    assert read_links(path) == connected.delivered(job)


async def test_resume_without_a_part_starts_an_export(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    assert export.left_at(path) is None
    job = await connected.submit_and_wait()
    await export.to_file(job, path, resume=True)
    await export.to_file(job, path, resume=True, overwrite=True)
    assert read_links(path) == connected.delivered(job)


async def test_the_part_of_another_job_is_not_changed(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await start_export(connected, path, 100)
    other = await connected.submit_and_wait()
    connected.service.requests.clear()
    with pytest.raises(
        ConfigurationError, match=rf"\.part file belongs to job {job.id}"
    ):
        await export.to_file(other, path, resume=True)
    assert connected.service.requests == []
    await export.to_file(connected.client.job(job.id), path, resume=True)
    assert read_links(path) == connected.delivered(job)


async def test_a_handle_after_the_end_of_the_part_is_refused(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await start_export(connected, path, 100)
    async with job.rows() as rows:
        async for _ in rows:
            if rows.delivered == 101:
                break
        beyond = connected.client.resume(rows.checkpoint())
    with pytest.raises(ConfigurationError, match="ends 1 rows before the position"):
        await export.to_file(beyond, path, resume=True)


async def test_rows_that_the_service_no_longer_returns_are_an_error(
    connected: ConnectedService, tmp_path: Path
) -> None:
    job = await start_export(connected, tmp_path / "out.csv", 300)
    short = await connected.submit_and_wait(rows=250)
    part = tmp_path / "out.csv.part"
    part.write_text(part.read_text().replace(job.id, short.id))
    with pytest.raises(Exception, match="no longer returns the rows"):
        await export.to_file(short, tmp_path / "out.csv", resume=True)


@pytest.mark.parametrize("most", [1, 99, 100, 101, 200, 350, 400])
async def test_an_export_ends_after_most_rows(
    connected: ConnectedService, tmp_path: Path, most: int
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit()
    report = await export.to_file(job, path, most=most)
    assert report.rows == min(most, 350)
    assert read_links(path) == connected.delivered(job)[:most]
    assert not job.cancel_requested


@pytest.mark.parametrize("most", [1, 150, 200, 201, 320])
async def test_most_counts_the_rows_of_the_part(
    connected: ConnectedService, tmp_path: Path, most: int
) -> None:
    path = tmp_path / "out.csv"
    job = await start_export(connected, path, 200)
    connected.service.requests.clear()
    report = await export.to_file(job, path, resume=True, most=most)
    assert (report.rows, report.resumed) == (most, min(most, 200))
    assert read_links(path) == connected.delivered(job)[:most]
    assert bool(connected.reads(job)) == (most > 200)


async def test_without_follow_only_the_delivered_rows_are_written(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit(queue=0, first_page_after=10, seconds_per_page=10)
    await anyio.sleep(15)
    report = await export.to_file(job, path, follow=False)
    assert report.status is JobStatus.RUNNING
    assert report.rows == connected.service.jobs[job.id].rows_written == 150
    assert read_links(path) == connected.delivered(job)[:150]


async def test_a_stream_is_written_from_its_position(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit_and_wait()
    async with job.rows() as rows:
        await anext(rows)
        with pytest.raises(StopExport):
            await export.to_file(rows, path, on_rows=stop_after(100))
        report = await export.to_file(rows, path, resume=True)
    assert read_links(path) == connected.delivered(job)[1:]
    assert (report.rows, report.resumed, report.status) == (349, 100, None)


async def test_the_rows_of_a_cancelled_job_are_in_the_file(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit()
    async with anyio.create_task_group() as group:
        group.start_soon(export.to_file, job, path)
        await anyio.sleep(45)
        await job.cancel(wait=True)
    assert job.status is JobStatus.CANCELLED
    assert read_links(path) == connected.delivered(job)
    assert 0 < len(read_links(path)) < 350


async def test_the_rows_of_a_failed_job_are_in_the_file(
    connected: ConnectedService, tmp_path: Path
) -> None:
    """Caught: the part left, although no resume could continue it."""
    path = tmp_path / "out.parquet"
    job = await connected.submit(rows=130, ends="failed")
    with pytest.raises(JobFailedError, match="failed"):
        await export.to_file(job, path)
    assert read_links(path) == connected.delivered(job)
    assert len(read_links(path)) == 130
    assert list_names(tmp_path) == [path.name]


async def test_every_row_before_an_error_is_in_the_part(
    connected: ConnectedService, tmp_path: Path
) -> None:
    """Caught: the rows after the last full hundred dropped."""
    path = tmp_path / "out.csv"
    path.write_text("old content")
    job = await connected.submit(queue=0, first_page_after=10, seconds_per_page=10)
    await anyio.sleep(18)

    async def follow() -> None:
        with pytest.raises(RequestRejectedError):
            await export.to_file(job, path, overwrite=True)

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.sleep(0.5)
        connected.service.faults.append(StatusFault(status=422, on="read"))
    checkpoint = export.left_at(path)
    assert checkpoint is not None
    assert checkpoint.rows_before + checkpoint.offset > 100
    assert path.read_text() == "old content"
    await export.to_file(job, path, resume=True, overwrite=True)
    assert read_links(path) == connected.delivered(job)


async def test_no_file_is_written_for_incomplete_rows(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit_and_wait()

    def edit(body: Any) -> Any:
        return {**body, "manifest": {**body["manifest"], "count": 351}}

    connected.service.faults.append(EditedAnswer(on="read", edit=edit, times=100))
    with pytest.raises(IncompleteResultsError):
        await export.to_file(job, path)
    assert not path.exists()
    connected.service.faults.clear()
    report = await export.to_file(connected.client.job(job.id), path, resume=True)
    assert (report.rows, report.resumed) == (350, 350)
    assert read_links(path) == connected.delivered(job)


@pytest.mark.parametrize("after", [0.0, 25.0, 30.0, 61.0])
@pytest.mark.parametrize("natively", [True, False])
async def test_a_cancelled_export_continues(
    connected: ConnectedService, tmp_path: Path, after: float, natively: bool
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old content")
    job = await connected.submit()
    if natively:
        task = asyncio.create_task(export.to_file(job, path, overwrite=True))
        await anyio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with anyio.move_on_after(after) as scope:
            await export.to_file(job, path, overwrite=True)
        assert scope.cancelled_caught
    assert path.read_text() == "old content"
    await export.to_file(job, path, resume=True, overwrite=True)
    assert read_links(path) == connected.delivered(job)


async def test_a_cancellation_during_a_write_loses_and_doubles_no_row(
    connected: ConnectedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: the part closed while a thread is writing to it."""
    monkeypatch.setattr(_streaming, "run_sync", run_sync)
    path = tmp_path / "out.csv"
    job = await connected.submit_and_wait()
    real_sync, syncs, has_ended = os.fsync, 0, False
    loop, started = asyncio.get_running_loop(), asyncio.Event()

    def slow_sync(file: int) -> None:
        nonlocal syncs, has_ended
        syncs += 1
        if syncs == 4:
            loop.call_soon_threadsafe(started.set)
            threading.Event().wait(0.2)
            real_sync(file)
            has_ended = True

    monkeypatch.setattr(os, "fsync", slow_sync)
    task = asyncio.create_task(export.to_file(job, path))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert has_ended
    report = await export.to_file(job, path, resume=True)
    assert report.rows == 350
    assert read_links(path) == connected.delivered(job)


async def test_a_second_export_to_the_same_file_is_refused(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    job = await connected.submit()
    refused: list[str] = []

    async def another(_rows: int) -> None:
        with pytest.raises(
            ConfigurationError, match="another export is writing"
        ) as error:
            await export.to_file(job, path, resume=True)
        with pytest.raises(ConfigurationError, match="another export is writing"):
            export.write([], path)
        refused.append(str(error.value))

    await export.to_file(job, path, on_rows=another)
    assert len(refused) == 4
    assert read_links(path) == connected.delivered(job)


@contextmanager
def no_file_above(size: int) -> Generator[None]:
    """Let this process write no file above a size, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_leaves_a_part_that_can_be_resumed(
    connected: ConnectedService, tmp_path: Path
) -> None:
    """Caught: rows appended to the bytes of a failed write."""
    path = tmp_path / "out.csv"
    job = await connected.submit_and_wait()
    with no_file_above(60_000):
        with pytest.raises(OSError, match="File too large"):
            await export.to_file(job, path)
        with pytest.raises(OSError, match="File too large"):
            await export.to_file(job, path, resume=True)
    assert (tmp_path / "out.csv.part").stat().st_size == 60_000
    report = await export.to_file(job, path, resume=True)
    assert report.resumed in {100, 200}
    assert read_links(path) == connected.delivered(job)


async def test_a_write_of_all_but_one_byte_is_an_error(
    connected: ConnectedService, tmp_path: Path
) -> None:
    """Caught: a write of fewer bytes, taken for a write of all."""
    path, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    job = await start_export(connected, path, 350)
    with (
        no_file_above(part.stat().st_size - 1),
        pytest.raises(OSError, match="File too large"),
    ):
        await export.to_file(job, path)
    assert not path.exists()
    report = await export.to_file(job, path, resume=True)
    assert (report.rows, report.resumed) == (350, 300)
    assert read_links(path) == connected.delivered(job)


async def test_companies_of_every_kind_of_source_are_written(tmp_path: Path) -> None:
    companies = [Company(linkedin_url=str(number)) for number in range(250)]

    async def later() -> AsyncIterator[Company]:
        for company in companies:
            await anyio.sleep(1)
            yield company

    sources: list[Any] = [companies, iter(companies), later()]
    for number, source in enumerate(sources):
        path, counts = tmp_path / f"{number}.csv", list[int]()
        report = await export.to_file(source, path, on_rows=counts.append, most=249)
        assert read_links(path) == [str(n) for n in range(249)]
        assert (report.rows, counts[-1]) == (249, 249)


async def test_a_part_does_not_change_a_company(tmp_path: Path) -> None:
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
async def test_invalid_options_are_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigurationError):
        await export.to_file([Company()], tmp_path / "out.csv", **options)
    assert list_names(tmp_path) == []


async def test_nothing_is_sent_for_an_invalid_file(
    connected: ConnectedService, tmp_path: Path
) -> None:
    job = connected.client.job("job-1")
    for path in (tmp_path, tmp_path / "nowhere" / "out.csv", tmp_path / "out.txt"):
        with pytest.raises(ConfigurationError):
            await export.to_file(job, path)
    with pytest.raises(ConfigurationError):
        await export.to_file(job, tmp_path / "out.csv", columns=["nmae"])
    assert connected.service.requests == []


async def test_a_file_that_exists_is_refused_before_anything_is_sent(
    connected: ConnectedService, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    job = connected.client.job("job-2")
    for resume in (False, True):
        with pytest.raises(ConfigurationError, match=r"exists.*overwrite=True"):
            await export.to_file(job, path, resume=resume)
    with pytest.raises(ConfigurationError, match=r"exists.*overwrite=True"):
        export.write([], path)
    with pytest.raises(ConfigurationError, match=r"exists.*overwrite=True"):
        export.check(path)
    assert (connected.service.requests, path.read_text()) == ([], "mine")
    assert list_names(tmp_path) == ["out.csv"]


@pytest.mark.parametrize("overwrite", [False, True])
async def test_the_part_of_another_job_is_never_discarded(
    connected: ConnectedService, tmp_path: Path, overwrite: bool
) -> None:
    """Caught: the paid rows of a job, and its id, replaced by those of the next."""
    path = tmp_path / "out.csv"
    before = leave_part(path)
    job = connected.client.job("job-2")
    for resume in (False, True):
        with pytest.raises(ConfigurationError, match=r"1 paid rows.*job job-1"):
            await export.to_file(job, path, resume=resume, overwrite=overwrite)
    with pytest.raises(ConfigurationError, match="job job-1"):
        export.write([], path, overwrite=overwrite)
    with pytest.raises(ConfigurationError, match="job job-1"):
        export.check(path, overwrite=overwrite)
    assert export.check(path, resume=True) == path
    assert connected.service.requests == []
    assert (tmp_path / "out.csv.part").read_bytes() == before
