"""Steps that wait for many handles at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import anyio

from openfunnel_async import BulkJob, JobSnapshot
from tests.storm.diary import Step
from tests.storm.dice import Dice
from tests.storm.notes import Fleet, Held
from tests.storm.stage import Stage

Kind = Literal["wait_all", "as_completed"]
FleetStep = Callable[[Stage, Dice, Step], Awaitable[None]]


async def wait_all(stage: Stage, dice: Dice, step: Step) -> None:
    """Wait for some of the handles there are, and hear of each how it stands."""
    fleet, members = _fleet(stage, dice, step, "wait_all")
    values = await stage.client.wait_all(fleet.jobs, timeout=fleet.timeout)
    fleet.told += values
    fleet.end = "all"
    for job_id, value in values.items():
        if not isinstance(value, JobSnapshot):
            stage.complain(step, value)
        elif value.job_id != job_id or not value.is_terminal:
            told = f"wait_all: {job_id} came out as {value.job_id}, {value.status}"
            stage.evidence.surprises.append(told)
        else:
            # Of several handles of a job only one need have seen its end.
            own = (held for held in members if held.job.id == job_id)
            stage.keep_snapshot(max(own, key=lambda held: held.job.is_terminal), value)
    step.outcome = f"{len(values)} came out"


async def as_completed(stage: Stage, dice: Dice, step: Step) -> None:
    """Take handles as they end, all of them or some, at leisure or not."""
    fleet, _ = _fleet(stage, dice, step, "as_completed")
    most = dice.draw({len(fleet.jobs) + 1: 2, dice.randint(0, 2): 1})
    completions = stage.client.as_completed(fleet.jobs, timeout=fleet.timeout)
    if dice.chance(0.5):
        async with completions:
            await _take(completions, fleet, dice, most)
    else:
        # Without the block a break leaves the rest to the collector.
        await _take(completions, fleet, dice, most)
    step.outcome = f"{len(fleet.told)} came out, {fleet.end}"


async def _take(
    completions: AsyncIterator[BulkJob], fleet: Fleet, dice: Dice, most: int
) -> None:
    """Take up to so many handles, busy with something else in between."""
    for _ in range(most):
        job = await anext(completions, None)
        if job is None:
            fleet.end = "all"
            return
        fleet.told.append(job)
        await anyio.sleep(dice.quarters(dice.choice([0, 0, 10])))
    fleet.step.left_at = anyio.current_time()


def _fleet(
    stage: Stage, dice: Dice, step: Step, kind: Kind
) -> tuple[Fleet, list[Held]]:
    """Choose handles, now and then one of them twice."""
    held = stage.evidence.held
    members = [dice.choice(held) for _ in range(dice.randint(1, 6))]
    timeout = dice.draw({None: 3, dice.quarters(60): 3, 0.0: 0.5})
    fleet = Fleet(
        step=step,
        kind=kind,
        jobs=tuple(member.job for member in members),
        timeout=timeout,
    )
    step.words += f" of {len(members)} timeout {timeout}"
    stage.evidence.fleets.append(fleet)
    return fleet, members


FLEET_STEPS: dict[str, tuple[float, FleetStep]] = {
    "wait_all": (1.5, wait_all),
    "as_completed": (1.5, as_completed),
}
