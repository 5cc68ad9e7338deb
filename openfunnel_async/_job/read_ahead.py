"""Read the pages of a finished job ahead, as far as their labels can be guessed.

That labels count on (``page_0007``, ``page_0008``) is a guess (facts.md, "Read"), so
nothing depends on it: a page read ahead is used only if the answers before it lead
to it and it says that it is the page asked for. At the first disagreement the rest
is thrown away and reading goes on one cursor after the other.
"""

import asyncio
import math
import re
from collections import deque

from openfunnel_async._job.requests import JobReads
from openfunnel_async._values.models import JobPage, Manifest
from openfunnel_async._values.status import JobStatus

_NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.ASCII | re.DOTALL)


class ReadAhead:
    """The pages on their way to one stream, in order."""

    __slots__ = ("_coming", "_most", "_reads")

    def __init__(self, reads: JobReads, most: int) -> None:
        self._reads = reads
        self._most = most
        self._coming: deque[tuple[str, asyncio.Task[JobPage]]] = deque()

    async def take(self, cursor: str) -> JobPage | None:
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
        if page is None or page.label != cursor:
            self.close()
            return None
        return page

    def go_on_from(self, page: JobPage) -> None:
        """Ask for the pages after this one, or for none if they cannot be guessed."""
        labels = _labels_after(page, self._most)
        if self._coming and (not labels or self._coming[0][0] != labels[0]):
            self.close()
        for label in labels[len(self._coming) :]:
            # Its own next page a stream may always read; those beyond it take a place.
            if self._coming and not self._reads.places.take(self):
                break
            task = self._reads.page_ahead(label)
            self._coming.append((label, task))

    def _give_back(self) -> None:
        """Keep a place for each page beyond the next one, and no more."""
        if self._coming:
            self._reads.places.keep(self, len(self._coming) - 1)
        else:
            self._reads.places.leave(self)

    def close(self) -> list[asyncio.Task[JobPage]]:
        """Give up what is on its way, and return what has yet to stop."""
        given_up = [task for _, task in self._coming]
        self._coming.clear()
        self._give_back()
        for task in given_up:
            task.add_done_callback(_seen)
            task.cancel()
        return given_up


def _seen(task: asyncio.Task[JobPage]) -> None:
    """Look at an outcome that nobody waits for, so that it is not reported lost."""
    _ = task.cancelled() or task.exception()


def _labels_after(page: JobPage, most: int) -> list[str]:
    """Guess the next labels of a finished job; none if the page leads elsewhere."""
    manifest = page.snapshot.manifest
    is_terminal = JobStatus.parse(page.snapshot.raw_status).is_terminal
    match = _NUMBERED.fullmatch(page.label or "")
    if not is_terminal or manifest is None or match is None:
        return []
    stem, digits = match.groups()
    first = int(digits) + 1
    end = min(_pages(manifest, page, first), first + most)
    labels = [f"{stem}{n:0{len(digits)}}" for n in range(first, end)]
    return labels if labels and labels[0] == page.next_cursor else []


def _pages(manifest: Manifest, page: JobPage, passed: int) -> int:
    """Return how many pages to expect.

    The first manifest of a terminal job may state too few. Once the page's own cursor
    leads beyond that number, the count of rows says how many there are.
    """
    pages = manifest.pages
    if pages is None or manifest.count is None or not page.rows:
        return pages or 0
    if pages > passed or page.next_cursor is None:
        return pages
    return math.ceil(manifest.count / len(page.rows))
