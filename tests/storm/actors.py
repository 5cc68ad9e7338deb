"""Who uses the client: actors that walk through random programs."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import attrs

from openfunnel_async import ConfigurationError, LookalikeSearch, OpenFunnelError
from tests.storm.batches import run_many
from tests.storm.diary import CURRENT, Step
from tests.storm.dice import Dice
from tests.storm.fleets import FLEET_STEPS
from tests.storm.handles import HANDLE_STEPS, ONE_HANDLE
from tests.storm.notes import Interruption
from tests.storm.stage import Stage
from tests.storm.submits import enter_and_leave, submit

Work = Coroutine[Any, Any, None]
_BEGINNINGS = {
    "submit": 6.0,
    "running": 2.0,
    "run_many": 3.0,
    "balance": 0.7,
    "nonsense": 0.3,
}
_LATER = {
    "submit": 2.0,
    "running": 1.0,
    "run_many": 1.7,
    "balance": 0.7,
    "nonsense": 0.3,
    "pause": 2.0,
    "attach": 1.0,
    **{name: weight for name, (weight, _) in HANDLE_STEPS.items()},
    **{name: weight for name, (weight, _) in FLEET_STEPS.items()},
}
_LEAVINGS = {"no": 7, "once": 2, "twice": 1, "scope": 1, "wait_for": 1}


@attrs.define(eq=False)
class Actor:
    """One user of the client, at the same time as others.

    Attributes:
        number: Which one.
        dice: Its own, so that what it does next depends on nobody.
        stage: What it shares with the others.
    """

    number: int
    dice: Dice
    stage: Stage

    async def play(self, steps: int) -> None:
        """Take so many steps, each broken off or not."""
        for _ in range(steps):
            await anyio.sleep(self.dice.quarters(self.dice.choice([0, 1, 4, 12])))
            choices = _LATER if self.stage.evidence.held else _BEGINNINGS
            name = self.dice.draw(choices)
            leaving = self.dice.draw(_LEAVINGS)
            step = self._step(name if leaving == "no" else f"{name}, left {leaving}")
            await self._leave(step, self._guarded(step, name), leaving)

    def _step(self, words: str) -> Step:
        steps = self.stage.evidence.diary.steps
        now = asyncio.get_running_loop().time()
        steps.append(Step(len(steps), self.number, words, now))
        return steps[-1]

    async def _guarded(self, step: Step, name: str) -> None:
        """Do the work; an error of the client's own is an outcome like any other."""
        CURRENT.set(step)
        try:
            await self._work(step, name)
            step.outcome = "done" if step.outcome == "never ended" else step.outcome
        except asyncio.CancelledError:
            step.outcome = "cancelled"
            raise
        except OpenFunnelError as exc:
            self.stage.complain(step, exc)
        except Exception as exc:  # noqa: BLE001 -- whatever it is, it is evidence
            step.outcome = f"{type(exc).__name__}: {exc}"
            self.stage.evidence.foreign.append(f"{step.words}: {step.outcome}")
        finally:
            step.ended = asyncio.get_running_loop().time()
            self.stage.evidence.look_around()

    async def _work(self, step: Step, name: str) -> None:
        stage, dice = self.stage, self.dice
        match name:
            case "submit":
                await submit(stage, dice, step)
            case "running":
                await enter_and_leave(stage, dice, step)
            case "run_many":
                await run_many(stage, dice, step)
            case "balance":
                await stage.read_balance()
            case "nonsense":
                await _nonsense(stage, dice)
            case "pause":
                await anyio.sleep(dice.quarters(40))
            case "attach":
                stage.attach(dice)
            case _ if name in FLEET_STEPS:
                await FLEET_STEPS[name][1](stage, dice, step)
            case _:
                held = dice.choice(stage.evidence.held)
                if name in ONE_HANDLE:
                    held.steps.add(step.number)
                step.words += f" {held.job.id[:8]}"
                await HANDLE_STEPS[name][1](stage, dice, step, held)

    async def _leave(self, step: Step, work: Work, leaving: str) -> None:
        """Let the work be, or break it off in one of the ways people do."""
        after = self.dice.quarters(self.dice.choice([0, 1, 5, 40]))
        match leaving:
            case "no":
                await work
            case "scope":
                with anyio.move_on_after(after) as scope:
                    await work
                if scope.cancelled_caught:
                    step.left_at = scope.deadline
            case "wait_for":
                try:
                    await asyncio.wait_for(work, after)
                except TimeoutError:
                    step.left_at = step.began + after
            case _:
                again = leaving == "twice"
                await self._cancel(step, asyncio.create_task(work), after, again=again)

    async def _cancel(
        self, step: Step, task: asyncio.Task[None], after: float, *, again: bool
    ) -> None:
        await asyncio.wait([task], timeout=after)
        asked = task.cancel()
        if asked:
            step.left_at = asyncio.get_running_loop().time()
        if asked and again:
            await asyncio.wait([task], timeout=self.dice.quarters(8))
            task.cancel()
        await asyncio.wait([task])
        if asked:
            found = Interruption(step, task.cancelled())
            self.stage.evidence.interruptions.append(found)
        elif task.cancelled():
            told = f"{step.words}: cancelled, and nobody had asked for it"
            self.stage.evidence.surprises.append(told)


async def _nonsense(stage: Stage, dice: Dice) -> None:
    """Ask for what cannot be right; nothing may be sent for it."""
    client: Any = stage.client
    sent = len(stage.evidence.diary.exchanges)
    asks: list[Callable[[], object]] = [
        lambda: LookalikeSearch(query=""),
        lambda: LookalikeSearch(query="voice ai", limit=0),
        lambda: client.job("../balance"),
        lambda: client.running(LookalikeSearch(query="x"), on_exit="never"),
    ]
    try:
        if dice.chance(0.3):
            await client.submit("voice ai")
        else:
            dice.choice(asks)()
    except ConfigurationError:
        return
    told = (
        f"nonsense was let through, {len(stage.evidence.diary.exchanges) - sent} sent"
    )
    stage.evidence.surprises.append(told)
