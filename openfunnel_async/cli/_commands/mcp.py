"""``mcp``: an MCP server on stdio, for agents."""

import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from openfunnel_async import KEY_VARIABLE
from openfunnel_async.cli._commands.book_flags import BookFlags
from openfunnel_async.cli._commands.budget import BUDGET_VARIABLE, find_budget
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._settings import ServiceFlags
from openfunnel_async.mcp import make_server

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server


def run_mcp_server(
    *,
    folder: Annotated[
        Path, Parameter(help="The folder that save writes new files in.")
    ],
    budget: Annotated[
        str | None,
        Parameter(
            name="--budget",
            help=f"The budget of the Book that bounds the spend; {BUDGET_VARIABLE} by "
            "default. Make one with book budget set.",
        ),
    ] = None,
    place: BookFlags = BookFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Serve tools for an agent on stdin and stdout, with the Model Context Protocol.

    A host such as Claude Desktop starts it. The tools are estimate, start, status,
    sample, save and cancel. The same request is bought once, and never beyond the
    budget. The key comes from the environment, or from --env-file; not from ./.env.

    It ends when stdin ends, or with a signal. Jobs continue then, and bill.
    """
    book = place.open_book()
    named = find_budget(budget, book)
    if named is None:
        raise CommandError(
            "an agent needs a budget. Make one, openfunnel-async book budget set "
            "agent --per-day 500, and name it with --budget agent"
        )
    if service.env_file is None and not os.environ.get(KEY_VARIABLE):
        # A file in the folder where the host happens to run is not the host's.
        raise CommandError(
            f"set {KEY_VARIABLE} in the configuration of the host, or name a file with "
            "--env-file",
            ExitCode.KEY,
        )
    account = service.find_account()
    server = make_server(
        book,
        budget=named,
        folder=folder,
        open_client=partial(account.network.open_client, account.key, account.origin),
    )
    return run_command(partial(_serve, server))


async def _serve(server: "Server[Any]", interrupts: Interrupts) -> ExitCode:
    """Serve until stdin ends or a signal arrives; both leave the jobs running."""
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 -- an extra

    try:
        async with stdio_server() as (reader, writer):
            options = server.create_initialization_options()
            await interrupts.run(partial(server.run, reader, writer, options))
            if interrupts.is_pending:
                # Everything is closed. A thread waits for the next line of stdin, and
                # nothing can end this wait, so the process cannot end in another way.
                _flush()
                os._exit(interrupts.code)
    except* OSError:
        # The host has closed its end of stdout.
        logging.getLogger("openfunnel_async").info("the host has closed stdout")
    return ExitCode.OK


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
