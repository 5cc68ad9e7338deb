"""Random batches against an in-memory sandbox, or the delay under a budget of polls.

    python -m tests.fleet --schedules 10000
    python -m tests.fleet --budget

Prints what happened, in numbers, and exits with 1 if an invariant did not hold or
the delay is above what it is to be.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fleet.judge import INVARIANTS, Report, judge
from tests.fleet.schedule import draw
from tests.fleet.thousand import MOST_DELAY, Waited, in_turn, wait_for
from tests.pace.model import mixed

_CHUNK = 50
_MOST_SHOWN = 20


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; 0 if all is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell one schedule")
    parser.add_argument("--budget", action="store_true", help="measure the delay")
    options = parser.parse_args(arguments)
    if options.budget:
        return _measure()
    if options.replay is not None:
        _tell([f"{draw(options.replay)}", *judge([options.replay]).violations])
        return 0
    started = time.perf_counter()
    report = _run(range(options.seed, options.seed + options.schedules), options.jobs)
    _tell(_told(report, time.perf_counter() - started))
    return 1 if report.violations else 0


def _run(seeds: Sequence[int], jobs: int) -> Report:
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    report = Report()
    # Spawned, not forked: nothing of this process's state gets in.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for one in pool.map(judge, chunks):
            report.add(one)
    return report


def _told(report: Report, seconds: float) -> Iterator[str]:
    for name, number in sorted(report.tally.items()):
        yield f"{number:>9,}  {name}"
    yield "violations by invariant:"
    for invariant in INVARIANTS:
        name = invariant.__name__
        number = sum(f" {name}: " in told for told in report.violations)
        yield f"{number:>9,}  {name}"
    yield f"{seconds:.1f} s, {report.tally['schedules'] / seconds:.0f} schedules/s"
    yield from report.violations[:_MOST_SHOWN]


def _measure() -> int:
    """Print the delay of a thousand jobs under ten polls a second."""
    jobs = mixed(1000)
    urgent = wait_for(jobs, per_second=10, within=20)
    heads = ("mean delay s", "longest s", "polls a job", "busiest second")
    _tell(
        [
            f"| 1,000 jobs within 20 s, 10 polls a second | {' | '.join(heads)} |",
            "|---|---|---|---|---|",
            _row("the SDK", urgent),
            _row("in turn, for comparison", in_turn(jobs, per_second=10, within=20)),
            _row("no budget", wait_for(jobs, per_second=None, within=20)),
        ]
    )
    return 1 if urgent.delay > MOST_DELAY else 0


def _row(name: str, waited: Waited) -> str:
    numbers = (f"{waited.delay:.2f}", f"{waited.longest:.1f}", f"{waited.polls:.1f}")
    return f"| {name} | {' | '.join(numbers)} | {waited.busiest} |"


def _tell(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
