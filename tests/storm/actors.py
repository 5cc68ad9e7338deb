"""Actors: tasks that use the client, each with a random sequence of steps."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import attrs

from openfunnel_async import ConfigurationError, LookalikeSearch, OpenFunnelError
from tests.storm.batch_steps import run_many
from tests.storm.event_log import CURRENT_STEP, Step
from tests.storm.group_steps import GROUP_STEPS
from tests.storm.handle_steps import HANDLE_STEPS, ONE_HANDLE
from tests.storm.random_choices import RandomChoices
from tests.storm.records import Interruption
from tests.storm.scenario import Scenario
from tests.storm.submit_steps import enter_and_leave, submit

Work = Coroutine[Any, Any, None]
_FIRST_STEPS = {
    "submit": 6.0,
    "running": 2.0,
    "run_many": 3.0,
    "balance": 0.7,
    "invalid call": 0.3,
}
_LATER_STEPS = {
    "submit": 2.0,
    "running": 1.0,
    "run_many": 1.7,
    "balance": 0.7,
    "invalid call": 0.3,
    "pause": 2.0,
    "attach": 1.0,
    **{name: weight for name, (weight, _) in HANDLE_STEPS.items()},
    **{name: weight for name, (weight, _) in GROUP_STEPS.items()},
}
_CANCELLATIONS = {"no": 7, "once": 2, "twice": 1, "scope": 1, "wait_for": 1}


@attrs.define(eq=False)
class Actor:
    """One user of the client, beside others.

    Attributes:
        number: The number of the actor.
        rng: Its own random choices, so that they depend on no other actor.
        scenario: What all actors share.
    """

    number: int
    rng: RandomChoices
    scenario: Scenario

    async def run_steps(self, steps: int) -> None:
        """Run that number of steps; some of them are cancelled."""
        for _ in range(steps):
            await anyio.sleep(self.rng.seconds(self.rng.choice([0, 1, 4, 12])))
            choices = _LATER_STEPS if self.scenario.evidence.handles else _FIRST_STEPS
            name = self.rng.weighted(choices)
            way = self.rng.weighted(_CANCELLATIONS)
            step = self._step(name if way == "no" else f"{name}, cancelled: {way}")
            await self._run_or_cancel(step, self._record_outcome(step, name), way)

    def _step(self, description: str) -> Step:
        steps = self.scenario.evidence.event_log.steps
        now = asyncio.get_running_loop().time()
        steps.append(Step(len(steps), self.number, description, now))
        return steps[-1]

    async def _record_outcome(self, step: Step, name: str) -> None:
        """Run the step, and record its outcome, also an error."""
        CURRENT_STEP.set(step)
        try:
            await self._work(step, name)
            step.outcome = "done" if step.outcome == "never ended" else step.outcome
        except asyncio.CancelledError:
            step.outcome = "cancelled"
            raise
        except OpenFunnelError as exc:
            self.scenario.record_error(step, exc)
        except Exception as exc:  # noqa: BLE001 -- an invariant checks what it is
            step.outcome = f"{type(exc).__name__}: {exc}"
            self.scenario.evidence.foreign_exceptions.append(
                f"{step.description}: {step.outcome}"
            )
        finally:
            step.ended = asyncio.get_running_loop().time()
            self.scenario.evidence.record_statuses()

    async def _work(self, step: Step, name: str) -> None:
        scenario, rng = self.scenario, self.rng
        match name:
            case "submit":
                await submit(scenario, rng, step)
            case "running":
                await enter_and_leave(scenario, rng, step)
            case "run_many":
                await run_many(scenario, rng, step)
            case "balance":
                await scenario.read_balance()
            case "invalid call":
                await _call_with_invalid_arguments(scenario, rng)
            case "pause":
                await anyio.sleep(rng.seconds(40))
            case "attach":
                scenario.attach(rng)
            case _ if name in GROUP_STEPS:
                await GROUP_STEPS[name][1](scenario, rng, step)
            case _:
                handle = rng.choice(scenario.evidence.handles)
                if name in ONE_HANDLE:
                    handle.steps.add(step.number)
                step.description += f" {handle.job.id[:8]}"
                await HANDLE_STEPS[name][1](scenario, rng, step, handle)

    async def _run_or_cancel(self, step: Step, work: Work, way: str) -> None:
        """Run the step to its end, or cancel it in one of the usual ways."""
        after = self.rng.seconds(self.rng.choice([0, 1, 5, 40]))
        match way:
            case "no":
                await work
            case "scope":
                with anyio.move_on_after(after) as scope:
                    await work
                if scope.cancelled_caught:
                    step.cancelled_at = scope.deadline
            case "wait_for":
                try:
                    await asyncio.wait_for(work, after)
                except TimeoutError:
                    step.cancelled_at = step.began + after
            case _:
                again = way == "twice"
                await self._cancel(step, asyncio.create_task(work), after, again=again)

    async def _cancel(
        self, step: Step, task: asyncio.Task[None], after: float, *, again: bool
    ) -> None:
        await asyncio.wait([task], timeout=after)
        was_cancelled = task.cancel()
        if was_cancelled:
            step.cancelled_at = asyncio.get_running_loop().time()
        if was_cancelled and again:
            await asyncio.wait([task], timeout=self.rng.seconds(8))
            task.cancel()
        await asyncio.wait([task])
        if was_cancelled:
            found = Interruption(step, task.cancelled())
            self.scenario.evidence.interruptions.append(found)
        elif task.cancelled():
            message = f"{step.description}: cancelled without a request"
            self.scenario.evidence.unexpected.append(message)


async def _call_with_invalid_arguments(scenario: Scenario, rng: RandomChoices) -> None:
    """Call with invalid arguments, for which nothing may be sent."""
    client: Any = scenario.client
    sent = len(scenario.evidence.event_log.exchanges)
    asks: list[Callable[[], object]] = [
        lambda: LookalikeSearch(query=""),
        lambda: LookalikeSearch(query="voice ai", limit=0),
        lambda: client.job("../balance"),
        lambda: client.running(LookalikeSearch(query="x"), on_exit="never"),
    ]
    try:
        if rng.chance(0.3):
            await client.submit("voice ai")
        else:
            rng.choice(asks)()
    except ConfigurationError:
        return
    more = len(scenario.evidence.event_log.exchanges) - sent
    message = f"invalid arguments were accepted, {more} requests"
    scenario.evidence.unexpected.append(message)
