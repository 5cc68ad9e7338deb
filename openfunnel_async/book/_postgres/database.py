"""A connection to PostgreSQL, as the transactions use it; see ``_sql/database.py``."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, LiteralString, cast

import psycopg

_SCAN = 100


class PostgresDatabase:
    """A database that several processes run the Book in.

    Attributes:
        due: The entries that became due in this transaction, and in how many seconds.

    Args:
        connection: A connection with an open transaction.
        now: The clock of the server, if it was read already.
        on_answer: Called after each answer of the server.
    """

    is_shared = True

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        now: float | None = None,
        on_answer: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._now = now
        self._on_answer = on_answer or _do_nothing
        self.due: dict[int, float] = {}

    def execute(
        self, statement: str, values: Sequence[Any] = (), /
    ) -> psycopg.Cursor[Any]:
        """Run a statement."""
        answer = self._connection.execute(_translate(statement), tuple(values))
        self._on_answer()
        return answer

    def insert(self, statement: str, values: Sequence[Any]) -> int | None:
        """Insert a row; return its number, None if it was not inserted."""
        row = self.execute(f"{statement} RETURNING id", values).fetchone()
        return None if row is None else int(row[0])

    def scan(self, statement: str) -> Iterator[Any]:
        """Return the rows of a large answer, a few at a time."""
        with self._connection.cursor("scan") as cursor:
            cursor.itersize = _SCAN
            cursor.execute(_translate(statement))
            for row in cursor:
                self._on_answer()
                yield row

    def find_marks(self, marks: Sequence[str]) -> set[str]:
        """Return which marks of companies are known."""
        found = self.execute(
            "SELECT mark FROM of_company WHERE mark = ANY(?)", (list(marks),)
        )
        return {mark for (mark,) in found}

    def add_marks(self, column: str, number: int, marks: Sequence[str]) -> None:
        """Add marks of companies; those that are known stay as they are."""
        self.execute(
            f"INSERT INTO of_company (mark, {column}) SELECT unnest(?::text[]), ?"
            " ON CONFLICT DO NOTHING",
            (list(marks), number),
        )

    def now(self) -> float:
        """Return the seconds since 1970, of the clock of the server."""
        if self._now is None:
            found = self.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            (self._now,) = found.fetchone() or (0.0,)
        return self._now

    def note_due(self, entry_id: int, after: float = 0.0) -> None:
        """Note that an entry waits for somebody, from a number of seconds on."""
        self.due[entry_id] = after

    def find_damage(self, most: int) -> Iterator[str]:
        """Return nothing: the server checks its own files."""
        del most
        return iter(())


def _do_nothing() -> None:
    """Do nothing after an answer."""


@cache
def _translate(statement: str) -> LiteralString:
    """Return a statement with the placeholders of psycopg."""
    return cast("LiteralString", statement.replace("%", "%%").replace("?", "%s"))  # type: ignore[redundant-cast]  # pyright needs it
