"""The how-to: its configurations, its exchange and its numbers are true."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from openfunnel_async import KEY_VARIABLE
from tests.docs.pages import DOCS, blocks
from tests.mcp.hosts import Desk
from tests.mcp.measure import count_definitions, count_exchange
from tests.mcp.transcript import Recorder, run_exchange

pytestmark = pytest.mark.anyio

PAGE = DOCS / "how-to" / "mcp.md"
TEXT = PAGE.read_text(encoding="utf-8")
SERVERS: list[dict[str, Any]] = [
    next(iter(servers.values()))
    for block in blocks(PAGE, "json")
    for name, servers in json.loads(block).items()
    if "ervers" in name
]


@pytest.fixture(scope="module")
async def exchange(
    tmp_path_factory: pytest.TempPathFactory,
) -> Recorder:
    return await run_exchange(tmp_path_factory.mktemp("exchange"))


async def test_the_exchange_is_what_the_tools_answer(exchange: Recorder) -> None:
    assert "\n".join(exchange.lines).rstrip() in TEXT


async def test_the_bytes_on_the_page(tmp_path: Path) -> None:
    """`python -m tests.mcp.measure` prints them."""
    numbers = {**count_definitions(), **await count_exchange(tmp_path)}
    for number in numbers.values():
        assert f"| {number:,} |" in TEXT


@pytest.mark.parametrize("server", [*SERVERS, "claude mcp add"])
async def test_a_configuration_starts_the_server(
    desk: Desk, server: dict[str, Any] | str
) -> None:
    """With this machine's paths in place of the page's."""
    if isinstance(server, str):
        [line] = [one for one in blocks(PAGE, "sh") if one.startswith(server)]
        _, _, command = line.replace("\\\n", "").partition(" -- ")
        server = {"command": shlex.split(command)[0], "args": shlex.split(command)[1:]}
    assert server["command"] == "openfunnel-async"
    assert set(server.get("env", {})) <= {KEY_VARIABLE}
    words: list[str] = server["args"]
    places = {
        "/home/you/openfunnel.sqlite": str(desk.book_path),
        "/home/you/lists": str(desk.lists),
        "/home/you/openfunnel.env": str(desk.folder / "key.env"),
    }
    environment = desk.environment()
    settings = f"{KEY_VARIABLE}={environment.pop(KEY_VARIABLE)}\n"
    url = f"OPENFUNNEL_BASE_URL={desk.sandbox.base_url}\n"
    (desk.folder / "key.env").write_text(settings + url)
    if "env" in server:
        environment[KEY_VARIABLE] = desk.sandbox.api_key
    started = desk.parameters()
    parameters = StdioServerParameters(
        command=started.command,
        args=[*started.args[:4], *(places.get(one, one) for one in words)],
        env=environment,
        cwd=desk.folder,
    )
    async with Client(stdio_client(parameters)) as client:
        listed = await client.list_tools()
    assert len(listed.tools) == 6


def test_the_commands_of_the_set_up_are_those_of_the_command_line() -> None:
    assert len(SERVERS) == 2
    assert "book budget set agent --per-day 500" in TEXT
