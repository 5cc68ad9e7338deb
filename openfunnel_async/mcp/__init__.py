"""An MCP server over a Book, for agents: it needs the extra ``[mcp]``.

``openfunnel-async mcp`` runs it on stdio; ``make_server()`` returns it for a program
that serves it in another way. A model can start a paid job with it, and cannot buy the
same request twice or spend more than a budget of the Book.
"""

from openfunnel_async.mcp._server import OpenClient, make_server

__all__ = ["OpenClient", "make_server"]

for _public in (OpenClient, make_server):
    _public.__module__ = __name__
