"""Count Ctrl-C: once leaves the job running, twice cancels it.

A signal only stops the work that runs. The command, which knows the job, decides what
happens next.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import anyio

from openfunnel_async.cli._output.exit_codes import ExitCode

T = TypeVar("T")

_TERMINATIONS = frozenset(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that nobody repeats; Windows has no SIGHUP."""

SECOND_WITHIN = 3.0
"""Seconds after a Ctrl-C in which a second one cancels."""


class Interrupts:
    """The signals that arrived and were not handled yet."""

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._arrival = anyio.Event()
        self._signals_to_stop = 1
        self._scope: anyio.CancelScope | None = None
        self._on_ignored: Callable[[], object] | None = None
        self._code = ExitCode.INTERRUPTED

    @property
    def code(self) -> ExitCode:
        """The exit code of a command that a signal stopped."""
        return self._code

    @property
    def is_pending(self) -> bool:
        """Whether a signal arrived that was not handled yet."""
        return bool(self._pending)

    @property
    def is_insistent(self) -> bool:
        """Whether a Ctrl-C arrived after another signal."""
        return len(self._pending) > 1 and self._pending[-1] == signal.SIGINT

    async def run(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        signals: int = 1,
        on_ignored: Callable[[], object] | None = None,
    ) -> T | None:
        """Run the work until it ends or signals stop it.

        Args:
            work: What to run.
            signals: How many signals stop it.
            on_ignored: Called at a signal that does not stop it.

        Returns:
            The result of the work; None if it was stopped.
        """
        with anyio.CancelScope() as scope:
            self._scope, self._signals_to_stop = scope, signals
            self._on_ignored = on_ignored
            try:
                self._stop_if_due()
                return await work()
            finally:
                self._scope = None
        return None

    async def is_repeated(self) -> bool:
        """Handle one signal; return whether a second Ctrl-C follows it in time."""
        if self._pending.pop(0) in _TERMINATIONS:
            return False
        with anyio.move_on_after(SECOND_WITHIN):
            while not self._pending:
                self._arrival = anyio.Event()
                await self._arrival.wait()
        return bool(self._pending) and self._pending.pop(0) == signal.SIGINT

    def add(self, number: int) -> None:
        """Add a signal; call it on the loop's own thread."""
        self._pending.append(number)
        if number in _TERMINATIONS:
            self._code = ExitCode.TERMINATED
        self._arrival.set()
        self._stop_if_due()

    def _stop_if_due(self) -> None:
        if self._scope is None or not self._pending:
            return
        if len(self._pending) >= self._signals_to_stop:
            self._scope.cancel()
        elif self._on_ignored is not None:
            self._on_ignored()


def run_command(command: Callable[[Interrupts], Awaitable[T]]) -> T:
    """Run a command on a new event loop, and count the signals meanwhile."""

    async def run() -> T:
        with _count_signals() as interrupts:
            return await command(interrupts)

    return anyio.run(run)


@contextmanager
def _count_signals() -> Generator[Interrupts, None, None]:
    """Count SIGINT, SIGTERM and SIGHUP, so that they do not end the process."""
    interrupts = Interrupts()
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupts.add, number)

    # Under nohup SIGHUP is ignored, and stays so.
    counted = [
        number
        for number in (signal.SIGINT, *_TERMINATIONS)
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, handle) for number in counted}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
