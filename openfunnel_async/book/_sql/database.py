"""What the transactions need of a database; they are the same for both.

The statements keep to what SQLite 3.24 and PostgreSQL 13 have in common, with ``?`` for
a value. A transaction is a function that is called with an open one, so it is never
split over two calls, and a cancelled caller cannot leave one open.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Answer(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...  # noqa: ANN401 -- a row
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection with an open transaction.

    Attributes:
        is_shared: Whether several processes may run the Book at a time.
    """

    is_shared: bool

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Answer:
        """Run a statement."""
        ...

    def insert(self, statement: str, values: Sequence[Any]) -> int | None:
        """Insert a row; return its number, None if it was not inserted."""
        ...

    def scan(self, statement: str) -> Iterator[Any]:
        """Return the rows of a large answer, a few at a time."""
        ...

    def find_marks(self, marks: Sequence[str]) -> set[str]:
        """Return which marks of companies are known; a mark has one line."""
        ...

    def add_marks(self, column: str, number: int, marks: Sequence[str]) -> None:
        """Add marks of companies; those that are known stay as they are.

        Args:
            column: ``search`` or ``list``: where the companies come from.
            number: The number of that entry or list.
            marks: The marks.
        """
        ...

    def now(self) -> float:
        """Return the seconds since 1970, of the clock that all processes share."""
        ...

    def find_damage(self, most: int) -> Iterator[str]:
        """Check the structure of the database; return what is damaged, in words."""
        ...

    def note_due(self, entry_id: int, after: float = 0.0) -> None:
        """Note that an entry waits for somebody to submit or to follow it.

        Args:
            entry_id: The entry.
            after: In how many seconds.
        """
        ...
