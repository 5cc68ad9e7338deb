"""The records of a schedule in which a program runs a Book, and crashes."""

from collections import Counter
from typing import Literal

import attrs

from openfunnel_async import Company
from openfunnel_async.book import BatchStatus, BookCheck, BookEntry

LifeEnd = Literal["end", "crash", "cancel", "close", "cancel batch"]


@attrs.frozen(kw_only=True)
class BookView:
    """What was in the Book at a moment at which nobody ran it.

    Attributes:
        moment: The moment, in virtual seconds.
        check: What the Book says about itself.
        entries: Its entries.
        status: The sums of the batch; None if it was not planned yet.
        rows: The rows of each entry, by its key.
        made: The jobs that the service had made for each query.
        crashes: How often the program had crashed.
    """

    moment: float
    check: BookCheck
    entries: tuple[BookEntry, ...]
    status: BatchStatus | None
    rows: dict[str, list[Company]]
    made: dict[str, list[str]]
    crashes: int


@attrs.define(eq=False)
class BookRecord:
    """All lives of a program that buys one batch.

    Attributes:
        cap: The cap of the batch, if it has one.
        views: The Book after each life.
        crashes: How often the program crashed.
        lives: How many lives of each kind there were.
        resolved: How often a search was allowed to be submitted again.
        has_finished: Whether the last run returned, without faults.
    """

    cap: float | None
    views: list[BookView] = attrs.field(factory=list[BookView])
    crashes: int = 0
    lives: Counter[str] = attrs.field(factory=Counter[str])
    resolved: Counter[str] = attrs.field(factory=Counter[str])
    has_finished: bool = False

    @property
    def last(self) -> BookView:
        """The Book at the end."""
        return self.views[-1]


def query_of(entry: BookEntry) -> str:
    """Return the query of an entry, which is unique and is always given."""
    assert entry.search.query is not None
    return entry.search.query
