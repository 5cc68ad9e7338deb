"""Steps that wait for many handles at once."""

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
    """Wait for some of the handles there are, and hear of each how it stands."""
    group, members = _new_group(scenario, rng, step, "wait_all")
    values = await scenario.client.wait_all(group.jobs, timeout=group.timeout)
    group.reported += values
    group.end = "all"
    for job_id, value in values.items():
        if not isinstance(value, JobSnapshot):
            scenario.record_error(step, value)
        elif value.job_id != job_id or not value.is_terminal:
            reported = f"wait_all: {job_id} came out as {value.job_id}, {value.status}"
            scenario.evidence.unexpected.append(reported)
        else:
            # Of several handles of a job only one need have seen its end.
            own = (handle for handle in members if handle.job.id == job_id)
            scenario.check_snapshot(
                max(own, key=lambda handle: handle.job.is_terminal), value
            )
    step.outcome = f"{len(values)} came out"


async def as_completed(scenario: Scenario, rng: RandomChoices, step: Step) -> None:
    """Take handles as they end, all of them or some, at leisure or not."""
    group, _ = _new_group(scenario, rng, step, "as_completed")
    most = rng.weighted({len(group.jobs) + 1: 2, rng.randint(0, 2): 1})
    completions = scenario.client.as_completed(group.jobs, timeout=group.timeout)
    if rng.chance(0.5):
        async with completions:
            await _take(completions, group, rng, most)
    else:
        # Without the block a break leaves the rest to the collector.
        await _take(completions, group, rng, most)
    step.outcome = f"{len(group.reported)} came out, {group.end}"


async def _take(
    completions: AsyncIterator[BulkJob], group: GroupWait, rng: RandomChoices, most: int
) -> None:
    """Take up to so many handles, busy with something else in between."""
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
    """Choose handles, now and then one of them twice."""
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
