"""One schedule from its seed to the judge's verdict."""

import asyncio
import gc
import itertools
import logging
import random
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from openfunnel_async import OpenFunnel
from openfunnel_async.sandbox import Service
from tests.storm.actors import Actor
from tests.storm.dealer import Fates
from tests.storm.diary import CALL
from tests.storm.dice import Dice
from tests.storm.evidence import After, Evidence, Listener
from tests.storm.judge import judge
from tests.storm.schedule import BOUND, deal, deal_life
from tests.storm.stage import Stage
from tests.storm.tally import Seen, Verdict, count, see
from tests.storm.weather import Weather
from tests.support.sandbox_transport import ORIGIN
from tests.support.virtual_time import StuckLoopError, VirtualClockLoop

# Turns of the loop at one and the same moment, after which it is taken to spin.
MOST_TURNS = 20_000
# Seconds after which every cancel that is repeated has been sent again: a pause of a
# minute between two rounds, one that the service asked for, a time limit, and some.
CALM = 300.0


class StormLoop(VirtualClockLoop):
    """A virtual clock that also notices when work goes round in circles."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = 0
        self._moment = -1.0

    def _run_once(self) -> None:
        now = self.time()
        self._turns = self._turns + 1 if now == self._moment else 0
        self._moment = now
        if self._turns > MOST_TURNS:
            raise StuckLoopError(f"the loop spins at {now:.3f} s")
        super()._run_once()  # type: ignore[misc]  # pyright: ignore -- asyncio's own; the one place that sees each turn


def run_schedule(seed: int) -> Verdict:
    """Run the schedule of a seed and judge it; the same seed, the same verdict."""
    schedule = deal(seed)
    loop = StormLoop()
    service = Service(
        clock=loop.time,
        seed="storm",
        credits=schedule.credits,
        row_shape="sixteen" if seed % 16 == 0 else "six",
        unknowns=schedule.unknowns,
        plan=lambda number, _limit: deal_life(seed, number),
        rate_limit=schedule.rate_limit,
    )
    evidence = Evidence(schedule, service)
    loop.set_exception_handler(
        lambda _loop, context: evidence.loop_complaints.append(_said(context))
    )
    before = random.getstate()
    random.seed(f"{seed}/client")
    try:
        with _heard(evidence):
            try:
                loop.run_until_complete(_play(evidence, loop))
            except StuckLoopError as exc:
                evidence.stuck.append(str(exc))
            # What nobody retrieved is reported when it is collected.
            gc.collect()
    finally:
        random.setstate(before)
        _clear(loop)
    violations = tuple(judge(evidence))
    return Verdict(seed, violations, count(evidence), evidence.diary)


def run_schedules(seeds: Iterable[int]) -> Iterator[Verdict]:
    """Run schedules one after the other.

    The collector looks once a schedule, and only at what is young.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            yield run_schedule(seed)
    finally:
        gc.enable()
        gc.unfreeze()


def run_and_see(seeds: Iterable[int]) -> Seen:
    """Run schedules, and add up what they saw; a process of its own may do it."""
    return see(run_schedules(seeds))


async def _play(evidence: Evidence, loop: StormLoop) -> None:
    """Let the actors act, close the client, and look at what is left."""
    weather = _weather(evidence)
    stage = Stage(_client(evidence, weather), evidence)
    late = await _act(stage)
    if evidence.schedule.has_calm and not evidence.is_closing:
        await _calm_down(stage, weather)
    await _close(stage.client, evidence)
    evidence.look_around()
    evidence.left_over = _left_over(weather, late)
    evidence.orphans = stage.client.orphans
    await anyio.sleep(max(0.0, weather.last_arrival - loop.time()))
    evidence.going = evidence.going_now()
    evidence.ended = loop.time()


async def _calm_down(stage: Stage, weather: Weather) -> None:
    """Let the faults end and time pass, and note what still runs after that."""
    evidence = stage.evidence
    weather.is_calm, evidence.service.rate_limit = True, None
    evidence.calm_at = asyncio.get_running_loop().time()
    evidence.look_around()
    await anyio.sleep(CALM)
    evidence.look_around()
    evidence.after_calm = After(
        going=evidence.going_now(), orphans=stage.client.orphans
    )


def _weather(evidence: Evidence) -> Weather:
    schedule, key = evidence.schedule, evidence.service.api_key
    dice = Dice(f"{schedule.seed}/weather")
    fates = Fates(dice, schedule.harm, schedule.slowness, key)
    return Weather(evidence.service, fates, evidence)


def _client(evidence: Evidence, weather: Weather) -> OpenFunnel:
    schedule = evidence.schedule
    client = OpenFunnel(
        evidence.service.api_key,
        base_url=ORIGIN,
        request_timeout=schedule.request_timeout,
        retry=schedule.retry,
        polling=schedule.polling,
        wait_timeout=schedule.wait_timeout,
        max_polls_per_second=schedule.max_polls_per_second,
        read_ahead=schedule.read_ahead,
        transport=weather,
    )
    caller = client._resources.caller
    caller.call = _numbered(caller.call)  # type: ignore[method-assign]  # tries look alike on the wire
    return client


def _numbered(call: Any) -> Any:
    """Have each call carry its number, which its tries have in common."""
    numbers = itertools.count()

    async def numbered(*what: Any, **how: Any) -> Any:
        CALL.set(next(numbers))
        return await call(*what, **how)

    return numbered


async def _act(stage: Stage) -> set[asyncio.Task[None]]:
    """Let all actors play; return those who were not over in time."""
    evidence, seed = stage.evidence, stage.evidence.schedule.seed
    actors = [
        asyncio.create_task(Actor(number, Dice(f"{seed}/{number}"), stage).play(steps))
        for number, steps in enumerate(evidence.schedule.actors)
    ]
    if evidence.schedule.closing == "early":
        await asyncio.wait(actors, timeout=Dice(f"{seed}/closing").quarters(60))
        evidence.is_closing = True
        await stage.client.aclose()
    _, late = await asyncio.wait(actors, timeout=BOUND)
    evidence.stuck += [f"an actor was not over after {BOUND:g} s" for _ in late]
    for actor in actors:
        if actor in late:
            continue
        if actor.cancelled():
            evidence.surprises.append("an actor was cancelled by nobody")
        else:
            actor.result()
    return late


def _left_over(weather: Weather, late: set[asyncio.Task[None]]) -> list[str]:
    mine = {asyncio.current_task(), *late}
    found = [
        f"a task is left: {getattr(task.get_coro(), '__qualname__', task)}"
        for task in asyncio.all_tasks() - mine
    ]
    if weather.in_flight and not late:
        found.append(f"{weather.in_flight} exchanges in flight")
    if weather.closed != 1:
        found.append(f"the transport was closed {weather.closed} times")
    return sorted(found)


async def _close(client: OpenFunnel, evidence: Evidence) -> None:
    """Close the client in the schedule's way; a cancelled closing ends cancelled."""
    match evidence.schedule.closing:
        case "together":
            await asyncio.gather(client.aclose(), client.aclose())
        case "cancelled":
            task = asyncio.create_task(client.aclose())
            await asyncio.sleep(0)
            asked = task.cancel()
            await asyncio.wait([task])
            if asked and not task.cancelled():
                evidence.surprises.append("aclose() swallowed its cancellation")
        case _:
            await client.aclose()
    await client.aclose()


def _clear(loop: StormLoop) -> None:
    """Take what a broken client left on the loop off it, unseen."""
    loop.set_exception_handler(lambda _loop, _context: None)
    for _ in range(3):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if not left:
            break
        loop.run_until_complete(asyncio.wait(left, timeout=1))
    loop.close()


@contextmanager
def _heard(evidence: Evidence) -> Generator[None]:
    """Listen to the client's log, and keep it from everybody else."""
    logger = logging.getLogger("openfunnel_async")
    listener, propagate = Listener(evidence), logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def _said(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"
