"""balance, estimate, doctor: free, and clear about the key."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async.sandbox import JobLife, StatusFault
from tests.cli.command import Terminal
from tests.fleet.programs import WatchedSandbox
from tests.support.certificates import tls_server
from tests.support.raw_server import refused_url, said

pytestmark = pytest.mark.anyio

SEARCH = ("--query", "voice ai")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox(credits=37.5, lives=[JobLife()]) as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


async def test_the_balance_for_people_and_for_programs(terminal: Terminal) -> None:
    outcome = await terminal.run_in_thread("balance")
    assert (outcome.code, outcome.err) == (0, "")
    assert [line.strip() for line in outcome.out.splitlines()] == [
        "37.5 credits left",
        "0 credits used",
        "37.5 credits in total",
    ]
    outcome = await terminal.run_in_thread("balance", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.objects == [
        {
            "event": "balance",
            "total_credits": 37.5,
            "credits_used": 0.0,
            "credits_left": 37.5,
        }
    ]


async def test_an_estimate_that_the_account_covers(terminal: Terminal) -> None:
    outcome = await terminal.run_in_thread(
        "estimate", *SEARCH, "--limit", "37", "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.objects == [
        {
            "event": "estimate",
            "worst_case_credits": 37,
            "limit": 37,
            "credits_left": 37.5,
            "covered": True,
        }
    ]
    assert [seen.kind for seen in terminal.sandbox.requests] == ["balance"]


async def test_an_estimate_that_it_does_not_cover_ends_with_5(
    terminal: Terminal,
) -> None:
    outcome = await terminal.run_in_thread("estimate", *SEARCH)
    assert outcome.code == 5
    assert "the service's own limit of 10,000" in outcome.out
    assert "does NOT cover it" in outcome.out


async def test_doctor_finds_nothing_wrong(terminal: Terminal) -> None:
    outcome = await terminal.run("doctor", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert all(
        list(each) == ["event", "check", "ok", "found", "advice"]
        for each in outcome.objects
    )
    assert {each["check"]: each["ok"] for each in outcome.objects} == {
        "address": True,
        "key found": True,
        "reachable": True,
        "TLS": None,
        "key": True,
        "credits": True,
    }
    assert [seen.kind for seen in terminal.sandbox.requests] == ["balance"]


async def test_doctor_can_be_read_in_any_locale(terminal: Terminal) -> None:
    outcome = await terminal.run("doctor", PYTHONIOENCODING="ascii")
    assert outcome.code == 0
    assert outcome.out.isascii()
    assert outcome.out.startswith("ok address")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_not_accepted_ends_with_6(
    terminal: Terminal, status: int
) -> None:
    fault = StatusFault(status=status)
    terminal.sandbox.faults += [fault, fault]
    outcome = await terminal.run("doctor", "--json")
    assert outcome.code == 6
    assert outcome.objects[-1]["check"] == "key"
    assert outcome.objects[-1]["ok"] is False
    refused = await terminal.run_in_thread("balance", "--json")
    assert (refused.code, refused.out) == (6, "")
    assert refused.errors[0]["status_code"] == status


async def test_a_422_about_the_key_ends_with_6(tmp_path: Path) -> None:
    """Caught: a 422 taken for a search that was refused."""
    async with WatchedSandbox(faults=[_MISSING]) as sandbox:
        terminal = Terminal(folder=tmp_path, sandbox=sandbox)
        assert (await terminal.run_in_thread("balance")).code == 6


_MISSING = StatusFault(
    status=422,
    body={
        "detail": [
            {"type": "missing", "loc": ["header", "X-API-Key"], "msg": "Field required"}
        ]
    },
)


@pytest.mark.parametrize("key", ["", "of_\u00e9", "two words"])
async def test_a_missing_or_bad_key_is_an_error_before_anything_is_sent(
    terminal: Terminal, key: str
) -> None:
    for command in (("balance",), ("submit", *SEARCH, "--yes"), ("status", "a-job")):
        outcome = await terminal.run_in_thread(
            *command, "--json", OPENFUNNEL_API_KEY=key
        )
        assert (outcome.code, outcome.out) == (6, "")
        assert outcome.errors[0]["code"] == 6
        assert "OPENFUNNEL_API_KEY" in outcome.errors[0]["message"]
    assert terminal.sandbox.requests == []


async def test_an_address_without_a_server(terminal: Terminal) -> None:
    url = refused_url()
    outcome = await terminal.run("doctor", "--base-url", url, "--json")
    assert outcome.code == 1
    assert [each["check"] for each in outcome.objects if each["ok"] is False] == [
        "reachable"
    ]
    assert "check the network" in outcome.objects[-1]["advice"]


async def test_an_invalid_address(terminal: Terminal) -> None:
    outcome = await terminal.run_in_thread(
        "balance", "--base-url", "http://api.example"
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert "would send the key in clear text" in outcome.err
    assert outcome.err.count("\n") == 1


async def test_doctor_sends_no_key_over_tls_that_is_not_trusted(
    terminal: Terminal,
) -> None:
    """Caught: the balance read after a failed handshake."""
    async with tls_server(terminal.folder, said()) as server:
        outcome = await terminal.run("doctor", "--base-url", server.base_url, "--json")
    last = outcome.objects[-1]
    assert (outcome.code, server.requests) == (1, 0)
    assert (last["check"], last["ok"]) == ("TLS", False)
    assert "not trusted" in last["found"]


async def test_doctor_prints_the_end_of_a_certificate(
    terminal: Terminal,
) -> None:
    balance = b'{"total_credits": 5, "credits_used": 0, "credits_left": 5}'
    async with tls_server(terminal.folder, said(balance)) as server:
        outcome = await terminal.run(
            "doctor",
            "--base-url",
            server.base_url,
            SSL_CERT_FILE=str(terminal.folder / "own.pem"),
        )
    assert (outcome.code, server.requests) == (0, 1)
    assert re.search(r"TLS +TLSv1\.\d, trusted, valid until \w+ +\d+", outcome.out)


async def test_doctor_finds_a_key_that_others_can_read(terminal: Terminal) -> None:
    path = terminal.folder / ".env"
    path.write_text(f"OPENFUNNEL_API_KEY={terminal.sandbox.api_key}\n")
    path.chmod(0o644)
    outcome = await terminal.run("doctor", "--json", OPENFUNNEL_API_KEY="")
    found = {each["check"]: each["ok"] for each in outcome.objects}
    assert (outcome.code, found["key found"], found["key"]) == (6, False, True)
