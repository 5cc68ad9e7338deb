"""The scenario of the demo against its sandbox, without pauses."""

import io
from pathlib import Path

import attrs
import pytest
from rich.console import Console

from openfunnel_async import LookalikeSearch, OpenFunnel
from openfunnel_async.cli._commands.demo.command import (
    find_differences,
    merge_rows,
    summarize,
)
from openfunnel_async.cli._commands.demo.display import draw_table
from openfunnel_async.cli._commands.demo.scenario import DemoJob, make_sandbox, play
from openfunnel_async.sandbox import Ledger, LedgerEntry, Sandbox

pytestmark = pytest.mark.anyio


@attrs.frozen(kw_only=True)
class Played:
    sandbox: Sandbox
    jobs: list[DemoJob]
    credits_used: float
    reports: list[str]


@pytest.fixture(scope="module")
async def played() -> Played:
    sandbox, jobs, reports = make_sandbox(), list[DemoJob](), list[str]()

    def report(job: DemoJob, text: str) -> None:
        reports.append(f"{job.name} {text}")

    used = await play(sandbox, jobs, report, pause=0.0)
    return Played(sandbox=sandbox, jobs=jobs, credits_used=used, reports=reports)


def _cancels(played: Played, job: DemoJob) -> list[int]:
    return [
        request.status
        for request in played.sandbox.requests
        if request.kind == "cancel" and request.job_id == job.job.id
    ]


async def test_as_many_rows_as_with_pauses(played: Played) -> None:
    assert [len(job.rows) for job in played.jobs] == [600, 525, 200]


async def test_the_first_job_completed_without_a_cancel(played: Played) -> None:
    first = played.jobs[0]
    assert (_cancels(played, first), first.job.status) == ([], "completed")


async def test_the_second_job_was_cancelled_after_enough_rows(played: Played) -> None:
    second = played.jobs[1]
    receipt = second.receipt
    assert receipt is not None
    assert (_cancels(played, second), second.job.status) == ([200], "cancelled")
    assert (receipt.credits_consumed, receipt.credits_avoided) == (525.0, 1475.0)


async def test_the_late_cancel_was_answered_with_a_409(played: Played) -> None:
    third = played.jobs[2]
    receipt = third.receipt
    assert receipt is not None
    assert receipt.already_terminal
    assert (_cancels(played, third), receipt.status) == ([409], "completed")


async def test_the_jobs_overlapped(played: Played) -> None:
    jobs = [played.sandbox.jobs[job.job.id] for job in played.jobs]
    assert max(job.running_at for job in jobs) < min(job.ends_at for job in jobs)


async def test_the_rows_are_the_ones_the_sandbox_delivered(played: Played) -> None:
    for job in played.jobs:
        truth = played.sandbox.jobs[job.job.id].rows
        assert [row.linkedin_url for row in job.rows] == [
            row["linkedin_url"] for row in truth
        ]


async def test_the_bills_agree(played: Played) -> None:
    ledger = played.sandbox.ledger
    assert find_differences(played.jobs, played.credits_used, ledger) == []


async def test_bills_that_differ_are_found(played: Played) -> None:
    ledger = Ledger(total=1000.0)
    for bill in played.sandbox.ledger.entries[1:]:
        ledger.post(bill)
    ledger.post(LedgerEntry(time=0.0, job_id="another", companies=1, credits=1.0))
    differences = find_differences(played.jobs, played.credits_used, ledger)
    missing = played.sandbox.ledger.entries[0].job_id
    assert differences[0].startswith(f"job {missing}: ")
    assert differences[1].startswith("job another: the client has None")
    assert "balance" in differences[2]
    summary = summarize(
        played.jobs, merge_rows(played.jobs), Path("companies.csv"), agrees=False
    )
    assert "is NOT what is in the sandbox's ledger" in summary


def test_a_job_without_a_bill_adds_nothing() -> None:
    client = OpenFunnel("any-key", base_url="http://127.0.0.1:9")
    job = DemoJob(
        name="A",
        search=LookalikeSearch(query="x", limit=10),
        job=client.job("a-job"),
        report=lambda _job, _text: None,
    )
    summary = summarize([job], merge_rows([job]), Path("x.csv"), agrees=True)
    assert [line.split()[2] for line in summary.splitlines()[2:5]] == ["0", "0", "0"]


async def test_the_table_fits_a_terminal(played: Played) -> None:
    terminal = io.StringIO()
    console = Console(
        file=terminal, force_terminal=True, width=80, height=40, color_system=None
    )
    console.print(draw_table(played.sandbox, played.jobs))
    drawn = terminal.getvalue()
    assert max(map(len, drawn.splitlines())) <= 80
    for words in ("600 billed", "525/2,000", "already completed (409)"):
        assert words in drawn
