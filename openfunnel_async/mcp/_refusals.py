"""``Refusal``: why a tool does not do what it was asked, in words for a model."""

from openfunnel_async.errors import BookInUseError, OpenFunnelError
from openfunnel_async.mcp._untrusted import escape

_LONGEST_MESSAGE = 600


class Refusal(Exception):  # noqa: N818 -- an answer, and no fault
    """What a tool answers when it does not do what it was asked.

    Attributes:
        reason: A word for programs, such as ``over_budget``.
        message: The sentences for the model.
        facts: Numbers that belong to it.
    """

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(reason, message)
        self.reason: str = reason
        self.message: str = escape(message, _LONGEST_MESSAGE)
        self.facts: dict[str, object] = facts


def refuse(error: OpenFunnelError) -> Refusal:
    """Return the refusal for an error of the library."""
    reason = "book_in_use" if isinstance(error, BookInUseError) else "error"
    return Refusal(reason, f"{error}.")
