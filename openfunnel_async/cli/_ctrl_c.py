"""Ctrl-C, counted: once leaves the job running, twice cancels it.

A signal only ever ends the work that is under way; what it leaves behind is said and
decided by the command, which knows the job.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import anyio

from openfunnel_async.cli._exits import Exit

T = TypeVar("T")

GRACE = 3.0
"""Seconds after a Ctrl-C in which a second one counts as such."""


class Interrupts:
    """The signals that have come and were not yet seen to."""

    def __init__(self) -> None:
        self._unseen: list[int] = []
        self._news = anyio.Event()
        self._ends_at = 1
        self._scope: anyio.CancelScope | None = None
        self._early: Callable[[], object] | None = None
        self._code = Exit.INTERRUPTED

    @property
    def code(self) -> Exit:
        """The exit code of a command that left because of a signal."""
        return self._code

    async def until(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        signals: int = 1,
        early: Callable[[], object] | None = None,
    ) -> T | None:
        """Do the work until it is done or so many signals have come.

        Args:
            work: What to do.
            signals: How many of them end it.
            early: Called at one that does not.

        Returns:
            What the work returned; None if it was stopped.
        """
        with anyio.CancelScope() as scope:
            self._scope, self._ends_at, self._early = scope, signals, early
            try:
                self._look()
                return await work()
            finally:
                self._scope = None
        return None

    async def again(self) -> bool:
        """See to a signal, and tell whether it is, or within 3 s becomes, a second."""
        if self._unseen.pop(0) == signal.SIGTERM:
            return False
        with anyio.move_on_after(GRACE):
            while not self._unseen:
                self._news = anyio.Event()
                await self._news.wait()
        return bool(self._unseen) and self._unseen.pop(0) == signal.SIGINT

    def came(self, number: int) -> None:
        """Note a signal; called on the loop's own thread."""
        self._unseen.append(number)
        if number == signal.SIGTERM:
            self._code = Exit.TERMINATED
        self._news.set()
        self._look()

    @property
    def any_unseen(self) -> bool:
        """Whether a signal waits to be seen to."""
        return bool(self._unseen)

    def _look(self) -> None:
        if self._scope is None or not self._unseen:
            return
        if len(self._unseen) >= self._ends_at:
            self._scope.cancel()
        elif self._early is not None:
            self._early()


def play(part: Callable[[Interrupts], Awaitable[Exit]]) -> Exit:
    """Run a command's part on a loop that counts its signals."""

    async def on_stage() -> Exit:
        with listening() as interrupts:
            return await part(interrupts)

    return anyio.run(on_stage)


@contextmanager
def listening() -> Generator[Interrupts, None, None]:
    """Count SIGINT and SIGTERM, inside of a running loop, instead of dying of them."""
    interrupts = Interrupts()
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupts.came, number)

    before = {
        number: signal.signal(number, handle)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
