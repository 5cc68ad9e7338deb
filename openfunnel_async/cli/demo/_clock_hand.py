"""The hand on the sandbox's clock, which makes every run of the demo the same.

The sandbox stands still by itself. The hand moves it on in equal steps, and never
past anything the client has not seen: each followed stream must have been handed
every row its job has written, and a cancel must have arrived. So how fast the machine,
the loop or the terminal are decides how long the demo takes, but not one row of it.
"""

from collections.abc import Callable, Sequence

import anyio
import attrs

from openfunnel_async.cli.demo._part import Part, Stage
from openfunnel_async.sandbox import JobView, Sandbox

STEP = 1.0
"""Sandbox seconds of one step."""

_GLANCE = 0.005


@attrs.frozen(kw_only=True)
class ClockHand:
    """Moves the time of a sandbox with ``speed=0``.

    Attributes:
        sandbox: Whose time it is.
        parts: What must not be left behind.
        pace: Real seconds a step takes at least.
        ticked: Called after each step.
    """

    sandbox: Sandbox
    parts: Sequence[Part]
    pace: float
    ticked: Callable[[], None]

    async def run(self) -> None:
        """Move time on until every part is done.

        Cancellation: time stands still again.
        """
        due = anyio.current_time()
        while any(part.stage is not Stage.DONE for part in self.parts):
            # Steps are due at fixed moments, so that one held back is made up for.
            due += self.pace
            await anyio.sleep_until(due)
            await self._let_everybody_follow()
            self.sandbox.advance(STEP)
            self.ticked()

    async def reach(self, moment: float) -> None:
        """Wait until the sandbox's time has come to ``moment``."""
        while self.sandbox.now < moment:  # noqa: ASYNC110 -- sandbox gives no notice
            await anyio.sleep(_GLANCE)

    async def _let_everybody_follow(self) -> None:
        while not self._may_move():  # noqa: ASYNC110 -- nor do the streams
            await anyio.sleep(_GLANCE)

    def _may_move(self) -> bool:
        jobs = self.sandbox.jobs
        return all(self._has_seen_all(part, jobs[part.job.id]) for part in self.parts)

    def _has_seen_all(self, part: Part, truth: JobView) -> bool:
        """Tell whether nothing is about to happen to this part without more time."""
        match part.stage:
            case Stage.ALONE:
                return truth.time < part.alone_until
            case Stage.READING:
                return (
                    not part.job.is_terminal
                    and part.job.status == truth.status
                    and len(part.rows) == truth.rows_written
                )
            case Stage.STOPPING:
                return part.job.status == truth.status == "cancelling"
            case Stage.DONE:
                return True
