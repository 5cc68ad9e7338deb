"""Run one schedule from its seed to the list of violations.

Every eighth seed has a second schedule, in which a program that runs a Book crashes.
"""

import asyncio
import gc
import random
from collections.abc import Iterable, Iterator

import anyio

from openfunnel_async import OpenFunnel
from openfunnel_async.sandbox import Service
from tests.storm.actors import Actor
from tests.storm.book_run import EVERY, run_book_schedule
from tests.storm.counts import ScheduleResult, Totals, add_up, count_events
from tests.storm.evidence import AfterRecovery, Evidence
from tests.storm.faulty_transport import FaultyTransport
from tests.storm.invariants import check_invariants
from tests.storm.plan_generator import PlanGenerator
from tests.storm.random_choices import RandomChoices
from tests.storm.scenario import Scenario
from tests.storm.schedule import LONGEST_SCHEDULE, draw_life, draw_schedule
from tests.storm.storm_loop import StormLoop, describe_error, make_client, recorded_log
from tests.support.virtual_time import StuckLoopError

# Seconds after which each repeated cancel was sent again: a pause of a minute between
# two rounds, one that the service asked for, a time limit, and a margin.
RECOVERY = 300.0


def run_schedule(seed: int) -> ScheduleResult:
    """Run and check a schedule; the result depends on the seed alone."""
    schedule = draw_schedule(seed)
    loop = StormLoop()
    service = Service(
        clock=loop.time,
        seed="storm",
        credits=schedule.credits,
        row_shape="sixteen" if seed % 16 == 0 else "six",
        unknowns=schedule.unknowns,
        plan=lambda number, _limit: draw_life(seed, number),
        rate_limit=schedule.rate_limit,
    )
    evidence = Evidence(schedule, service)
    loop.set_exception_handler(
        lambda _loop, context: evidence.loop_errors.append(describe_error(context))
    )
    before = random.getstate()
    random.seed(f"{seed}/client")
    try:
        with recorded_log(evidence):
            try:
                loop.run_until_complete(_run_schedule(evidence, loop))
            except StuckLoopError as exc:
                evidence.stuck.append(str(exc))
            # An exception that was not retrieved is reported when it is collected.
            gc.collect()
    finally:
        random.setstate(before)
        _clear(loop)
    violations = tuple(check_invariants(evidence))
    return ScheduleResult(seed, violations, count_events(evidence), evidence.event_log)


def run_schedules(seeds: Iterable[int]) -> Iterator[ScheduleResult]:
    """Run schedules one after the other; every eighth seed has a second one.

    Garbage is collected once a schedule, and only young objects are examined.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            yield run_schedule(seed)
            if seed % EVERY == 0:
                yield run_book_schedule(seed)
    finally:
        gc.enable()
        gc.unfreeze()


def run_and_count(seeds: Iterable[int]) -> Totals:
    """Run schedules and add up their events, perhaps in another process."""
    return add_up(run_schedules(seeds))


async def _run_schedule(evidence: Evidence, loop: StormLoop) -> None:
    """Run the actors, close the client, and record what is left."""
    transport = _faulty_transport(evidence)
    scenario = Scenario(make_client(evidence, transport), evidence)
    late = await _run_actors(scenario)
    if evidence.schedule.has_recovery and not evidence.is_closing:
        await _recover(scenario, transport)
    await _close(scenario.client, evidence)
    evidence.record_statuses()
    evidence.leftovers = _list_leftovers(transport, late)
    evidence.orphans = scenario.client.orphans
    await anyio.sleep(max(0.0, transport.last_arrival - loop.time()))
    evidence.running = evidence.list_running()
    evidence.ended = loop.time()


async def _recover(scenario: Scenario, transport: FaultyTransport) -> None:
    """End the faults, let time pass, and record what still runs."""
    evidence = scenario.evidence
    transport.has_recovered, evidence.service.rate_limit = True, None
    evidence.recovered_at = asyncio.get_running_loop().time()
    evidence.record_statuses()
    await anyio.sleep(RECOVERY)
    evidence.record_statuses()
    evidence.after_recovery = AfterRecovery(
        running=evidence.list_running(), orphans=scenario.client.orphans
    )


def _faulty_transport(evidence: Evidence) -> FaultyTransport:
    schedule, key = evidence.schedule, evidence.service.api_key
    rng = RandomChoices(f"{schedule.seed}/transport")
    generator = PlanGenerator(rng, schedule.fault_rate, schedule.latency, key)
    return FaultyTransport(evidence.service, generator, evidence)


async def _run_actors(scenario: Scenario) -> set[asyncio.Task[None]]:
    """Run all actors, and return those that did not end in time."""
    evidence, seed = scenario.evidence, scenario.evidence.schedule.seed
    actors = [
        asyncio.create_task(
            Actor(number, RandomChoices(f"{seed}/{number}"), scenario).run_steps(steps)
        )
        for number, steps in enumerate(evidence.schedule.actors)
    ]
    if evidence.schedule.closing == "early":
        await asyncio.wait(actors, timeout=RandomChoices(f"{seed}/closing").seconds(60))
        evidence.is_closing = True
        await scenario.client.aclose()
    _, late = await asyncio.wait(actors, timeout=LONGEST_SCHEDULE)
    evidence.stuck += [
        f"an actor did not end within {LONGEST_SCHEDULE:g} s" for _ in late
    ]
    for actor in actors:
        if actor in late:
            continue
        if actor.cancelled():
            evidence.unexpected.append("an actor was cancelled without a request")
        else:
            actor.result()
    return late


def _list_leftovers(
    transport: FaultyTransport, late: set[asyncio.Task[None]]
) -> list[str]:
    mine = {asyncio.current_task(), *late}
    found = [
        f"a task is left: {getattr(task.get_coro(), '__qualname__', task)}"
        for task in asyncio.all_tasks() - mine
    ]
    if transport.in_flight and not late:
        found.append(f"{transport.in_flight} exchanges in flight")
    if transport.closed != 1:
        found.append(f"the transport was closed {transport.closed} times")
    return sorted(found)


async def _close(client: OpenFunnel, evidence: Evidence) -> None:
    """Close the client as the schedule says; a cancelled close ends cancelled."""
    match evidence.schedule.closing:
        case "together":
            await asyncio.gather(client.aclose(), client.aclose())
        case "cancelled":
            task = asyncio.create_task(client.aclose())
            await asyncio.sleep(0)
            was_cancelled = task.cancel()
            await asyncio.wait([task])
            if was_cancelled and not task.cancelled():
                evidence.unexpected.append("aclose() swallowed its cancellation")
        case _:
            await client.aclose()
    await client.aclose()


def _clear(loop: StormLoop) -> None:
    """Cancel what a broken client left on the loop, and ignore its errors."""
    loop.set_exception_handler(lambda _loop, _context: None)
    for _ in range(3):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if not left:
            break
        loop.run_until_complete(asyncio.wait(left, timeout=1))
    loop.close()
