"""An account of a sandbox in memory with a Book, and what must hold between them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from openfunnel_async import Book
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.sandbox import JobLife
from tests.fleet.account import Account

__all__ = ["BookAccount"]


class BookAccount(Account):
    """An account whose client has a Book, on the running loop's time.

    Args:
        place: The file of the Book, or its address.
        lives: The lives of the first jobs.
        options: Of the account, and of the client.
    """

    def __init__(self, place: Path | str, *lives: JobLife, **options: Any) -> None:
        self.book = Book.connect(place) if isinstance(place, str) else Book(place)
        super().__init__(*lives, **options, book=self.book)

    def submits(self) -> Counter[str]:
        """Count the submits of each query, as they arrived."""
        return Counter(json.loads(one.body)["query"] for one in self.seen("submit"))

    async def check_sums(self) -> None:
        """Recompute every sum of the Book."""
        assert (await self.book.check()).problems == ()

    async def check(self) -> list[BookEntry]:
        """Compare the Book with the service, and return the entries."""
        await self.check_sums()
        entries = await self.book.entries()
        for entry in entries:
            if entry.state is EntryState.SETTLED:
                assert entry.job_id is not None
                view = self.service.jobs[entry.job_id]
                assert entry.status == view.status
                assert entry.rows == view.rows_written
                assert entry.billed == view.credits
        return entries
