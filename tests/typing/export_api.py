"""Exports and progress as a type checker sees them. Checked, never called."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

import polars as pl

from openfunnel_async import (
    Batch,
    BulkJob,
    BulkResult,
    Company,
    JobCheckpoint,
    JobSnapshot,
    JobStatus,
    MergedResults,
    OpenFunnel,
    OpenFunnelError,
    RetryPolicy,
    RowStream,
    TakeResult,
    export,
)
from openfunnel_async.export import ExportReport
from openfunnel_async.progress import Progress, watch


async def of_a_job(job: BulkJob, stream: RowStream, rows: list[int]) -> None:
    assert_type(export.check("out.csv", ["name"]), Path)
    assert_type(export.left_at(Path("out.csv")), JobCheckpoint | None)
    report = await export.to_file(
        job, "out.csv", columns=("name",), follow=False, resume=True, most=5
    )
    assert_type(report, ExportReport)
    assert_type(report.rows, int)
    assert_type(report.status, JobStatus | None)
    await export.to_file(stream, "out.csv", on_rows=rows.append)


async def of_a_batch(batch: Batch) -> None:
    report = await export.to_file(batch, "out.csv")
    assert_type(report.unfinished, int)


async def of_companies(
    result: BulkResult | TakeResult | MergedResults,
    companies: list[Company],
    later: AsyncIterator[Company],
) -> None:
    await export.to_file(result, "out.csv")
    await export.to_file(companies, "out.csv")
    await export.to_file(later, "out.csv")
    assert_type(export.write(result, "out.csv", searches=["voice"]), ExportReport)
    assert_type(export.dataframe(companies), pl.DataFrame)


async def of_progress(job: BulkJob) -> None:
    with Progress([job], retry=RetryPolicy(outage=60.0)) as show:
        OpenFunnel(on_event=show.on_event)
        await job.wait_until_terminal(on_progress=show)
        show.refresh()
    outcomes = await watch([job], timeout=None)
    assert_type(outcomes, dict[str, JobSnapshot | OpenFunnelError])
