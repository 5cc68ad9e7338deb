"""The protocol: the official SDK's server, with the tools of this package."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

from openfunnel_async import Book, __version__
from openfunnel_async.mcp._definitions import INSTRUCTIONS, make_tools
from openfunnel_async.mcp._files import SaveFolder
from openfunnel_async.mcp._open_client import OpenClient
from openfunnel_async.mcp._refusals import Refusal
from openfunnel_async.mcp._tools import Tools

_CLOSE_WITHIN = 20.0


def build_server(
    book: Book,
    *,
    budget: str,
    folder: str | PathLike[str],
    open_client: OpenClient,
) -> Server[Tools]:
    """Return the server; see ``make_server()``."""
    files = SaveFolder(Path(folder))

    @asynccontextmanager
    async def run_tools(_server: Server[Tools]) -> AsyncGenerator[Tools]:
        async with open_client(book=book, budget=budget) as client:
            tools = Tools(client, book, budget=budget, folder=files)
            await tools.runs.start()
            try:
                yield tools
            finally:
                # A host that ends the server must not stop what is being written.
                with anyio.move_on_after(_CLOSE_WITHIN, shield=True):
                    await tools.runs.aclose()
                    await client.aclose()

    return Server(
        "openfunnel",
        version=__version__,
        title="OpenFunnel",
        instructions=INSTRUCTIONS,
        lifespan=run_tools,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )


async def _list_tools(
    _context: ServerRequestContext[Tools], _params: PaginatedRequestParams | None
) -> ListToolsResult:
    return ListToolsResult(tools=make_tools())


async def _call_tool(
    context: ServerRequestContext[Tools], params: CallToolRequestParams
) -> CallToolResult:
    tools = context.lifespan_context
    given = params.arguments or {}
    try:
        answer = await tools.call(params.name, given, context.session.report_progress)
    except Refusal as refusal:
        facts = {"error": refusal.reason, "message": refusal.message, **refusal.facts}
        return _make_result(facts, is_error=True)
    return _make_result(answer, is_error=False)


def _make_result(answer: Mapping[str, Any], *, is_error: bool) -> CallToolResult:
    """Return the answer twice: structured, and as text for hosts that show text."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=dict(answer),
        is_error=is_error,
    )
