"""The table on a terminal: what it keeps whole, and what it sums up."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from openfunnel_async import (
    JobNotFoundError,
    JobSnapshot,
    JobStatus,
    Manifest,
    OpenFunnelError,
    OutageBegan,
    OutageEnded,
    RetryPolicy,
)
from openfunnel_async.progress import Progress
from openfunnel_async.progress._line import JobLine
from openfunnel_async.progress._table import draw_screen, shorten_id

ID = "3f2a91c4-8d07-4c55-9b1e-77f0a2c6e51{:x}"
STAGE = "retrieving_companies"


def job(
    number: int = 0,
    status: str = "running",
    error: OpenFunnelError | None = None,
    **fields: Any,
) -> JobLine:
    facts: dict[str, Any] = {"limit": 10_000, "processed": 9_990, "eta": 600.0}
    facts |= {"progress_message": STAGE, "manifest": None, "error_message": None}
    snapshot = JobSnapshot(
        job_id=ID.format(number),
        status=JobStatus.parse(status),
        raw_status=status,
        **(facts | fields),
    )
    line = JobLine(job_id=snapshot.job_id, now=lambda: 100.0)
    line.update(snapshot, snapshot.status, error)
    return line


def drawn(lines: list[JobLine], width: int, height: int | None = 40) -> list[str]:
    """Return the lines of the screen."""
    console = Console(file=io.StringIO(), width=width, height=height or 40)
    screen = draw_screen(lines, elapsed=192.4, width=width, height=height)
    with console.capture() as capture:
        console.print(screen)
    return capture.get().splitlines()


def test_at_120_columns_id_and_stage_are_whole_for_a_usual_job() -> None:
    shown = drawn([job(processed=120, limit=500)], 120)
    assert f"running: {STAGE}" in shown[2]
    assert ID.format(0) in shown[2]
    assert "120 of 500" in shown[2]
    assert "10:00" in shown[2]
    assert shown[-1] == "3:12 elapsed"


def test_at_120_columns_the_stage_is_whole_beside_the_longest_figures() -> None:
    """Caught: the stage shortened, with a bar beside it."""
    shown = drawn([job(), job(1, progress_message="ranking_and_deduplicating")], 120)
    assert "running: ranking_and_deduplicating" in shown[3]
    assert "9,990 of 10,000" in shown[3]
    ids = [line.split()[0] for line in shown[2:4]]
    assert ids[0] != ids[1]


@pytest.mark.parametrize("width", [64, 80, 100, 120])
def test_no_figure_is_shortened_and_jobs_can_be_told_apart(width: int) -> None:
    shown = drawn([job(1), job(2, "cancelling"), job(3, "completed")], width)
    assert max(map(len, shown)) <= width
    for line in shown[2:5]:
        assert "9,990 of 10,000" in line
        assert re.search(r"9,990 so far|^\S+ +completed", line)
    assert len({line.split()[0] for line in shown[2:5]}) == 3
    assert all(line.startswith("3f2a") for line in shown[2:5])


def test_an_id_is_shortened_in_the_middle() -> None:
    assert shorten_id("0123456789", 10) == "0123456789"
    assert shorten_id("0123456789", 9) == "0123…6789"
    assert shorten_id("0123456789", 8) == "0123…789"


def test_jobs_for_which_there_is_no_room_are_summed_up() -> None:
    """Caught: a table that ended in an ellipsis, with running jobs below it."""
    lines = [job(number, "completed") for number in range(10)]
    lines += [job(number) for number in range(10, 16)]
    shown = drawn(lines, 80, height=13)
    assert len(shown) <= 12
    assert sum("running" in line for line in shown[2:-1]) == 6
    assert shown[-1] == (
        "and 8 more; all 16: 10 completed, 6 running; 159,840 delivered; 3:12 elapsed"
    )
    assert len(drawn(lines, 80, height=None)) == len(lines) + 3


def test_a_job_that_is_cancelling_has_no_eta() -> None:
    assert job().eta == "10:00"
    assert job(status="cancelling").eta == ""


def test_a_bar_is_drawn_only_if_there_is_room() -> None:
    assert "━" in drawn([job(progress_message=None, limit=100, processed=50)], 120)[2]
    assert "━" not in drawn([job()], 80)[2]
    no_limit = job(progress_message=None, limit=None)
    assert "━" not in drawn([no_limit], 120)[2]
    assert len(drawn([no_limit], 120)[2]) < 110


def test_before_the_first_answer_nothing_is_called_unknown() -> None:
    line = JobLine(job_id="job-1")
    line.update(None, JobStatus.UNKNOWN)
    assert line.description == "no answer yet"
    line.update(None, JobStatus.PENDING)
    assert line.description == "pending"
    line.update(None, JobStatus.UNKNOWN, JobNotFoundError("gone", 404))
    assert line.description == "not found"
    line.update(None, JobStatus.UNKNOWN, OpenFunnelError("odd \u202e"))
    assert line.description == "not read: odd \\u202e"


def outage(job_id: str = ID.format(0)) -> OutageBegan:
    return OutageBegan(at=1.0, job_id=job_id, error="no route")


def test_an_outage_is_in_the_table_with_the_time_that_is_left() -> None:
    silent, other = job(), job(1)
    silent.outage_since, silent.longest_outage = 88.0, 120.0
    shown = drawn([silent, other], 80)
    assert "running, no answer for 12 s" in shown[2]
    assert f"running: {STAGE}"[:20] in shown[3]
    assert shown[-1] == "no answer for 12 s, trying for another 108 s"
    other.outage_since = 95.0
    assert drawn([silent, other], 80)[-1] == (
        "no answer about 2 jobs for 12 s, trying for another 108 s"
    )
    ended = job(2, "completed", manifest=Manifest(count=1, credits_consumed=1.0))
    ended.outage_since = 0.0
    assert drawn([ended], 80)[-1] == "3:12 elapsed"


def test_a_log_has_a_line_for_the_begin_and_the_end_of_an_outage() -> None:
    """Caught: a line each second, because the seconds had changed."""
    file = io.StringIO()
    with Progress(file=file, retry=RetryPolicy(outage=30.0)) as show:
        snapshot = job().snapshot
        assert snapshot is not None
        show(snapshot)
        show.on_event(outage())
        show.on_event(outage("a job that is not shown"))
        show.refresh()
        show(snapshot)
        ended = OutageEnded(at=9.0, job_id=ID.format(0), seconds=8, has_recovered=True)
        show.on_event(ended)
    first, began, back = file.getvalue().splitlines()
    assert "no answer for 0 s, trying for another 30 s" in began
    assert first == back
