"""Read the pages of a finished job ahead, as far as their labels can be guessed.

That labels are numbered (``page_0007``, ``page_0008``) is a guess, see "Read" in
docs/reference/contract.md, so nothing depends on it: a page that was read ahead is used
only if the answers before it lead to it and it states that it is the page asked for. At
the first disagreement the other pages are dropped, and reading continues one cursor
after the other.
"""

import asyncio
import math
import re
from collections import deque

from openfunnel_async._job.requests import JobRequests, PageRead
from openfunnel_async._protocol.codec import JobAnswer
from openfunnel_async._values.models import Manifest

_NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.ASCII | re.DOTALL)


class ReadAhead:
    """The pages on their way to one stream, in order."""

    __slots__ = ("_coming", "_most", "_requests")

    def __init__(self, requests: JobRequests, most: int) -> None:
        self._requests = requests
        self._most = most
        self._coming: deque[tuple[str, asyncio.Task[PageRead]]] = deque()

    async def take(self, cursor: str) -> PageRead | None:
        """Return the page if it was read ahead and is what it was taken for.

        Cancellation: the page stays on its way; calling again is safe.
        """
        if not self._coming or self._coming[0][0] != cursor:
            self.close()
            return None
        task = self._coming[0][1]
        await asyncio.wait([task])
        if not self._coming or self._coming[0][1] is not task:
            # The stream was closed meanwhile.
            return None
        self._coming.popleft()
        self._give_back()
        page = None
        if not task.cancelled() and task.exception() is None:
            page = task.result()
        if page is None or page.answer.label != cursor:
            self.close()
            return None
        return page

    def continue_from(self, page: PageRead) -> None:
        """Ask for the pages after this one, or for none if they cannot be guessed."""
        labels = _labels_after(page, self._most)
        if self._coming and (not labels or self._coming[0][0] != labels[0]):
            self.close()
        for label in labels[len(self._coming) :]:
            # Its own next page a stream may always read; those beyond it take a place.
            if self._coming and not self._requests.places.take(self):
                break
            task = self._requests.start_page_ahead(label)
            self._coming.append((label, task))

    def _give_back(self) -> None:
        """Keep a place for each page beyond the next one, and no more."""
        if self._coming:
            self._requests.places.keep(self, len(self._coming) - 1)
        else:
            self._requests.places.leave(self)

    def close(self) -> list[asyncio.Task[PageRead]]:
        """Give up what is on its way, and return what has yet to stop."""
        given_up = [task for _, task in self._coming]
        self._coming.clear()
        self._give_back()
        for task in given_up:
            task.add_done_callback(_seen)
            task.cancel()
        return given_up


def _seen(task: asyncio.Task[PageRead]) -> None:
    """Retrieve an exception that nobody waits for, so that it is not logged."""
    _ = task.cancelled() or task.exception()


def _labels_after(page: PageRead, most: int) -> list[str]:
    """Guess the next labels of a finished job; none if the page leads elsewhere."""
    answer, manifest = page.answer, page.snapshot.manifest
    match = _NUMBERED.fullmatch(answer.label or "")
    if not answer.status.is_terminal or manifest is None or match is None:
        return []
    stem, digits = match.groups()
    first = int(digits) + 1
    end = min(_pages(manifest, answer, first), first + most)
    labels = [f"{stem}{n:0{len(digits)}}" for n in range(first, end)]
    return labels if labels and labels[0] == answer.next_cursor else []


def _pages(manifest: Manifest, answer: JobAnswer, passed: int) -> int:
    """Return how many pages to expect.

    The first manifest of a terminal job may state too few. Once the page's own cursor
    leads beyond that number, the count of rows says how many there are.
    """
    pages = manifest.pages
    if pages is None or manifest.count is None or not answer.rows:
        return pages or 0
    if pages > passed or answer.next_cursor is None:
        return pages
    return math.ceil(manifest.count / len(answer.rows))
