"""--proxy and --ca-file: the way to the service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.command import Terminal
from tests.fleet.programs import WatchedSandbox
from tests.support.certificates import tls_server
from tests.support.connect_proxy import ForwardProxy
from tests.support.raw_server import said

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
BALANCE = b'{"total_credits": 5, "credits_used": 0, "credits_left": 5}'


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox() as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)


@pytest.mark.parametrize("by", ["--proxy", "OPENFUNNEL_PROXY"])
async def test_requests_go_through_the_proxy(terminal: Terminal, by: str) -> None:
    async with ForwardProxy() as proxy:
        flags = (by, proxy.address()) if by.startswith("-") else ()
        variables = {} if flags else {by: proxy.address("ada:secret@")}
        outcome = await terminal.run("balance", *flags, **variables)
        assert (outcome.code, len(proxy.heads)) == (0, 1)
        signed_up = await terminal.run("sign-up", "--email", ADA, *flags, **variables)
        assert (signed_up.code, len(proxy.heads)) == (2, 2)
        checked = await terminal.run("doctor", "--json", *flags, **variables)
    found = {each["check"]: each for each in checked.objects}
    assert (checked.code, found["proxy"]["ok"], found["key"]["ok"]) == (0, True, True)
    assert "secret" not in checked.out
    if flags:
        assert f"--code CODE --proxy {proxy.address()}" in signed_up.err


async def test_a_password_is_no_part_of_a_command_line(terminal: Terminal) -> None:
    outcome = await terminal.run("balance", "--proxy", "http://ada:secret@host:1")
    assert (outcome.code, "secret" in outcome.err) == (2, False)
    assert "OPENFUNNEL_PROXY" in outcome.err


@pytest.mark.parametrize(
    ("flags", "check"),
    [(("--proxy", "nonsense"), "proxy"), (("--ca-file", "missing.pem"), "CA file")],
)
async def test_an_invalid_flag_is_not_blamed_on_the_key(
    terminal: Terminal, flags: tuple[str, ...], check: str
) -> None:
    """Caught: any fault of the client's arguments reported as a bad key."""
    outcome = await terminal.run("balance", *flags)
    assert (outcome.code, flags[0] in outcome.err) == (2, True)
    outcome = await terminal.run("doctor", *flags, "--json")
    (found,) = outcome.objects
    assert (outcome.code, found["check"], found["ok"]) == (2, check, False)


@pytest.mark.parametrize("by", ["--ca-file", "OPENFUNNEL_CA_FILE"])
async def test_a_private_ca_is_trusted_if_it_is_named(
    terminal: Terminal, by: str
) -> None:
    async with tls_server(terminal.folder, said(BALANCE)) as server:
        to = ("--base-url", server.base_url)
        flags = (by, "own.pem") if by.startswith("-") else ()
        variables = {} if flags else {by: "own.pem"}
        refused = await terminal.run("doctor", *to, "--json")
        assert (refused.code, server.requests) == (1, 0)
        assert "--ca-file" in refused.objects[-1]["advice"]
        outcome = await terminal.run("doctor", *to, *flags, **variables)
        assert (outcome.code, server.requests) == (0, 1)
        outcome = await terminal.run("balance", *to, *flags, **variables)
        assert (outcome.code, server.requests) == (0, 2)


async def test_doctor_checks_the_network_without_a_key(terminal: Terminal) -> None:
    """Caught: a check of a new machine that ended at the missing key."""
    outcome = await terminal.run("doctor", "--json", OPENFUNNEL_API_KEY="")
    found = {each["check"]: each["ok"] for each in outcome.objects}
    assert found == {
        "address": True,
        "key found": False,
        "reachable": True,
        "TLS": None,
    }
    assert (outcome.code, terminal.sandbox.requests) == (6, [])


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_doctor_names_a_proxy_that_is_not_used(
    terminal: Terminal, name: str
) -> None:
    outcome = await terminal.run("doctor", "--json", **{name: "http://ada:secret@h:1"})
    (found,) = (each for each in outcome.objects if each["check"] == "proxy")
    assert (outcome.code, found["ok"]) == (0, None)
    assert found["found"] == f"none; {name} is set and not used"
    assert f'OPENFUNNEL_PROXY="${name}"' in found["advice"]
    assert "secret" not in outcome.out
