"""A loop that can be stopped before any of its steps, to do harm just then.

    loop.before_step(7, task.cancel)    # from now on: before the eighth step

A step is one round of the loop: what is ready runs, and what that makes ready waits
for the next. Between two rounds every task stands at one of its suspension points,
so harm done before each round in turn strikes all of them, those included where
what a task waits for has come and the task does not know it yet.
"""

import asyncio
from collections.abc import Callable

from tests.support.hurried_time import HurriedLoop
from tests.support.virtual_time import AnyioBackend, VirtualClockLoop

__all__ = ["STEPPED", "STEPPED_HURRIED", "SteppedLoop"]


class SteppedLoop(asyncio.SelectorEventLoop):
    """Counts its rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self._at: dict[int, Callable[[], object]] = {}

    def before_step(self, number: int, harm: Callable[[], object]) -> None:
        """Call something before the round that is N rounds from now."""
        self._at[self.steps + number] = harm

    def forget(self) -> None:
        """Have nothing done any more."""
        self._at.clear()

    def _run_once(self) -> None:
        harm = self._at.pop(self.steps, None)
        self.steps += 1
        if harm is not None:
            harm()
        super()._run_once()  # type: ignore[misc]  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


class _VirtualSteps(SteppedLoop, VirtualClockLoop):
    """Virtual time, round by round."""


class _HurriedSteps(SteppedLoop, HurriedLoop):
    """Real sockets in a hurry, round by round."""


STEPPED: AnyioBackend = ("asyncio", {"loop_factory": _VirtualSteps})
STEPPED_HURRIED: AnyioBackend = ("asyncio", {"loop_factory": _HurriedSteps})
