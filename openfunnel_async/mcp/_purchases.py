"""``start``: the same request is the same job, and never beyond the budget."""

import asyncio

from openfunnel_async import Book, LookalikeSearch, OpenFunnel
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.errors import (
    BookInUseError,
    ConfigurationError,
    OpenFunnelError,
)
from openfunnel_async.mcp._refusals import Refusal
from openfunnel_async.mcp._requests import name_job
from openfunnel_async.mcp._runs import NO_ROOM, BackgroundRuns

START_WITHIN = 40.0
_LOOK_EVERY = 0.1
_LOCK_EVERY = 0.5
_LOCK_WITHIN = 20.0
_UNDECIDED = (EntryState.PLANNED, EntryState.SUBMITTING)


class Purchases:
    """Starts searches under one budget of a Book.

    Args:
        client: The client, with the Book and the budget.
        book: The Book.
        runs: What follows the jobs.
        budget: The budget.
        label: What its entries are labelled with.
    """

    def __init__(
        self,
        client: OpenFunnel,
        book: Book,
        runs: BackgroundRuns,
        *,
        budget: str,
        label: str,
    ) -> None:
        self._client = client
        self._book = book
        self._runs = runs
        self._budget = budget
        self._label = label

    async def find(self, name: str) -> BookEntry | None:
        """Return the entry of a job; None if the Book has none."""
        entries = await self._book.entries(batch=name)
        return entries[0] if entries else None

    async def read_left(self) -> float:
        """Return what is left of the budget, in the tightest of its periods.

        Raises:
            Refusal: The Book has the budget no more.
        """
        budgets = await self._book.budgets()
        left = [status.left for status in budgets if status.name == self._budget]
        if not left:
            raise Refusal("no_budget", "The Book has no such budget; tell the user.")
        return min(left)

    async def start(self, search: LookalikeSearch) -> tuple[BookEntry, bool]:
        """Return the job of a normalised search, and whether this call started it.

        Three cases: the Book has a job, or a submit of unknown outcome, and nothing is
        sent. It has an entry for which nothing was bought, and this one is tried again.
        It has none, and the search is planned.

        Raises:
            Refusal: Nothing was sent; the message gives the reason.
            OpenFunnelError: The Book cannot be read or written.
        """
        name = name_job(search)
        entry = await self.find(name)
        if entry is not None and not _may_be_sent(entry):
            return await self._settle_lost_submit(entry), False
        await self._check_budget(search)
        if entry is None:
            await self._client.batch(name, [search], labels=[self._label])
        elif entry.state is not EntryState.PLANNED:
            await self._plan_again(entry)
        return await self._submit(name), True

    async def _check_budget(self, search: LookalikeSearch) -> None:
        """Refuse what does not fit, before anything is written.

        The Book checks it again when it writes the intent, in one transaction.
        """
        left = await self.read_left()
        if (search.limit or 0) > left:
            raise _make_over_budget(search.limit or 0, left)

    async def _plan_again(self, entry: BookEntry) -> None:
        try:
            await self._book.resolve(entry.key, submit_again=True)
        except ConfigurationError:
            # Another server has done so in this moment, or a person has decided.
            now = await self.find(entry.batch or "")
            if now is not None and now.state is EntryState.SKIPPED:
                raise

    async def _submit(self, name: str) -> BookEntry:
        """Submit what is planned, and return the entry once its outcome is known."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._runs.ensure(name)
        while True:
            entry = await self.find(name)
            assert entry is not None  # noqa: S101 -- it was planned, and stays
            if entry.state is EntryState.SKIPPED:
                raise await self._explain(entry)
            passed = loop.time() - began
            if entry.state not in _UNDECIDED or passed > START_WITHIN:
                return entry
            if self._runs.is_running(name):
                await asyncio.sleep(_LOOK_EVERY)
            else:
                await self._run_again(name, passed)

    async def _run_again(self, name: str, passed: float) -> None:
        """Run the batch again if another process has the Book, or withdraw the search.

        Raises:
            OpenFunnelError: Something else has ended the run.
        """
        error = self._runs.find_error(name)
        if error is not None and not isinstance(error, BookInUseError):
            raise error
        if error is not None and passed > _LOCK_WITHIN:
            # Unless the other process has sent it in this moment.
            batch = await self._client.batch(name)
            await batch.skip_planned("another process ran the Book; nothing was sent")
            return
        await asyncio.sleep(_LOCK_EVERY)
        self._runs.ensure(name)

    async def _settle_lost_submit(self, entry: BookEntry) -> BookEntry:
        """Return the entry, after a submit that a killed server left was named."""
        if entry.state is not EntryState.SUBMITTING:
            return entry
        return await self._submit(entry.batch or "")

    async def _explain(self, entry: BookEntry) -> Refusal:
        """Return why a search was planned and not sent."""
        left = await self.read_left()
        error = self._runs.find_error(entry.batch or "")
        if isinstance(error, BookInUseError):
            return Refusal("book_in_use", f"{error}. Call start again later.")
        if entry.error == NO_ROOM:
            return _make_over_budget(entry.search.limit or 0, left)
        return Refusal("not_sent", f"Nothing was bought: {entry.error}.")


def _may_be_sent(entry: BookEntry) -> bool:
    """Whether a call may send the search of an entry, as nothing was bought for it.

    Raises:
        Refusal: A person has decided that nothing more is done about it.
    """
    if entry.state is not EntryState.SKIPPED:
        return entry.state in {EntryState.PLANNED, EntryState.REJECTED}
    if entry.was_unknown or entry.job_id is not None:
        raise Refusal(
            "decided",
            "The user has decided that nothing more is done about this request, "
            "because it may have been billed already. Nothing was sent; tell the user, "
            f"who can change that: openfunnel-async batch resolve {entry.key}.",
        )
    return True


def _make_over_budget(limit: int, left: float) -> Refusal:
    return Refusal(
        "over_budget",
        f"Refused, and nothing was sent: the search can cost {limit:,} credits, and "
        f"{left:,.10g} are left of the budget. Use a smaller limit, or ask the user: "
        "only the user can change the budget.",
        credits_at_most=float(limit),
        budget_left=left,
    )


def describe(error: OpenFunnelError | None) -> str | None:
    """Return what keeps a job from being read; None if nothing does."""
    if error is None or isinstance(error, BookInUseError):
        # Another process follows the job, and the Book has what it reads.
        return None
    return str(error)
