"""What each tool does."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio

from openfunnel_async import Book, JobSnapshot, OpenFunnel
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.errors import OpenFunnelError
from openfunnel_async.export import COLUMNS
from openfunnel_async.mcp._answers import (
    OPEN_STATES,
    Cancelled,
    Estimate,
    JobAnswer,
    Sample,
    Saved,
    Started,
    is_done,
    make_answer,
    make_line,
    name_state,
)
from openfunnel_async.mcp._arguments import (
    SAMPLE_COLUMNS,
    CancelArguments,
    SampleArguments,
    SaveArguments,
    SearchArguments,
    StatusArguments,
    check_columns,
    read_arguments,
)
from openfunnel_async.mcp._files import SaveFolder
from openfunnel_async.mcp._purchases import Purchases, describe
from openfunnel_async.mcp._refusals import Refusal, refuse
from openfunnel_async.mcp._requests import PREFIX, name_job
from openfunnel_async.mcp._runs import BackgroundRuns
from openfunnel_async.mcp._untrusted import escape, escape_value, mark

Report = Callable[[float, float, str], Awaitable[None]]
"""Called with the companies so far, the limit, and a sentence."""

_CANCEL_WITHIN = 40.0
_READ_WITHIN = 5.0
_LOOK_EVERY = 0.25
_MOST_JOBS = 20


class Tools:
    """The tools, over one client.

    Args:
        client: The client, with the Book and the budget.
        book: The Book.
        budget: The budget.
        folder: Where ``save`` writes.
    """

    def __init__(
        self, client: OpenFunnel, book: Book, *, budget: str, folder: SaveFolder
    ) -> None:
        self._client = client
        self._book = book
        self._folder = folder
        label = f"mcp, budget {budget}"
        self.runs: BackgroundRuns = BackgroundRuns(client, book, label)
        self._purchases = Purchases(client, book, self.runs, budget=budget, label=label)
        self._saved: dict[tuple[object, ...], Saved] = {}

    async def call(
        self, name: str, given: Mapping[str, Any], report: Report
    ) -> Mapping[str, Any]:
        """Call a tool.

        Raises:
            Refusal: It does not do what it was asked; the message says why.
        """
        try:
            return await self._call(name, given, report)
        except OpenFunnelError as error:
            raise refuse(error) from None

    async def _call(
        self, name: str, given: Mapping[str, Any], report: Report
    ) -> Mapping[str, Any]:
        match name:
            case "estimate":
                return await self._estimate(read_arguments(SearchArguments, given))
            case "start":
                return await self._start(read_arguments(SearchArguments, given))
            case "status":
                wanted = read_arguments(StatusArguments, given)
                return await self._read_status(wanted, report)
            case "sample":
                return await self._sample(read_arguments(SampleArguments, given))
            case "save":
                return await self._save(read_arguments(SaveArguments, given))
            case "cancel":
                job = read_arguments(CancelArguments, given).job
                return await self._cancel(job, report)
            case _:
                raise Refusal("no_tool", f"there is no tool {escape(name, 60)}.")

    async def _estimate(self, arguments: SearchArguments) -> Estimate:
        search = arguments.to_search()
        entry = await self._purchases.find(name_job(search))
        left = await self._purchases.read_left()
        fits = arguments.limit <= left
        advice = "start buys it." if fits else "It does not fit; use a smaller limit."
        if entry is not None:
            advice = "The Book has this request: start returns its job."
        return {
            "credits_at_most": float(arguments.limit),
            "budget_left": left,
            "fits": fits,
            "job": None if entry is None else entry.batch,
            "state": None if entry is None else name_state(entry),
            "next": advice,
        }

    async def _start(self, arguments: SearchArguments) -> Started:
        search = arguments.to_search()
        work = self._purchases.start(search)
        entry, is_new = await self.runs.share(name_job(search), work)
        return {**await self._answer(entry), "is_new": is_new}

    async def _read_status(
        self, arguments: StatusArguments, report: Report
    ) -> Mapping[str, Any]:
        if arguments.job is None:
            return await self._list()
        entry = await self._find(arguments.job)
        entry = await self._wait_until_done(entry, arguments.wait_seconds, report)
        return await self._answer(entry)

    async def _list(self) -> Mapping[str, Any]:
        entries = [
            entry
            for entry in await self._book.entries()
            if (entry.batch or "").startswith(PREFIX)
        ]
        return {
            "budget_left": await self._purchases.read_left(),
            "jobs": [make_line(entry) for entry in entries[-_MOST_JOBS:]],
        }

    async def _sample(self, arguments: SampleArguments) -> Sample:
        check_columns(arguments.columns, SAMPLE_COLUMNS)
        entry = await self._find(arguments.job)
        batch = await self._book.batch(arguments.job)
        companies: list[dict[str, object]] = []
        async for company in batch.rows(new_only=arguments.new_only):
            fields = company.to_dict()
            companies.append(
                {name: escape_value(fields.get(name)) for name in arguments.columns}
            )
            if len(companies) == arguments.rows:
                break
        return {
            "job": arguments.job,
            "rows": len(companies),
            "in_book": entry.rows,
            "untrusted": mark({"companies": companies}),
        }

    async def _save(self, arguments: SaveArguments) -> Saved:
        if arguments.columns is not None:
            check_columns(arguments.columns, COLUMNS)
        await self._find(arguments.job)
        columns = tuple(arguments.columns or ())
        what = (arguments.file, arguments.job, columns, arguments.new_only)
        earlier = self._saved.get(what)
        if earlier is not None and await anyio.Path(earlier["path"]).is_file():
            return earlier
        path = self._folder.check(arguments.file)
        work = self._write(arguments, path)
        # Two calls for one file share one write, if they want the same.
        saved = await self.runs.share(f"save {what!r}", work)
        if saved["is_complete"]:
            self._saved[what] = saved
        return saved

    async def _write(self, arguments: SaveArguments, path: Path) -> Saved:
        # Before the rows: a job that was done had all of them.
        entry = await self._find(arguments.job)
        batch = await self._book.batch(arguments.job)
        rows = batch.rows(new_only=arguments.new_only)
        count = await self._folder.write(rows, path, arguments.columns)
        advice = "The file has all companies."
        if not is_done(entry):
            advice = "The job still runs: save again later, under another name."
        return {
            "job": arguments.job,
            "path": str(path),
            "rows": count,
            "is_complete": is_done(entry),
            "next": advice,
        }

    async def _cancel(self, name: str, report: Report) -> Cancelled:
        entry = await self._find(name)
        if is_done(entry):
            return await self._make_receipt(entry, accepted=False)
        accepted = await self.runs.share(f"cancel {name}", self._send_cancel(name))
        entry = await self._find(name)
        entry = await self._wait_until_done(entry, _CANCEL_WITHIN, report)
        return await self._make_receipt(entry, accepted=accepted)

    async def _send_cancel(self, name: str) -> bool:
        batch = await self._client.batch(name)
        receipts = await batch.cancel()
        return any(receipt.accepted for receipt in receipts)

    async def _make_receipt(self, entry: BookEntry, *, accepted: bool) -> Cancelled:
        avoided = None
        if entry.billed is not None and entry.exposure is not None:
            avoided = max(0.0, entry.exposure - entry.billed)
        return {
            **await self._answer(entry),
            "accepted": accepted,
            "already_ended": is_done(entry) and not accepted,
            "credits_avoided": avoided if accepted else None,
        }

    async def _find(self, name: str) -> BookEntry:
        """Return the entry of a job.

        Raises:
            Refusal: There is none that start has made.
        """
        entry = None
        if name.startswith(PREFIX) and name.isprintable():
            entry = await self._purchases.find(name)
        if entry is None:
            raise Refusal(
                "no_job",
                f"there is no job {escape(name, 60)}; status without a job lists them.",
            )
        return entry

    async def _wait_until_done(
        self, entry: BookEntry, seconds: float, report: Report
    ) -> BookEntry:
        """Wait for the end of a job, and report its progress."""
        name = entry.batch or ""
        loop = asyncio.get_running_loop()
        until, reported = loop.time() + seconds, -1
        if entry.state in OPEN_STATES:
            self.runs.ensure(name)
        while not is_done(entry) and loop.time() < until:
            if entry.rows > reported:
                reported = entry.rows
                limit = entry.search.limit or 0
                text = f"{entry.rows:,} of at most {limit:,} companies are in the Book"
                await report(entry.rows, limit, text)
            await asyncio.sleep(min(_LOOK_EVERY, max(0.0, until - loop.time())))
            entry = await self._find(name)
        return entry

    async def _answer(self, entry: BookEntry) -> JobAnswer:
        """Return what is known of a job, with the texts of the service marked."""
        snapshot = await self._poll(entry)
        answer = make_answer(entry, await self._purchases.read_left(), snapshot)
        problem = describe(self.runs.find_error(entry.batch or ""))
        if problem is not None and not is_done(entry):
            answer["problem"] = escape(problem)
        texts = {"error": entry.error}
        if snapshot is not None:
            texts["progress"] = snapshot.progress_message
            texts["error"] = entry.error or snapshot.error_message
        shown = {name: escape(text) for name, text in texts.items() if text}
        if shown:
            answer["untrusted"] = mark(shown)
        return answer

    async def _poll(self, entry: BookEntry) -> JobSnapshot | None:
        """Ask the service about a job that runs; None if it does not answer soon."""
        if entry.state is not EntryState.SUBMITTED or entry.job_id is None:
            return None
        with anyio.move_on_after(_READ_WITHIN):
            try:
                return await self._client.job(entry.job_id).poll()
            except OpenFunnelError:
                # What keeps it from being read is the problem of the answer.
                return None
        return None
