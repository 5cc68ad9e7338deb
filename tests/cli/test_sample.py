"""run --sample: some companies first, and the rest only if somebody wants it."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from openfunnel_async import Company
from openfunnel_async.cli._commands.where import parse_where
from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.sandbox import Unknowns
from tests.cli.command import Terminal, life
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio

RUN = ("run", "--query", "voice ai", "--limit", "150", "-o", "out.jsonl")
SAMPLE = (*RUN, "--sample", "5")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        yield Terminal(folder=tmp_path, sandbox=sandbox)


def rows(terminal: Terminal) -> dict[str, int]:
    """The number of lines of each file in the folder."""
    return {
        path.name: path.read_text(encoding="utf-8").count("\n")
        for path in terminal.folder.iterdir()
    }


async def test_without_a_terminal_it_stops_after_the_sample(
    terminal: Terminal,
) -> None:
    """Caught: the whole search bought without anybody's consent."""
    outcome = await terminal.run(*SAMPLE, "--where", "name~e", "--json")
    assert outcome.code == 4
    sample = outcome.find("sample")
    assert (sample["rows"], sample["credits_consumed"]) == (5, 5.0)
    assert sample["rest_worst_case_credits"] == 150
    assert 0 <= sample["matching"] <= 5
    (error,) = outcome.errors
    assert (error["code"], error["job_id"]) == (4, *terminal.sandbox.jobs)
    assert "--yes" in error["message"]
    assert rows(terminal) == {"out.sample.jsonl": 5}
    assert terminal.sandbox.ledger.used == 5.0


async def test_yes_buys_the_rest(terminal: Terminal) -> None:
    outcome = await terminal.run(*SAMPLE, "--yes", "--max-credits", "155", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.find("sample")["matching"] is None
    assert rows(terminal) == {"out.sample.jsonl": 5, "out.jsonl": 150}
    assert terminal.sandbox.ledger.used == 155.0


async def test_yes_does_not_buy_what_nothing_of_the_sample_matches(
    terminal: Terminal,
) -> None:
    outcome = await terminal.run(*SAMPLE, "--yes", "--where", "name=nobody's")
    assert (outcome.code, terminal.sandbox.ledger.used) == (4, 5.0)
    assert "0 of 5 match --where" in outcome.out
    assert "up to 150 more credits" in outcome.out


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
@pytest.mark.parametrize(("answer", "code", "spent"), [("y", 0, 155), ("n", 4, 5)])
async def test_on_a_terminal_it_asks_once_the_sample_is_shown(
    terminal: Terminal, answer: str, code: int, spent: float
) -> None:
    near, far = os.openpty()
    process = await terminal.start(*SAMPLE, on_terminal=far)
    os.close(far)
    os.write(near, f"{answer}\n".encode())
    async with process:
        assert process.stdout is not None
        with anyio.fail_after(60):
            printed = b"".join([piece async for piece in process.stdout]).decode()
            assert await process.wait() == code
    os.close(near)
    assert "employees" in printed
    assert terminal.sandbox.ledger.used == spent


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--sample", "0"), 2, "at least 1"),
        (("--sample", "150"), 2, "below the limit"),
        (("--sample", "5", "--max-credits", "154"), 5, "--max-credits allows 154"),
        (("--where", "name=x"), 2, "--where needs --sample"),
        (("--sample", "5", "--where", "nmae=x"), 2, "no field 'nmae'"),
        (("--sample", "5", "--where", "extra=x"), 2, "no field 'extra'"),
        (("--sample", "5", "--where", "name"), 2, "none of FIELD=VALUE"),
        (("--sample", "5", "--where", "name="), 2, "nothing to compare"),
        (("--sample", "5", "--where", "name>=3"), 2, "name is a text"),
        (("--sample", "5", "--where", "employee_count~3"), 2, "is a number"),
        (("--sample", "5", "--where", "employee_count=nan"), 2, "is a number"),
    ],
)
async def test_an_invalid_sample_is_refused_before_anything_is_sent(
    terminal: Terminal, flags: tuple[str, ...], code: int, words: str
) -> None:
    """Caught: a condition that is parsed only once the sample is paid for."""
    outcome = await terminal.run_in_thread(*RUN, *flags, "--yes", "--json")
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.errors[0]["message"]
    assert terminal.sandbox.requests == []


async def test_a_sample_that_failed_stops_the_purchase(terminal: Terminal) -> None:
    terminal.sandbox.plan = lambda _number, _limit: life(fails=True)
    outcome = await terminal.run(*SAMPLE, "--yes", "--json")
    assert (outcome.code, len(terminal.sandbox.jobs)) == (3, 1)
    assert "was not submitted" in outcome.err


COMPANY = Company(
    name="Äther Energy", employee_count=120, industries=("Health Care", "Robots")
)


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("name=ÄTHER energy", True),
        ("name = Äther Energy ", True),
        ("name=Äther", False),
        ("name~energy", True),
        ("employee_count>=120", True),
        ("employee_count>=121", False),
        ("employee_count<=120", True),
        ("employee_count<=1.195e2", False),
        ("employee_count=120", True),
        ("industries=robots", True),
        ("industries~care", True),
        ("industries=care", False),
        ("domain~example", False),
        ("revenue_usd<=5", False),
        ("name=a=b", False),
    ],
)
def test_conditions(text: str, is_met: bool) -> None:
    (condition,) = parse_where([text])
    assert condition.is_met_by(COMPANY) is is_met


def test_a_company_without_a_value_meets_no_condition() -> None:
    for text in ("name~a", "employee_count>=0", "industries~a"):
        (condition,) = parse_where([text])
        assert not condition.is_met_by(Company())
    with pytest.raises(CommandError, match="no field"):
        parse_where(["__class__=x"])
