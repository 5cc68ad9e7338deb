"""``OpenClient``: how a program chooses the options of the client of a server."""

from typing import Protocol

from openfunnel_async import Book, OpenFunnel


class OpenClient(Protocol):
    """What makes the client of a server."""

    def __call__(self, *, book: Book, budget: str) -> OpenFunnel:
        """Return a client with this Book and this budget."""
        ...
