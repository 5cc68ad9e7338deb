"""Kill the worker at random moments and start it again, until its batch is bought."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import attrs

from openfunnel_async import Book, BookInUseError
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.sandbox import Sandbox, SlowAnswer
from tests.book.kill.judge import Verdict, find_undone, judge
from tests.book.kill.worker import BOOK_FAILED, DONE, IN_USE

ROOT = Path(__file__).parents[3]
# Seconds of one life, at most, before it is killed.
_LIFE = 1.2
_DRAIN = 0.03
_ENDS_WITHIN = 60.0
_KINDS = {"SIGKILL": 6, "SIGTERM": 2, "SIGINT": 2, "SIGSTOP": 2}
# The exit codes of a process that had no time to write down anything.
_CUTS = (-signal.SIGKILL, -signal.SIGTERM)


@attrs.define
class Figures:
    """What happened in all runs.

    Attributes:
        kills: Signals by kind, while the worker ran.
        batches: Batches that were bought to their end.
        refused: Second runners that were refused and sent nothing.
        totals: The sums of the verdicts at the end of each batch.
        most_under_cap: The most credits that a batch with a cap was billed.
        problems: What contradicts a promise.
    """

    kills: Counter[str] = attrs.field(factory=Counter[str])
    batches: int = 0
    refused: int = 0
    totals: Counter[str] = attrs.field(factory=Counter[str])
    most_under_cap: float = 0.0
    problems: list[str] = attrs.field(factory=list[str])

    def add(self, verdict: Verdict) -> None:
        """Add the verdict at the end of a batch."""
        self.batches += 1
        for name in ("submits", "doubled", "jobs", "unnamed", "rows", "unknown"):
            self.totals[name] += getattr(verdict, name)
        self.totals["credits"] += round(verdict.billed)
        self.totals["searches"] += len(verdict.entries)

    def __str__(self) -> str:
        lines = [f"{self.batches:>8,}  batches bought to their end"]
        lines += [f"{n:>8,}  {kind}" for kind, n in sorted(self.kills.items())]
        lines.append(f"{self.refused:>8,}  second runners refused, nothing sent")
        lines += [f"{n:>8,}  {name}" for name, n in self.totals.items()]
        most = f"{self.most_under_cap:>8,.0f}"
        lines.append(f"{most}  credits at most, of a batch with a cap")
        lines.append(f"{len(self.problems):>8,}  problems")
        return "\n".join([*lines, *self.problems[:20]])


@attrs.frozen
class Worker:
    """The arguments of the worker's lives, and the sandbox that it buys from."""

    path: Path
    sandbox: Sandbox
    options: tuple[str, ...] = ()

    @asynccontextmanager
    async def started(self, *more: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """Start it, and wait until it is about to open the Book."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.book.kill.worker", str(self.path), *self.options, *more),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            line = await process.stdout.readline()
            assert line == b"ready\n", (await process.communicate())[1].decode()
            yield process
        finally:
            if process.returncode is None:
                send_signal(process, signal.SIGKILL)
            await process.communicate()

    async def run(self, *more: str) -> tuple[int, str]:
        """Let it run to its end; return its exit code and what it wrote to stderr."""
        async with self.started(*more) as process:
            async with asyncio.timeout(_ENDS_WITHIN):
                _, errors = await process.communicate()
            assert process.returncode is not None
            return process.returncode, errors.decode()

    @property
    def environment(self) -> dict[str, str]:
        """The environment, which names the sandbox and its key."""
        return {
            **untraced_environment(),
            "OPENFUNNEL_API_KEY": self.sandbox.api_key,
            "OPENFUNNEL_BASE_URL": self.sandbox.base_url,
        }


async def kill_until_bought(  # noqa: PLR0913 -- what a batch is made of
    folder: Path,
    rng: Random,
    figures: Figures,
    *,
    searches: int,
    cap: float | None,
    most_kills: int,
    options: tuple[str, ...] = (),
) -> Verdict:
    """Buy one batch, and kill its program again and again meanwhile.

    Args:
        folder: Where the Book is made.
        rng: Chooses the moments and the signals.
        figures: What happened is added to it.
        searches: How many searches the batch has.
        cap: The cap of the batch, if it has one.
        most_kills: After that many signals the program is left alone.
        options: More arguments of the worker.
    """
    arguments = ["--searches", str(searches), *options]
    if cap is not None:
        arguments += ["--cap", str(cap)]
    async with Sandbox(speed=300, seed=str(rng.random())) as sandbox:
        worker = Worker(folder / "book.sqlite", sandbox, tuple(arguments))
        before = figures.kills.total()
        cuts = 0
        while True:
            sandbox.faults[:] = slow_submits(rng)
            is_left_alone = figures.kills.total() - before >= most_kills
            kind = None if is_left_alone else _choose_kind(rng)
            code = await _live(worker, rng, kind, figures)
            cuts += code in _CUTS
            await asyncio.sleep(_DRAIN)
            verdict = await judge(Book(worker.path), sandbox, cuts=cuts)
            figures.problems += verdict.problems
            if code == DONE:
                break
        sandbox.advance(1e6)
        verdict = await judge(Book(worker.path), sandbox, cuts=cuts)
        figures.add(verdict)
        if cap is not None:
            figures.most_under_cap = max(figures.most_under_cap, verdict.billed)
        figures.problems += verdict.problems
        figures.problems += find_undone(verdict, cap)
        return verdict


def _choose_kind(rng: Random) -> str:
    return rng.choices([*_KINDS], [*_KINDS.values()])[0]


def slow_submits(rng: Random) -> list[SlowAnswer]:
    """Widen the moment between the effect of a submit and the answer."""
    return [
        SlowAnswer(on="submit", delay=rng.choice([0, 0.02, 0.1, 0.3]))
        for _ in range(200)
    ]


async def _live(worker: Worker, rng: Random, kind: str | None, figures: Figures) -> int:
    """Let the worker run, perhaps until a signal; return its exit code."""
    async with worker.started() as process:
        ended = asyncio.create_task(process.communicate())
        while kind is not None:
            await asyncio.wait([ended], timeout=rng.uniform(0, _LIFE))
            if process.returncode is not None:
                break
            figures.kills[kind] += 1
            await _signal(worker, process, kind, figures)
            # A process that was only paused is killed later.
            kind = "SIGKILL" if kind == "SIGSTOP" else None
        async with asyncio.timeout(_ENDS_WITHIN):
            _, errors = await ended
        code = process.returncode
        assert code is not None
        if code > 0 and b"KeyboardInterrupt" not in errors:
            figures.problems.append(f"it ended with {code}: {errors.decode()[-500:]}")
        return code


async def _signal(
    worker: Worker, process: asyncio.subprocess.Process, kind: str, figures: Figures
) -> None:
    send_signal(process, signal.Signals[kind])
    if kind == "SIGSTOP":
        await asyncio.sleep(_DRAIN)
        if _is_run(worker.path):
            await refuse_second(worker, figures)
        send_signal(process, signal.SIGCONT)


def send_signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal, also to a process that ends at this moment.

    The method of the process would ask for its exit code first, which asyncio misses
    then.
    """
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _is_run(path: Path) -> bool:
    """Whether somebody runs the Book; a process may be stopped before it does."""
    lock = RunLock(path)
    try:
        lock.acquire()
    except BookInUseError:
        return True
    lock.release()
    return False


async def refuse_second(worker: Worker, figures: Figures) -> None:
    """Start a second runner beside a stopped one: it has to send nothing.

    A process that was stopped inside of a transaction locks the database as well.
    """
    sent = len(worker.sandbox.requests)
    code, errors = await worker.run()
    is_refused = code in {IN_USE, BOOK_FAILED}
    if is_refused and len(worker.sandbox.requests) == sent:
        figures.refused += 1
        return
    seen = len(worker.sandbox.requests) - sent
    figures.problems.append(
        f"a second runner ended with {code} and sent {seen}: {errors[-300:]}"
    )


def untraced_environment() -> dict[str, str]:
    """Return the environment without coverage, which could not write on a full disk."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COVERAGE_")
    }
