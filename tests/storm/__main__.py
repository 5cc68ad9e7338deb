"""A storm, and what it left.

Each schedule follows from one seed, and runs in virtual time. Prints what happened,
in numbers, and exits with 1 if an invariant did not hold or too little happened.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.storm.judge import INVARIANTS
from tests.storm.run import run_and_see, run_schedules
from tests.storm.tally import Seen, hollow

_CHUNK = 50
_MOST_SHOWN = 20


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; 0 if every invariant held."""
    options = _parser().parse_args(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    started = time.perf_counter()
    seeds = range(options.seed, options.seed + options.schedules)
    seen = _run(seeds, max(1, options.jobs))
    _tell(_report(seen, time.perf_counter() - started))
    return 1 if seen.violations or hollow(seen.tally) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--schedules", type=int, default=5000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell one schedule")
    return parser


def _run(seeds: Sequence[int], jobs: int) -> Seen:
    chunks = [seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)]
    seen = Seen()
    if jobs == 1:
        for chunk in chunks:
            seen.add(run_and_see(chunk))
        return seen
    # Spawned, not forked: nothing of this process's state gets in.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_and_see, chunk) for chunk in chunks]):
            seen.add(done.result())
    return seen


def _report(seen: Seen, seconds: float) -> Iterator[str]:
    width = max(len(f"{number:,}") for number in seen.tally.values())
    for name, number in sorted(seen.tally.items()):
        yield f"{number:>{width},}  {name}"
    yield "violations by invariant:"
    for invariant in INVARIANTS:
        name = invariant.__name__
        number = sum(v.invariant == name for _, v in seen.violations)
        yield f"{number:>{width},}  {name}"
    rate = seen.tally["schedules"] / seconds
    yield f"{seconds:.1f} s, {rate:.0f} schedules/s"
    for told in hollow(seen.tally):
        yield f"HOLLOW: {told}"
    seeds = sorted({seed for seed, _ in seen.violations})
    for seed in seeds[:_MOST_SHOWN]:
        first = min(v for s, v in seen.violations if s == seed)
        yield f"VIOLATED by {seed}: {first.invariant}: {first.seen[:160]}"
        yield f"    python -m tests.storm --replay {seed}"
    if len(seeds) > _MOST_SHOWN:
        yield f"... and by {len(seeds) - _MOST_SHOWN} more seeds"


def _replay(seed: int) -> int:
    (verdict,) = run_schedules([seed])
    _tell(verdict.story)
    _tell(f"VIOLATED: {v.invariant}: {v.seen}" for v in verdict.violations)
    return 1 if verdict.violations else 0


def _tell(lines: Iterator[str] | list[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
