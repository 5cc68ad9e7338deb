"""Steps that wait for several handles at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import anyio

from openfunnel_async import BulkJob, JobSnapshot
from tests.storm.event_log import Step
from tests.storm.random_choices import RandomChoices
from tests.storm.records import GroupWait, WatchedHandle
from tests.storm.scenario import Scenario

Kind = Literal["wait_all", "as_completed"]
GroupStep = Callable[[Scenario, RandomChoices, Step], Awaitable[None]]


async def wait_all(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Wait for several handles, and check the outcome of each."""
    group, members = _new_group(scenario, rng, step, "wait_all")
    values = await scenario.client.wait_all(group.jobs, timeout=group.timeout)
    group.reported += values
    group.end = "all"
    for job_id, value in values.items():
        if not isinstance(value, JobSnapshot):
            scenario.record_error(step, value)
        elif value.job_id != job_id or not value.is_terminal:
            reported = (
                f"wait_all: {job_id} was returned as {value.job_id}, {value.status}"
            )
            scenario.evidence.unexpected.append(reported)
        else:
            # Of several handles of one job only one has to know its end.
            own = (handle for handle in members if handle.job.id == job_id)
            scenario.check_snapshot(
                max(own, key=lambda handle: handle.job.is_terminal), value
            )
    step.outcome = f"{len(values)} returned"


async def as_completed(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Take all or some handles in the order in which their jobs end."""
    group, _ = _new_group(scenario, rng, step, "as_completed")
    most = rng.weighted({len(group.jobs) + 1: 2, rng.randint(0, 2): 1})
    completions = scenario.client.as_completed(group.jobs, timeout=group.timeout)
    if rng.chance(0.5):
        async with completions:
            await _take(completions, group, rng, most)
    else:
        # Without the block, a break leaves the clean-up to the garbage collector.
        await _take(completions, group, rng, most)
    step.outcome = f"{len(group.reported)} returned, {group.end}"


async def _take(
    completions: AsyncIterator[BulkJob], group: GroupWait, rng: RandomChoices, most: int
) -> None:
    """Take up to that number of handles, with pauses between them."""
    for _ in range(most):
        job = await anext(completions, None)
        if job is None:
            group.end = "all"
            return
        group.reported.append(job)
        await anyio.sleep(rng.seconds(rng.choice([0, 0, 10])))
    group.step.cancelled_at = anyio.current_time()


def _new_group(
    scenario: Scenario, rng: RandomChoices, step: Step, kind: Kind
) -> tuple[GroupWait, list[WatchedHandle]]:
    """Choose handles, sometimes one of them twice."""
    handle = scenario.evidence.handles
    members = [rng.choice(handle) for _ in range(rng.randint(1, 6))]
    timeout = rng.weighted({None: 3, rng.seconds(60): 3, 0.0: 0.5})
    group = GroupWait(
        step=step,
        kind=kind,
        jobs=tuple(member.job for member in members),
        timeout=timeout,
    )
    step.description += f" of {len(members)} timeout {timeout}"
    scenario.evidence.groups.append(group)
    return group, members


GROUP_STEPS: dict[str, tuple[float, GroupStep]] = {
    "wait_all": (1.5, wait_all),
    "as_completed": (1.5, as_completed),
}
