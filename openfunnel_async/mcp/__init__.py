"""An MCP server over a Book, for agents: it needs the extra ``[mcp]``.

``openfunnel-async mcp`` runs it on stdio; ``make_server()`` returns it for a program
that serves it in another way. A model can start a paid job with it, and cannot buy the
same request twice or spend more than a budget of the Book.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

from openfunnel_async import Book, OpenFunnel
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.mcp._open_client import OpenClient

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

__all__ = ["OpenClient", "make_server"]

OpenClient.__module__ = __name__

_EXTRA = frozenset({"mcp", "mcp_types", "pydantic", "typing_extensions"})


def make_server(
    book: Book,
    *,
    budget: str,
    folder: str | PathLike[str],
    open_client: OpenClient = OpenFunnel,
) -> "Server[Any]":
    """Return an MCP server whose tools buy companies under a budget of a Book.

    A server of the official SDK, for any of its transports. While it runs it has a
    client of its own, which is closed with it; jobs continue. ``openfunnel-async mcp``
    runs it on stdio. See docs/how-to/mcp.md.

    Args:
        book: The Book; the server closes it.
        budget: A budget that ``Book.set_budget()`` made. Every submit is under it.
        folder: The folder that ``save`` writes new files in.
        open_client: Called with ``book`` and ``budget``; for other options of the
            client pass ``functools.partial(OpenFunnel, base_url=...)``.

    Raises:
        ConfigurationError: The folder does not exist, or the extra is missing.
    """
    try:
        from openfunnel_async.mcp._server import build_server  # noqa: PLC0415 -- an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigurationError(
            "the MCP server needs the package mcp. In a checkout of openfunnel-async: "
            'pip install ".[cli,mcp]"'
        ) from None
    return build_server(book, budget=budget, folder=folder, open_client=open_client)
