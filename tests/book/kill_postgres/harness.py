"""Two workers buy one batch, while both of them and their database fail."""

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random

import attrs

from openfunnel_async import Book
from openfunnel_async.sandbox import Sandbox, SlowAnswer
from tests.book.kill.harness import (
    ROOT,
    Figures,
    send_signal,
    slow_submits,
    untraced_environment,
)
from tests.book.kill.judge import Verdict, find_undone, judge
from tests.book.kill.worker import BOOK_FAILED, DONE
from tests.book.kill_postgres.worker import STOPPED
from tests.book.postgres.relay import Relay
from tests.support.postgres import PostgresServer, make_schema

LEASE = 2.0
PATIENCE = 3.0
_ENDS_WITHIN = 120.0
_PAUSE = 0.9
_DRAIN = 0.05
_LOOK_EVERY = 0.01
_SUBMIT_WITHIN = 10.0
_NOTICED_WITHIN = 60.0
_KINDS = {
    "SIGKILL": 6,
    "SIGKILL of both": 1,
    "SIGTERM": 3,
    "SIGSTOP": 3,
    "database crash": 2,
    "database away": 1,
    "id in hand": 1,
    "silent link": 1,
    "dead links": 1,
    "cut before COMMIT": 2,
    "cut after COMMIT": 2,
}
_DEADLY = (-signal.SIGKILL, -signal.SIGTERM)
COMMIT = b"COMMIT"
# What a worker says when it ends because of the database, and of nothing else.
_IS_AWAY = (
    "cannot be reached",
    "was not reached",
    "database of the worker failed",
    "tables of the workers could not be made",
)
_IS_HELD = "could not be written into the Book"


@attrs.define
class Worker:
    """One of the two places; its process is started again whenever it has ended.

    Attributes:
        relay: The link to the database.
        process: The process that lives now.
        cuts: How often a process was ended or stopped too long to write anything.
    """

    relay: Relay
    sandbox: Sandbox
    options: tuple[str, ...]
    state: Path
    figures: Figures
    process: asyncio.subprocess.Process | None = None
    cuts: int = 0
    is_done: bool = False

    async def keep_alive(self) -> None:
        """Start it, and start it again until it ends with everything bought."""
        while not self.is_done:
            process = self.process = await self._start()
            _, errors = await process.communicate()
            code, text = process.returncode, errors.decode()
            assert code is not None
            self.cuts += code in _DEADLY
            self.is_done = code == DONE
            self.figures.totals["ids held outside of the database"] += text.count(
                _IS_HELD
            )
            is_away = code == BOOK_FAILED and any(why in text for why in _IS_AWAY)
            if code not in {DONE, STOPPED, *_DEADLY} and not is_away:
                problem = f"a worker ended with {code}: {text[-600:]}"
                self.figures.problems.append(problem)
                return
            # As a supervisor would.
            await asyncio.sleep(_DRAIN)

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {
            **untraced_environment(),
            "OPENFUNNEL_API_KEY": self.sandbox.api_key,
            "OPENFUNNEL_BASE_URL": self.sandbox.base_url,
            "XDG_STATE_HOME": str(self.state),
        }
        url = f"{self.relay.url}&connect_timeout=2"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.book.kill_postgres.worker", url, *self.options),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        return process

    def signal(self, kind: signal.Signals) -> None:
        """Send a signal to the process, if it lives."""
        if self.process is not None and self.process.returncode is None:
            send_signal(self.process, kind)


async def buy_among_faults(  # noqa: PLR0913 -- what a batch is made of
    server: PostgresServer,
    folder: Path,
    rng: Random,
    figures: Figures,
    *,
    searches: int,
    cap: float | None,
    faults: Iterable[str],
    engines: tuple[bool, bool] = (False, False),
    options: tuple[str, ...] = (),
) -> Verdict:
    """Buy one batch by two workers, with faults meanwhile; return the verdict.

    Args:
        server: The database.
        folder: Where the workers keep what must survive them.
        rng: Chooses the moments and the faults.
        figures: What happened is added to it.
        searches: How many searches the batch has.
        cap: The cap of the batch, if it has one.
        faults: What fails, one after the other; then the workers are left alone.
        engines: Which of the two workers dispatches by tasks.
        options: More arguments of the workers.
    """
    url = make_schema(server.url)
    arguments = ["--searches", str(searches), "--lease", str(LEASE), *options]
    arguments += ["--patience", str(PATIENCE)]
    if cap is not None:
        arguments += ["--cap", str(cap)]
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            Sandbox(speed=100, seed=str(rng.random()))
        )
        workers = [
            Worker(
                stack.enter_context(Relay(url)),
                sandbox,
                (*arguments, "--engine") if has_engine else tuple(arguments),
                folder,
                figures,
            )
            for has_engine in engines
        ]
        lives = [asyncio.create_task(worker.keep_alive()) for worker in workers]
        all_done = asyncio.gather(*lives)
        for kind in faults:
            sandbox.faults[:] = slow_submits(rng)
            await asyncio.wait([all_done], timeout=rng.uniform(0, _PAUSE))
            if all_done.done():
                break
            first = rng.choice(workers)
            await _fail(kind, [first, *workers], server, figures)
        async with asyncio.timeout(_ENDS_WITHIN):
            await all_done
        sandbox.advance(1e6)
        cuts = sum(worker.cuts for worker in workers)
        verdict = await judge(Book.connect(url), sandbox, cuts=cuts)
        figures.add(verdict)
        if cap is not None:
            figures.most_under_cap = max(figures.most_under_cap, verdict.billed)
        figures.problems += verdict.problems
        figures.problems += find_undone(verdict, cap)
        return verdict


async def _fail(
    kind: str, workers: Sequence[Worker], server: PostgresServer, figures: Figures
) -> None:
    """Let something fail.

    Args:
        kind: What fails.
        workers: The one that it meets, then both.
        server: The database.
        figures: The fault is counted there.
    """
    worker, *both = workers
    figures.kills[kind] += 1
    match kind:
        case "SIGSTOP":
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(1.5 * LEASE)
            worker.signal(signal.SIGCONT)
            worker.cuts += 1
        case "SIGKILL of both":
            _kill(both)
        case "SIGKILL" | "SIGTERM":
            worker.signal(signal.Signals[kind])
        case "silent link":
            await _silence(worker)
        case "dead links":
            await _silence_until_end(both)
        case "cut before COMMIT":
            worker.relay.cut_before = COMMIT
        case "cut after COMMIT":
            worker.relay.cut_after = COMMIT
        case _:
            await _fail_database(kind, both, server)


def _kill(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.signal(signal.SIGKILL)


async def _silence(worker: Worker) -> None:
    """Let a link forward nothing for longer than the lease, and cut it then."""
    worker.relay.is_silent = True
    await asyncio.sleep(1.5 * LEASE)
    worker.relay.is_silent = False
    worker.relay.cut_all()
    # Like a process that was stopped, it could not renew its leases.
    worker.cuts += 1


async def _silence_until_end(workers: Sequence[Worker]) -> None:
    """Let both links forward nothing, with an id in hand, until the processes end.

    A worker has to notice it by itself: nothing ends the connections.
    """
    await _wait_for_submit(workers[0].sandbox)
    for worker in workers:
        worker.relay.is_silent = True
    living = [worker.process for worker in workers if worker.process is not None]
    async with asyncio.timeout(_NOTICED_WITHIN):
        await asyncio.gather(*(process.wait() for process in living))
    for worker in workers:
        worker.relay.is_silent = False
        worker.relay.cut_all()


async def _fail_database(
    kind: str, workers: Sequence[Worker], server: PostgresServer
) -> None:
    """Let the database crash, or be away for longer than it is waited for."""
    is_in_hand = kind == "id in hand"
    if is_in_hand:
        await _wait_for_submit(workers[0].sandbox)
    await asyncio.to_thread(server.stop)
    if kind != "database crash":
        await asyncio.sleep(1.5 * PATIENCE)
    if is_in_hand:
        # All that knows the id by now is a file.
        _kill(workers)
    await asyncio.to_thread(server.start)


async def _wait_for_submit(sandbox: Sandbox) -> None:
    """Wait until a submit has arrived whose answer takes longer than a stop."""
    sandbox.faults[:] = [SlowAnswer(on="submit", delay=1.0)] * 8
    arrived = len(sandbox.jobs)
    with suppress(TimeoutError):
        async with asyncio.timeout(_SUBMIT_WITHIN):
            while len(sandbox.jobs) == arrived:  # noqa: ASYNC110 -- others make them
                await asyncio.sleep(_LOOK_EVERY)


def choose_faults(rng: Random, most: int) -> list[str]:
    """Return faults at random, the common ones more often."""
    return rng.choices([*_KINDS], [*_KINDS.values()], k=most)
