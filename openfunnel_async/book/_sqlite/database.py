"""A connection to SQLite, as the transactions use it; see ``_sql/database.py``."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

from openfunnel_async._text import escaped

# SQLite before 3.32 takes at most 999 values.
_MOST_VALUES = 900


class SqliteDatabase(sqlite3.Connection):
    """One file, which one process at a time runs."""

    is_shared = False

    def insert(self, statement: str, values: Sequence[Any]) -> int | None:
        """Insert a row; return its number, None if it was not inserted."""
        added = self.execute(statement, values)
        return added.lastrowid if added.rowcount else None

    def scan(self, statement: str) -> Iterator[Any]:
        """Return the rows of a large answer, a few at a time."""
        return self.execute(statement)

    def find_marks(self, marks: Sequence[str]) -> set[str]:
        """Return which marks of companies are known."""
        known: set[str] = set()
        for start in range(0, len(marks), _MOST_VALUES):
            part = marks[start : start + _MOST_VALUES]
            places = ", ".join("?" * len(part))
            # As one row: before each row another thread may run for 5 ms. A mark has no
            # line break.
            (found,) = self.execute(
                "SELECT group_concat(mark, char(10)) FROM of_company"  # noqa: S608 -- question marks
                f" WHERE mark IN ({places})",
                part,
            ).fetchone()
            if found is not None:
                known.update(found.split("\n"))
        return known

    def add_marks(self, column: str, number: int, marks: Sequence[str]) -> None:
        """Add marks of companies; those that are known stay as they are."""
        most = _MOST_VALUES // 2
        for start in range(0, len(marks), most):
            part = marks[start : start + most]
            places = ", ".join(["(?, ?)"] * len(part))
            self.execute(
                f"INSERT INTO of_company (mark, {column}) VALUES {places}"  # noqa: S608 -- our name
                " ON CONFLICT DO NOTHING",
                [value for mark in part for value in (mark, number)],
            )

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def note_due(self, entry_id: int, after: float = 0.0) -> None:
        """Do nothing: the one process that runs the Book finds it."""

    def find_damage(self, most: int) -> Iterator[str]:
        """Check the structure of the file; return what is damaged, in words."""
        for (line,) in self.execute(f"PRAGMA integrity_check({most})"):
            if line != "ok":
                yield f"the file is damaged: {escaped(line, 200)}"
        for table, row, *_ in self.execute("PRAGMA foreign_key_check"):
            yield f"the file is damaged: row {row} of {table} refers to nothing"

    def find_first_damage(self) -> str | None:
        """Check the structure of the file quickly; return what is damaged."""
        (line,) = self.execute("PRAGMA quick_check(1)").fetchone()
        return None if line == "ok" else escaped(line, 200)
