"""The streams that people iterate over: rows, or whole pages."""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Self

import anyio

from openfunnel_async._job.page_reader import Bookmark, PageReader
from openfunnel_async._job.requests import PageRead
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import Company, JobPage


class _Stream:
    """What both kinds of streams have in common."""

    def __init__(self, reader: PageReader, bookmark: Bookmark) -> None:
        self._reader = reader
        self._bookmark = bookmark
        self._guard = anyio.ResourceGuard("iterating over")
        self._closed = False

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a stream is not pickled or copied; keep str(stream.checkpoint()) and "
            "continue with OpenFunnel.resume()"
        )

    def __repr__(self) -> str:
        place = self.checkpoint()
        state = "closed at" if self._closed else "at"
        row = place.rows_before + place.offset
        return f"<{type(self).__name__} {state} row {row} of job {place.job_id}>"

    def _repr_html_(self) -> str:
        """Show it in a notebook: its position, without I/O."""
        from openfunnel_async._values.notebook import card  # noqa: PLC0415 -- notebooks alone

        place = self.checkpoint()
        facts = {
            "job_id": place.job_id,
            "row": place.rows_before + place.offset,
            "page": place.page,
            "limit": place.limit,
            "closed": self._closed,
        }
        return card(type(self).__name__, facts)

    def __del__(self) -> None:
        # A stream that was left without closing it; its loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._reader.drop_read_ahead()

    async def __aenter__(self) -> Self:
        self._reader.check_loop()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream; the job continues. Calling again does nothing."""
        self._reader.check_loop()
        self._closed = True
        await self._reader.aclose()

    def checkpoint(self) -> JobCheckpoint:
        """Return the position after the last row that was handed out."""
        return self._reader.place

    async def _read_on(self) -> None:
        """Read the next answer, or end the stream once what was read is complete."""
        if not await self._reader.advance():
            self._closed = await self._reader.is_complete()


class RowStream(_Stream):
    """The companies of a job, in order, each once, as they are delivered.

    An async iterator and an async context manager. While the job runs it holds one
    page; once the job is terminal, up to ``read_ahead`` pages are read ahead. Leaving
    it, also by a ``break``, drops those and does not cancel the job.

    Attributes:
        delivered: Rows handed out so far by this stream.

    Raises:
        JobFailedError: After the last row of a failed job.
        IncompleteResultsError: The rows do not add up to the manifest's count, also
            after the last page was read once more.
        InvalidResponseError: Rows already handed out changed, or pages loop.

    An error that ends the stream is raised again whenever it is read again. After an
    outage (a ``TransportError``, for example) iterating continues with the very next
    row.

    Cancellation: iterating can continue afterwards with the very next row.
    """

    __module__ = "openfunnel_async"

    def __init__(self, reader: PageReader, bookmark: Bookmark) -> None:
        super().__init__(reader, bookmark)
        self.delivered: int = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Company:
        self._reader.check_loop()
        with self._guard:
            reader = self._reader
            while not self._closed:
                page = reader.page
                if page is not None and reader.used < len(page.answer.raw_rows):
                    row = page.answer.rows[reader.used]
                    reader.used += 1
                    self.delivered += 1
                    self._bookmark.reader = reader
                    return row
                await self._read_on()
        raise StopAsyncIteration


class PageInStream(NamedTuple):
    """One page of a stream.

    Attributes:
        page: The page as it was read.
        used: How many of its rows the stream had returned before.
        place: The position after the page.
    """

    page: PageRead
    used: int
    place: JobCheckpoint

    @property
    def raw_rows(self) -> Sequence[object]:
        """The new rows as the service sent them."""
        return self.page.answer.raw_rows[self.used :]


class PageStream(_Stream):
    """The pages of a job, in order, each whole, as they are delivered.

    The newest page of a running job is held back until it can grow no more. On a
    resumed handle the first page comes without the rows that were used before.
    Errors, cancellation and clean-up are those of ``RowStream``.
    """

    __module__ = "openfunnel_async"

    def __init__(self, reader: PageReader, bookmark: Bookmark) -> None:
        super().__init__(reader, bookmark)
        self._given: PageRead | None = None
        self._given_cursor: str | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobPage:
        read = await self._read_page()
        return read.page.to_page(read.page.answer.rows[read.used :])

    async def _read_page(self) -> PageInStream:
        """Return the next page as it was read, which also has the rows as sent."""
        self._reader.check_loop()
        with self._guard:
            reader = self._reader
            while not self._closed:
                page = reader.page
                if page is not None and self._is_due(page):
                    used, reader.used = reader.used, len(page.answer.raw_rows)
                    self._given, self._given_cursor = page, reader.cursor
                    self._bookmark.reader = reader
                    return PageInStream(page, used, reader.place)
                await self._read_on()
        raise StopAsyncIteration

    def _is_due(self, page: PageRead) -> bool:
        """Whether the page is to be handed out: whole, and not handed out before.

        A page that is read once more, because the rows do not add up, has been handed
        out; if it has grown, its new rows have not.
        """
        reader = self._reader
        if page is self._given or not reader.is_whole:
            return False
        is_new = self._given is None or self._given_cursor != reader.cursor
        return is_new or bool(reader.fresh)


async def read_raw_page(stream: PageStream) -> PageInStream:
    """Return the next page of a stream as it was read, with the rows as sent.

    Raises:
        StopAsyncIteration: At the end.
        OpenFunnelError: As the stream.
    """
    return await stream._read_page()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- of the class above
