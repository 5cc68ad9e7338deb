"""submit, status, cancel: one job, and never one by accident."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from openfunnel_async.sandbox import (
    CutBody,
    LostAnswer,
    StatusFault,
    Unknowns,
)
from tests.cli.command import Terminal, inherited, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai", "--limit", "150")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    lives = [life(), life(pages=1), life(120, fails=True)]
    async with WatchedSandbox(lives=lives, unknowns=Unknowns(settle=0)) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def submits(terminal: Terminal) -> int:
    return sum(seen.kind == "submit" for seen in terminal.sandbox.requests)


async def test_submit_prints_the_id_alone(terminal: Terminal) -> None:
    outcome = await terminal.run("submit", *SEARCH, "--yes")
    (job_id,) = terminal.sandbox.jobs
    assert (outcome.code, outcome.out) == (0, f"{job_id}\n")
    assert "can bill up to 150 credits" in outcome.err


async def test_submit_for_a_program(terminal: Terminal) -> None:
    flags = ("--seed-domain", "a.example", "b.example", "--location", "DEU")
    outcome = await terminal.run(
        "submit", *SEARCH, *flags, "--max-credits", "150", "--json"
    )
    (job_id,) = terminal.sandbox.jobs
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.objects == [
        {
            "event": "submitted",
            "job_id": job_id,
            "limit": 150,
            "worst_case_credits": 150,
            "key": None,
        }
    ]
    body = terminal.sandbox.requests[0].body
    assert b'"seed_domains":["a.example","b.example"]' in body
    assert b'"locations":["DEU"]' in body


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ((*SEARCH,), 2),
        ((*SEARCH, "--max-credits", "149"), 5),
        (("--query", "voice ai", "--max-credits", "9999"), 5),
        ((*SEARCH, "--max-credits", "nan"), 2),
        ((*SEARCH, "--yes", "--min-employees", "9", "--max-employees", "1"), 2),
        (("--yes",), 2),
        ((*SEARCH, "--yes", "--limti", "5"), 2),
        ((*SEARCH, "--yes", "--env-file", "missing.env"), 2),
        ((*SEARCH, "--yes", "--limit", "0"), 2),
        ((*SEARCH, "--yes", "--base-url", "http://example.org"), 2),
    ],
)
async def test_an_invalid_search_or_one_without_consent_is_not_sent(
    terminal: Terminal, flags: tuple[str, ...], code: int
) -> None:
    outcome = await terminal.run_in_thread("submit", *flags, "--json")
    assert (outcome.code, outcome.out) == (code, "")
    (error,) = outcome.errors
    assert (error["event"], error["code"]) == ("error", code)
    assert submits(terminal) == 0


async def test_a_submit_whose_answer_is_lost_ends_with_7(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(LostAnswer(on="submit"))
    outcome = await terminal.run("submit", *SEARCH, "--yes", "--json")
    assert (outcome.code, outcome.out) == (7, "")
    (error,) = outcome.errors
    assert (error["job_id"], error["accepted"]) == (None, False)
    assert error["worst_case_credits"] == 150
    assert "watch the credit balance" in error["message"]
    assert submits(terminal) == 1


async def test_an_id_in_a_cut_answer_is_printed(terminal: Terminal) -> None:
    terminal.sandbox.faults.append(CutBody(on="submit", keep=0.8))
    outcome = await terminal.run("submit", *SEARCH, "--yes", "--json")
    (job_id,) = terminal.sandbox.jobs
    assert outcome.code == 7
    assert outcome.errors[0]["job_id"] == job_id


async def test_too_few_credits_end_with_5(terminal: Terminal) -> None:
    body = {"detail": {"error_code": "CREDITS_EXCEEDED"}}
    terminal.sandbox.faults.append(StatusFault(status=400, body=body))
    outcome = await terminal.run("submit", *SEARCH, "--yes", "--json")
    assert (outcome.code, outcome.errors[0]["status_code"]) == (5, 400)


async def test_status_and_cancel_report_the_true_status(terminal: Terminal) -> None:
    for _ in range(3):
        await terminal.submit(150)
    done, going, failed = terminal.sandbox.jobs
    outcome = await terminal.run_in_thread("status", done, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.objects == [
        {
            "event": "job",
            "job_id": done,
            "status": "completed",
            "raw_status": "completed",
            "is_terminal": True,
            "delivered": 150,
            "limit": None,
            "eta": None,
            "credits_consumed": 150.0,
            "partial": False,
            "progress_message": None,
            "error_message": None,
        }
    ]
    outcome = await terminal.run("cancel", done, "--json")
    assert outcome.code == 0
    assert outcome.find("cancel")["already_terminal"] is True
    outcome = await terminal.run("cancel", done)
    assert (outcome.code, "already completed: nothing to cancel" in outcome.out) == (
        0,
        True,
    )
    outcome = await terminal.run("cancel", going, "--wait", "--json")
    assert outcome.code == 0
    assert outcome.objects == [
        {
            "event": "cancel",
            "job_id": going,
            "accepted": True,
            "already_terminal": False,
            "status": "cancelled",
            "delivered": 100,
            "credits_consumed": 100.0,
            "credits_avoided": None,
            "limit": None,
        }
    ]
    outcome = await terminal.run_in_thread("status", failed)
    assert outcome.code == 0
    assert "failed, 120 companies delivered" in outcome.out
    assert "gave up on this job" in outcome.out


@pytest.mark.parametrize("command", ["status", "cancel", "watch"])
async def test_an_unknown_job(terminal: Terminal, command: str) -> None:
    outcome = await terminal.run(command, "nobodys", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    (error,) = outcome.errors
    assert (error["status_code"], error["code"]) == (404, 1)
    bad = await terminal.run_in_thread(command, "../balance", "--json")
    assert (bad.code, bad.errors[0]["code"]) == (2, 2)


async def test_a_text_of_the_service_cannot_move_the_cursor(
    terminal: Terminal,
) -> None:
    """Caught: the error's text printed as it came."""
    body = {"detail": "gone\x1b[2J\u202eaway\r\nopenfunnel-async: all is well"}
    terminal.sandbox.faults.append(StatusFault(status=404, body=body))
    outcome = await terminal.run_in_thread("status", "a-job")
    assert outcome.err.count("\n") == 1
    assert not {"\x1b", "\u202e", "\r"} & set(outcome.err)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
async def test_an_id_on_a_broken_pipe_is_also_on_stderr(terminal: Terminal) -> None:
    """Caught: the id printed only to a broken pipe."""
    outcome = await anyio.run_process(
        f"{sys.executable} -m openfunnel_async.cli submit --query x --yes --json | :",
        cwd=terminal.folder,
        env={
            **inherited(),
            "OPENFUNNEL_API_KEY": terminal.sandbox.api_key,
            "OPENFUNNEL_BASE_URL": terminal.sandbox.base_url,
        },
    )
    (job_id,) = terminal.sandbox.jobs
    assert job_id.encode() in outcome.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
@pytest.mark.parametrize(("answer", "jobs"), [("y", 1), ("n", 0), ("", 0)])
async def test_on_a_terminal_it_asks(
    terminal: Terminal, answer: str, jobs: int
) -> None:
    """Caught: any answer taken for a yes."""
    near, far = os.openpty()
    process = await terminal.start("submit", *SEARCH, on_terminal=far)
    os.close(far)
    os.write(near, f"{answer}\n".encode())
    async with process:
        assert await process.wait() == (0 if jobs else 1)
    shown = os.read(near, 4096).decode()
    os.close(near)
    assert "can bill up to 150 credits" in shown
    assert "Submit it? [y/N]" in shown
    assert len(terminal.sandbox.jobs) == submits(terminal) == jobs
