"""What the tests of the batch commands share."""

from pathlib import Path

from openfunnel_async import Book
from openfunnel_async.book import BookCheck, BookEntry
from tests.cli.command import Outcome, Terminal

NAME = "q4"


def write_plan(terminal: Terminal, searches: int, limit: int = 150) -> None:
    """Write a file with different searches, each with a limit and a label."""
    lines = [f"voice ai {place},{limit},label {place}" for place in range(searches)]
    text = "\n".join(("query,limit,label", *lines, ""))
    (terminal.folder / f"{NAME}.csv").write_text(text)


async def plan(
    terminal: Terminal, searches: int, *flags: str, limit: int = 150
) -> Outcome:
    """Plan a batch of different searches."""
    write_plan(terminal, searches, limit)
    outcome = await terminal.run_in_thread("batch", "plan", f"{NAME}.csv", *flags)
    assert outcome.code == 0, outcome.err
    return outcome


def get_book(terminal: Terminal) -> Path:
    """Return the path of the Book in the terminal's folder."""
    return terminal.folder / "openfunnel.sqlite"


async def read_entries(terminal: Terminal) -> list[BookEntry]:
    """Return what is in the Book."""
    async with Book(get_book(terminal)) as book:
        return await book.entries()


async def check(terminal: Terminal) -> BookCheck:
    """Recompute the sums of the Book."""
    async with Book(get_book(terminal)) as book:
        return await book.check()


def count_submits(terminal: Terminal) -> int:
    """Return how many submits have arrived at the service."""
    return sum(seen.kind == "submit" for seen in terminal.sandbox.requests)
