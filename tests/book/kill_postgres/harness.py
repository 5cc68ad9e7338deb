"""Two workers buy one batch, while both of them and their database fail."""

import asyncio
import signal
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import attrs

from openfunnel_async import Book
from openfunnel_async.sandbox import Sandbox
from tests.book.kill.harness import (
    ROOT,
    Figures,
    send_signal,
    slow_submits,
    untraced_environment,
)
from tests.book.kill.judge import Verdict, judge
from tests.book.kill.worker import BOOK_FAILED, DONE
from tests.book.postgres.relay import Relay
from tests.support.postgres import PostgresServer, make_schema

LEASE = 2.0
PATIENCE = 3.0
_ENDS_WITHIN = 120.0
_PAUSE = 0.9
_DRAIN = 0.05
_KINDS = {
    "SIGKILL": 6,
    "SIGTERM": 2,
    "SIGSTOP": 3,
    "database crash": 2,
    "database away": 1,
    "silent link": 1,
    "cut before COMMIT": 2,
    "cut after COMMIT": 2,
}
_DEADLY = (-signal.SIGKILL, -signal.SIGTERM)
COMMIT = b"COMMIT"


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
            code = process.returncode
            assert code is not None
            self.cuts += code in _DEADLY
            self.is_done = code == DONE
            if code not in {DONE, BOOK_FAILED, *_DEADLY}:
                text = errors.decode()[-600:]
                self.figures.problems.append(f"a worker ended with {code}: {text}")
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
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.book.kill_postgres.worker", self.relay.url, *self.options),
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
                tuple(arguments),
                folder,
                figures,
            )
            for _ in range(2)
        ]
        lives = [asyncio.create_task(worker.keep_alive()) for worker in workers]
        all_done = asyncio.gather(*lives)
        for kind in faults:
            sandbox.faults[:] = slow_submits(rng)
            await asyncio.wait([all_done], timeout=rng.uniform(0, _PAUSE))
            if all_done.done():
                break
            await _fail(kind, rng.choice(workers), server, figures)
        async with asyncio.timeout(_ENDS_WITHIN):
            await all_done
        sandbox.advance(1e6)
        cuts = sum(worker.cuts for worker in workers)
        verdict = await judge(Book.connect(url), sandbox, cuts=cuts)
        figures.add(verdict)
        if cap is not None:
            figures.most_under_cap = max(figures.most_under_cap, verdict.billed)
        figures.problems += verdict.problems
        return verdict


async def _fail(
    kind: str, worker: Worker, server: PostgresServer, figures: Figures
) -> None:
    figures.kills[kind] += 1
    if kind == "SIGSTOP":
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * LEASE)
        worker.signal(signal.SIGCONT)
        worker.cuts += 1
    elif kind.startswith("SIG"):
        worker.signal(signal.Signals[kind])
    elif kind == "database crash":
        await asyncio.to_thread(server.restart)
    elif kind == "database away":
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(1.5 * PATIENCE)
        await asyncio.to_thread(server.start)
    elif kind == "silent link":
        worker.relay.is_silent = True
        await asyncio.sleep(1.5 * LEASE)
        worker.relay.is_silent = False
        worker.relay.cut_all()
        # Like a process that was stopped, it could not renew its leases.
        worker.cuts += 1
    elif kind == "cut before COMMIT":
        worker.relay.cut_before = COMMIT
    else:
        worker.relay.cut_after = COMMIT


def choose_faults(rng: Random, most: int) -> list[str]:
    """Return faults at random, the common ones more often."""
    return rng.choices([*_KINDS], [*_KINDS.values()], k=most)
