"""The story against its sandbox, as fast as it goes, drawn on a made-up terminal."""

import io
import re

import attrs
import pytest
from rich.console import Console

from openfunnel_async.cli.demo._live import LiveScreen
from openfunnel_async.cli.demo._part import Part
from openfunnel_async.cli.demo._story import make_sandbox, play
from openfunnel_async.cli.demo._tally import add_up, disagreements
from openfunnel_async.sandbox import Ledger, LedgerEntry, Sandbox

pytestmark = pytest.mark.anyio


@attrs.frozen(kw_only=True)
class Played:
    sandbox: Sandbox
    parts: tuple[Part, ...]
    balance_used: float
    drawn: str


@pytest.fixture(scope="module")
async def played() -> Played:
    terminal = io.StringIO()
    console = Console(
        file=terminal, force_terminal=True, width=80, height=40, color_system=None
    )
    sandbox = make_sandbox()
    screen = LiveScreen(console=console, now=lambda: sandbox.now)
    async with sandbox:
        parts, balance_used = await play(sandbox, screen, pace=0.0)
    screen.sum_up(add_up(parts).lines(len(parts), agrees=True), "That was all.")
    return Played(
        sandbox=sandbox,
        parts=parts,
        balance_used=balance_used,
        drawn=terminal.getvalue(),
    )


def _cancels(played: Played, part: Part) -> list[int]:
    return [
        request.status
        for request in played.sandbox.requests
        if request.kind == "cancel" and request.job_id == part.job.id
    ]


async def test_as_many_rows_as_at_a_speed_for_people(played: Played) -> None:
    assert [len(part.rows) for part in played.parts] == [600, 525, 200]


async def test_nothing_was_cancelled_that_should_complete(played: Played) -> None:
    reader = played.parts[0]
    assert (_cancels(played, reader), reader.job.status) == ([], "completed")


async def test_one_was_cancelled_when_enough_rows_were_in(played: Played) -> None:
    stopper = played.parts[1]
    receipt = stopper.receipt
    assert receipt is not None
    assert (_cancels(played, stopper), stopper.job.status) == ([200], "cancelled")
    assert (receipt.credits_consumed, receipt.credits_avoided) == (525.0, 1475.0)


async def test_the_late_cancel_really_met_a_409(played: Played) -> None:
    latecomer = played.parts[2]
    receipt = latecomer.receipt
    assert receipt is not None
    assert receipt.already_terminal
    assert (_cancels(played, latecomer), receipt.status) == ([409], "completed")


async def test_the_jobs_overlapped(played: Played) -> None:
    jobs = [played.sandbox.jobs[part.job.id] for part in played.parts]
    assert max(job.running_at for job in jobs) < min(job.ends_at for job in jobs)


async def test_the_rows_are_the_ones_the_sandbox_delivered(played: Played) -> None:
    for part in played.parts:
        truth = played.sandbox.jobs[part.job.id].rows
        assert [row.linkedin_url for row in part.rows] == [
            row["linkedin_url"] for row in truth
        ]


async def test_the_books_agree(played: Played) -> None:
    ledger = played.sandbox.ledger
    assert disagreements(played.parts, played.balance_used, ledger) == ()


async def test_books_that_do_not_agree_are_noticed(played: Played) -> None:
    ledger = Ledger(total=1000.0)
    for bill in played.sandbox.ledger.entries[1:]:
        ledger.post(bill)
    ledger.post(LedgerEntry(time=0.0, job_id="another", companies=1, credits=1.0))
    wrong = disagreements(played.parts, played.balance_used, ledger)
    missing = played.sandbox.ledger.entries[0].job_id
    name = next(part.name for part in played.parts if part.job.id == missing)
    assert wrong[0].startswith(f"job {name}: ")
    assert wrong[1].startswith("job another: the client has None")
    assert "balance" in wrong[2]


async def test_nothing_drawn_is_wider_than_the_terminal(played: Played) -> None:
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", played.drawn)
    last = drawn[drawn.rindex("Search") :]
    assert max(map(len, drawn.splitlines())) <= 80
    for words in ("600 billed", "525/2,000", "already completed (409)", "Delivered"):
        assert words in last
