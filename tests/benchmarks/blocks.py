"""CPU by alternating blocks: what counts on a noisy machine is the neighbour.

Each block of a contender stands between two blocks of the baseline and is divided
by their mean; the median of these ratios is quoted.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager

import attrs

Call = Callable[[], Awaitable[object]]
# From a job's id and a cursor to the call that reads it.
Client = Callable[[str, str | None], Call]


@attrs.frozen
class Measured:
    """What came of the blocks.

    Attributes:
        baseline: The baseline's CPU seconds a call, the median of its blocks.
        ratios: Each contender's CPU in baselines.
    """

    baseline: float
    ratios: Mapping[str, float]


@contextmanager
def without_the_past() -> Generator[None]:
    """Keep the garbage collector from what was there before, as in a small process."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _cpu(call: Call, calls: int) -> float:
    """Return the CPU seconds of a block; nobody pays for another's garbage."""
    gc.collect()
    started = time.process_time()
    for _ in range(calls):
        await call()
    return time.process_time() - started


async def compare(
    baseline: Call, contenders: Mapping[str, Call], *, rounds: int, calls: int
) -> Measured:
    """Measure every contender against the baseline, round after round.

    Args:
        baseline: What counts as 1.
        contenders: What is measured, by name.
        rounds: How often each has its block.
        calls: Calls a block.
    """
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    blocks: list[float] = []
    for call in (baseline, *contenders.values()):
        await _cpu(call, calls)
    for _ in range(rounds):
        before = await _cpu(baseline, calls)
        for name, call in contenders.items():
            own = await _cpu(call, calls)
            after = await _cpu(baseline, calls)
            ratios[name].append(own / ((before + after) / 2))
            blocks.append(after)
            before = after
    return Measured(
        statistics.median(blocks) / calls,
        {name: statistics.median(found) for name, found in ratios.items()},
    )
