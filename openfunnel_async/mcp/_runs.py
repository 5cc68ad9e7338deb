"""The runs of jobs in the background, for as long as the server runs."""

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from openfunnel_async import Book, OpenFunnel
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.errors import BookInUseError, OpenFunnelError
from openfunnel_async.mcp._requests import PREFIX

T = TypeVar("T")
_logger = logging.getLogger("openfunnel_async")
_PICK_UP_EVERY = 1.0
_LONGEST_REASON = 400
NO_ROOM = "it does not fit under the budget now; nothing was sent"


class BackgroundRuns:
    """Runs batches of one search each, and calls that outlive their request.

    A job is followed in a task of its own, so neither a host that stops waiting nor one
    that repeats a call changes what happens. Only one process at a time can run a Book:
    a server that runs it also runs what another server of the same budget has planned
    since, so that both can be used at a time.

    Args:
        client: The client, with the Book and the budget.
        book: The Book.
        label: What the entries of this budget are labelled with.
    """

    def __init__(self, client: OpenFunnel, book: Book, label: str) -> None:
        self._client = client
        self._book = book
        self._label = label
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._calls: dict[str, asyncio.Task[Any]] = {}
        self._errors: dict[str, OpenFunnelError] = {}
        self._left_before: set[str] = set()
        self._picking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Continue with the jobs of earlier servers; send nothing.

        What an earlier server planned and did not send stays planned: nobody waits for
        it any more, so only another call may buy it.
        """
        for entry in await self._find():
            if entry.state in {EntryState.SUBMITTED, EntryState.SUBMITTING}:
                self.ensure(entry.batch or "")
            elif entry.state is EntryState.PLANNED:
                self._left_before.add(entry.batch or "")
        self._picking = asyncio.create_task(self._pick_up())

    async def aclose(self) -> None:
        """End the tasks; jobs continue, and the Book keeps what is known of them.

        Cancellation: the tasks end all the same.
        """
        tasks = [*self._calls.values(), *self._runs.values()]
        if self._picking is not None:
            tasks.append(self._picking)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def ensure(self, name: str) -> None:
        """Run a batch, unless it runs here already."""
        running = self._runs.get(name)
        if running is None or running.done():
            self._runs[name] = asyncio.create_task(self._run(name))

    def is_running(self, name: str) -> bool:
        """Whether a batch runs here."""
        running = self._runs.get(name)
        return running is not None and not running.done()

    def find_error(self, name: str) -> OpenFunnelError | None:
        """Return what ended the last run of a batch; None if nothing did."""
        return self._errors.get(name)

    async def share(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        """Do something once for all who ask for it meanwhile.

        Cancellation: the work continues.
        """
        task = self._calls.get(name)
        if task is None:
            task = self._calls[name] = asyncio.create_task(work)
            task.add_done_callback(partial(self._end_call, name))
        else:
            work.close()
        found: T = await asyncio.shield(task)
        return found

    def _end_call(self, name: str, task: asyncio.Task[Any]) -> None:
        """Forget a call; nobody may be waiting for its error any more."""
        self._calls.pop(name, None)
        if not task.cancelled():
            task.exception()

    async def _run(self, name: str) -> None:
        """Run a batch, and keep the error that ended it."""
        self._errors.pop(name, None)
        try:
            await self._run_batch(name)
        except BookInUseError as error:
            self._errors[name] = error
        except OpenFunnelError as error:
            self._errors[name] = error
            _logger.warning("the run of %s has ended: %s", name, error)

    async def _run_batch(self, name: str) -> None:
        """Run a batch to its end, and withdraw a search that could not be sent.

        Otherwise a server would buy it later, when nobody waits for it any more.
        """
        batch = await self._client.batch(name)
        try:
            await batch.run()
        except BookInUseError:
            raise
        except OpenFunnelError as error:
            await batch.skip_planned(str(error)[:_LONGEST_REASON])
            raise
        await batch.skip_planned(NO_ROOM)

    async def _find(self, state: EntryState | None = None) -> list[BookEntry]:
        entries = await self._book.entries(state=state)
        return [entry for entry in entries if (entry.batch or "").startswith(PREFIX)]

    async def _pick_up(self) -> None:
        """While this process runs the Book, run what other servers plan, too."""
        while True:
            await asyncio.sleep(_PICK_UP_EVERY)
            if not any(map(self.is_running, self._runs)):
                continue
            try:
                planned = await self._find(EntryState.PLANNED)
            except OpenFunnelError as error:
                _logger.warning("the Book could not be read: %s", error)
                continue
            for entry in planned:
                if entry.label == self._label and entry.batch not in self._left_before:
                    self.ensure(entry.batch or "")
