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

import anyio

from openfunnel_async._job.requests import JobRequests, PageRead
from openfunnel_async._job.shared_task import copy_error
from openfunnel_async._protocol.codec import JobAnswer
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.retry_rules import retry_after_of, with_jitter
from openfunnel_async._values.models import Manifest
from openfunnel_async.errors import OpenFunnelError

_NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.ASCII | re.DOTALL)


class _Coming:
    """A page on its way, and the pause that the service asks for meanwhile."""

    __slots__ = ("_changed", "_longest", "_pause", "label", "task")

    def __init__(self, requests: JobRequests, label: str) -> None:
        self.label: str = label
        self._longest = requests.max_retry_after
        self._pause: tuple[float, OpenFunnelError] | None = None
        self._changed = asyncio.Event()
        self.task: asyncio.Task[PageRead] = requests.start_page_ahead(
            label, self._note_stall
        )
        self.task.add_done_callback(self._note_end)

    @property
    def page(self) -> PageRead | None:
        """The page, if it was read."""
        task = self.task
        is_read = task.done() and not task.cancelled() and task.exception() is None
        return task.result() if is_read else None

    async def wait(self) -> None:
        """Return when it has ended and, if it has failed, may be read again.

        Raises:
            OpenFunnelError: The service asks to wait for longer than the caller has,
                or than the policy allows.
        """
        deadline = anyio.current_effective_deadline()
        while not (self.task.cancelled() or self.page is not None):
            has_failed = self.task.done()
            left = self._left(deadline, has_failed=has_failed)
            if has_failed:
                await asyncio.sleep(with_jitter(left) if left else 0.0)
                return
            self._changed.clear()
            await self._changed.wait()

    def _left(self, deadline: float, *, has_failed: bool) -> float:
        """Return the seconds of the pause that are left, or raise what asked for it."""
        if self._pause is None:
            return 0.0
        until, cause = self._pause
        left = until - asyncio.get_running_loop().time()
        if left > 0 and (until > deadline or (has_failed and left > self._longest)):
            raise copy_error(cause)
        return max(left, 0.0)

    def _note_stall(self, _kind: Kind, until: float, cause: OpenFunnelError) -> None:
        self._pause = until, cause
        self._changed.set()

    def _note_end(self, task: asyncio.Task[PageRead]) -> None:
        """Keep the pause that the last failure asks for.

        The exception is retrieved, so that one that nobody waits for is not logged.
        """
        error = None if task.cancelled() else task.exception()
        asked = retry_after_of(error) if isinstance(error, OpenFunnelError) else None
        if isinstance(error, OpenFunnelError) and asked is not None:
            until = asyncio.get_running_loop().time() + asked
            self._pause = until, error
        self._changed.set()


class ReadAhead:
    """The pages on their way to one stream, in order."""

    __slots__ = ("_coming", "_most", "_requests")

    def __init__(self, requests: JobRequests, most: int) -> None:
        self._requests = requests
        self._most = most
        self._coming: deque[_Coming] = deque()

    async def take(self, cursor: str) -> PageRead | None:
        """Return the page if it was read ahead and is what it was taken for.

        Raises:
            OpenFunnelError: The service asks to wait for longer than the caller has.

        Cancellation: the page stays on its way; calling again is safe.
        """
        if not self._coming or self._coming[0].label != cursor:
            self.close()
            return None
        coming = self._coming[0]
        await coming.wait()
        if not self._coming or self._coming[0] is not coming:
            # The stream was closed meanwhile.
            return None
        self._coming.popleft()
        self._give_back()
        page = coming.page
        if page is None or page.answer.label != cursor:
            self.close()
            return None
        return page

    def continue_from(self, page: PageRead) -> None:
        """Ask for the pages after this one, or for none if they cannot be guessed."""
        labels = _labels_after(page, self._most)
        if self._coming and (not labels or self._coming[0].label != labels[0]):
            self.close()
        for label in labels[len(self._coming) :]:
            # Its own next page a stream may always read; those beyond it take a place.
            if self._coming and not self._requests.places.take(self):
                break
            self._coming.append(_Coming(self._requests, label))

    def _give_back(self) -> None:
        """Keep a place for each page beyond the next one, and no more."""
        if self._coming:
            self._requests.places.keep(self, len(self._coming) - 1)
        else:
            self._requests.places.leave(self)

    def close(self) -> list[asyncio.Task[PageRead]]:
        """Give up what is on its way, and return what has yet to stop."""
        given_up = [coming.task for coming in self._coming]
        self._coming.clear()
        self._give_back()
        for task in given_up:
            task.cancel()
        return given_up


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
    if pages is None or manifest.count is None or not answer.raw_rows:
        return pages or 0
    if pages > passed or answer.next_cursor is None:
        return pages
    return math.ceil(manifest.count / len(answer.raw_rows))
