"""A schedule in which a program runs a Book, crashes, and is started again.

A crash drops the loop of the program with all of its tasks: none of them runs any more.
What was sent may still arrive. The next life has a loop of its own, whose clock
continues, and opens the same file.
"""

import asyncio
import gc
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import attrs

from openfunnel_async import (
    Batch,
    Book,
    Company,
    LookalikeSearch,
    OpenFunnel,
    OpenFunnelError,
    WireRequest,
)
from openfunnel_async.book import EntryState
from openfunnel_async.book._sqlite.database import SqliteDatabase
from openfunnel_async.sandbox import Service
from tests.storm.book_records import BookRecord, BookView, LifeEnd, query_of
from tests.storm.counts import ScheduleResult, count_book_events
from tests.storm.event_log import CURRENT_STEP, Exchange, Step
from tests.storm.evidence import Evidence
from tests.storm.exchange_plans import Break
from tests.storm.faulty_transport import FaultyTransport
from tests.storm.internals import Connection, RunLock, ledger_of
from tests.storm.invariants import check_book_invariants
from tests.storm.job_invariants import jobs_by_tag
from tests.storm.plan_generator import PlanGenerator
from tests.storm.random_choices import RandomChoices
from tests.storm.schedule import LONGEST_SCHEDULE, Schedule, draw_life, draw_schedule
from tests.storm.storm_loop import StormLoop, describe_error, make_client, recorded_log
from tests.support.virtual_time import StuckLoopError

# Each seed that is a multiple of this has such a schedule.
EVERY = 8
# Each commit waits for the disk, and no crash here loses what was written.
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- a folder is made in it
_NAME = "storm"
_ENDS: dict[LifeEnd, float] = {
    "crash": 6,
    "cancel": 2,
    "close": 1,
    "end": 1,
    "cancel batch": 0.4,
}


def run_book_schedule(seed: int) -> ScheduleResult:
    """Run and check a schedule; the result depends on the seed alone."""
    schedule = attrs.evolve(draw_schedule(seed), wait_timeout=None)
    host = _Host(schedule)
    before = random.getstate()
    random.seed(f"{seed}/book client")
    try:
        with (
            tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder,
            recorded_log(host.evidence),
            _inline_transactions(host),
        ):
            try:
                host.run(Path(folder, "book.sqlite"))
            except StuckLoopError as exc:
                host.evidence.stuck.append(str(exc))
            finally:
                host.bury()
    finally:
        random.setstate(before)
    evidence = host.evidence
    violations = tuple(check_book_invariants(evidence))
    counts = count_book_events(evidence)
    return ScheduleResult(seed, violations, counts, evidence.event_log)


class CrashableTransport(FaultyTransport):
    """Remembers the requests, so that they arrive although their program crashed."""

    requests: dict[int, WireRequest]

    def _start_exchange(self, request: WireRequest) -> Exchange:
        exchange = super()._start_exchange(request)
        self.requests[exchange.number] = request
        return exchange

    def crash(self) -> None:
        """Let requests that were sent arrive, or not, as planned."""
        for exchange in self._event_log.exchanges:
            if exchange.ended_at is not None:
                continue
            exchange.ended_at = asyncio.get_running_loop().time()
            exchange.end = "its program crashed"
            plan = exchange.plan
            arrives = plan.arrives_anyway and plan.connection_break not in {
                Break.CUT_BEFORE,
                Break.REFUSED,
            }
            if exchange.sent_at is not None and exchange.arrived_at is None and arrives:
                self._arrive(exchange, self.requests[exchange.number])


class _Host:
    """The machine on which the program lives again and again."""

    def __init__(self, schedule: Schedule) -> None:
        seed = schedule.seed
        self._rng = RandomChoices(f"{seed}/book")
        self._loop = StormLoop()
        service = Service(
            clock=self._now,
            seed="storm",
            credits=schedule.credits,
            row_shape="six",
            unknowns=schedule.unknowns,
            plan=lambda number, _limit: draw_life(seed, number),
            rate_limit=schedule.rate_limit,
        )
        self._searches = self._draw_searches()
        exposure = sum(search.limit or 0 for search in self._searches)
        caps = {None: 1, self._rng.randint(exposure // 2, exposure): 1}
        self._record = BookRecord(self._rng.weighted(caps))
        self.evidence = Evidence(schedule, service, book=self._record)
        # The first one only has a time.
        self._dropped: list[tuple[StormLoop, set[asyncio.Task[Any]]]] = [
            (self._loop, set())
        ]
        self._book: Book | None = None
        self._transport: CrashableTransport | None = None
        self._crash_at: int | None = None

    def _now(self) -> float:
        """Return the time of the loop of the life that runs."""
        return self._loop.time()

    def _draw_searches(self) -> list[LookalikeSearch]:
        rng = self._rng
        return [
            LookalikeSearch(
                query=f"book {number}",
                limit=rng.choice([rng.randint(1, 30), 100, rng.randint(31, 330)]),
            )
            for number in range(rng.randint(1, 7))
        ]

    def run(self, path: Path) -> None:
        """Let the program live a few times, at last without faults."""
        for _ in range(self._rng.randint(1, 5)):
            self._live(path, self._rng.weighted(_ENDS))
            self._inspect(path)
        self.evidence.service.rate_limit = None
        self.evidence.recovered_at = self._loop.time()
        self._live(path, "end", has_recovered=True)
        self._inspect(path)
        self.evidence.ended = self._loop.time()

    def _live(self, path: Path, end: LifeEnd, *, has_recovered: bool = False) -> None:
        """Let the program run until its end, or until a crash."""
        rng, loop = self._rng, self._next_loop()
        self._record.lives[end] += 1
        after = rng.seconds(rng.choice([1, 5, 40, 200]))
        steps = self.evidence.event_log.steps
        step = Step(len(steps), 0, f"life, {end} after {after}", loop.time())
        steps.append(step)
        life = loop.create_task(self._program(path, end, after, step, has_recovered))
        life.add_done_callback(lambda _: loop.stop())
        if end == "crash":
            # Between two transactions, or at any moment.
            self._crash_at = rng.weighted({None: 1, rng.randint(1, 40): 1})
            loop.call_at(loop.time() + after, loop.stop)
        loop.call_at(loop.time() + LONGEST_SCHEDULE, self._note_stuck)
        loop.run_forever()
        step.ended = loop.time()
        if life.done():
            step.outcome = life.result()
        else:
            step.outcome = "crashed"
            self._record.crashes += 1
        self._crash_at = None
        self._drop(loop)

    def _next_loop(self) -> StormLoop:
        self._loop = loop = StormLoop(self._loop.time())
        loop.set_exception_handler(
            lambda _loop, context: self.evidence.loop_errors.append(
                describe_error(context)
            )
        )
        return loop

    def _note_stuck(self) -> None:
        self.evidence.stuck.append(f"a life did not end within {LONGEST_SCHEDULE:g} s")
        self._loop.stop()

    async def _program(
        self, path: Path, end: LifeEnd, after: float, step: Step, has_recovered: bool
    ) -> str:
        """Run the batch, as a program would; return the outcome in words."""
        CURRENT_STEP.set(step)
        if self._transport is not None:
            self._transport.crash()
        self._book = Book(path)
        self._transport = self._make_transport(step)
        self._transport.has_recovered = has_recovered
        client = make_client(self.evidence, self._transport, self._book)
        outcome = "returned"
        try:
            batch = await client.batch(
                _NAME, self._searches, max_credits=self._record.cap
            )
            outcome = await self._run(batch, client, end, after)
            self._record.has_finished = has_recovered
        except OpenFunnelError as exc:
            outcome = f"{type(exc).__name__}: {exc}"
            self.evidence.check_for_key(f"{outcome} {exc!r}", "an error")
        except Exception as exc:  # noqa: BLE001 -- an invariant checks what it is
            outcome = f"{type(exc).__name__}: {exc}"
            self.evidence.foreign_exceptions.append(outcome)
        await client.aclose()
        rest = self._transport.last_arrival - self._loop.time()
        await anyio.sleep(max(0.0, rest))
        if not has_recovered:
            await self._resolve()
        return outcome

    def _make_transport(self, step: Step) -> CrashableTransport:
        schedule, service = self.evidence.schedule, self.evidence.service
        rng = RandomChoices(f"{schedule.seed}/book transport/{step.number}")
        generator = PlanGenerator(
            rng, schedule.fault_rate, schedule.latency, service.api_key
        )
        transport = CrashableTransport(service, generator, self.evidence)
        transport.requests = {}
        return transport

    async def _run(
        self, batch: Batch, client: OpenFunnel, end: LifeEnd, after: float
    ) -> str:
        run = asyncio.create_task(batch.run(max_active=self._rng.randint(1, 4)))
        if end in {"cancel", "close", "cancel batch"}:
            await asyncio.wait([run], timeout=after)
        if end == "cancel":
            run.cancel()
        elif end == "close":
            await client.aclose()
        elif end == "cancel batch":
            with suppress(OpenFunnelError):
                await batch.cancel()
        await asyncio.wait([run])
        if run.cancelled():
            return "cancelled"
        return str(run.result())

    async def _resolve(self) -> None:
        """Let a person decide about an unknown submit, sometimes."""
        assert self._book is not None
        found = await self._book.entries(state=EntryState.UNKNOWN)
        if not found or not self._rng.chance(0.3):
            return
        entry = self._rng.choice(found)
        made = jobs_by_tag(self.evidence).get(query_of(entry), [])
        match self._rng.choice(["job", "skip", "again"]):
            case "job" if made and not self._record.resolved[query_of(entry)]:
                await self._book.resolve(entry.key, job_id=made[-1])
            case "again":
                self._record.resolved[query_of(entry)] += 1
                await self._book.resolve(entry.key, submit_again=True)
            case _:
                pass
        await self._book.aclose()

    # Crashes

    def count_transaction(self) -> bool:
        """Whether the program crashes now, before a transaction."""
        if self._crash_at is None:
            return False
        self._crash_at -= 1
        if self._crash_at <= 0:
            self._loop.stop()
            return True
        return False

    def _drop(self, loop: StormLoop) -> None:
        """Take from a dead program what the system takes, and let nothing run."""
        self._dropped.append((loop, asyncio.all_tasks(loop)))
        if self._book is None:
            return
        store: Any = ledger_of(self._book).store
        lock: RunLock = store._lock
        if lock._file is not None:
            os.close(lock._file)
            lock._file = None
        store._connection._close()

    def bury(self) -> None:
        """End the tasks of dead programs, in silence: nothing of them may be seen."""
        logger, hook = logging.getLogger("openfunnel_async"), sys.unraisablehook
        logger.disabled, sys.unraisablehook = True, lambda _: None
        try:
            for loop, tasks in self._dropped:
                loop.set_exception_handler(lambda _loop, _context: None)
                for task in tasks:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore -- asyncio's own word for it
                    with suppress(BaseException):
                        task.get_coro().close()
                loop.close()
            self._dropped.clear()
            gc.collect()
        finally:
            logger.disabled, sys.unraisablehook = False, hook

    # What is in the Book

    def _inspect(self, path: Path) -> None:
        """Read the whole Book, while nobody runs it."""
        loop = self._next_loop()
        view = loop.run_until_complete(self._view(path))
        self._record.views.append(view)
        loop.close()

    async def _view(self, path: Path) -> BookView:
        async with Book(path) as book:
            entries = await book.entries()
            statuses = await book.batches()
            rows: dict[str, list[Company]] = {}
            if statuses:
                stored = (await book.batch(_NAME)).rows()
                for entry in entries:
                    found = [await anext(stored, None) for _ in range(entry.rows)]
                    rows[entry.key] = [one for one in found if one is not None]
            return BookView(
                moment=self._loop.time(),
                check=await book.check(),
                entries=tuple(entries),
                status=statuses[0] if statuses else None,
                rows=rows,
                made=dict(jobs_by_tag(self.evidence)),
                crashes=self._record.crashes,
            )


@contextmanager
def _inline_transactions(host: _Host) -> Generator[None]:
    """Run transactions on the loop, where they can be counted; no thread is needed."""
    run, aclose = Connection._run, Connection.aclose

    async def run_inline(
        self: Connection,
        begin: str | None,
        function: Callable[[SqliteDatabase], Any],
    ) -> Any:
        await asyncio.sleep(0)
        if host.count_transaction():
            await asyncio.get_running_loop().create_future()
        return self._do(begin, function)

    async def close_inline(self: Connection) -> None:
        await asyncio.sleep(0)
        self._close()

    Connection._run, Connection.aclose = run_inline, close_inline  # type: ignore[method-assign]  # put back at the end
    try:
        yield
    finally:
        Connection._run, Connection.aclose = run, aclose  # type: ignore[method-assign]  # put back at the end
