"""A storm, and what it left.

Each schedule follows from one seed, and runs in virtual time. Prints what happened,
in numbers, and exits with 1 if an invariant did not hold or too little happened.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.storm import judge_calls, judge_jobs, judge_many, judge_rows
from tests.storm.judge import INVARIANTS, Invariant
from tests.storm.run import run_and_see, run_schedules
from tests.storm.tally import Seen, hollow

_CHUNK = 50
_MOST_SHOWN = 20
# What is counted, and among how many of what.
_IN_SHORT: tuple[tuple[Invariant, str, str], ...] = (
    (
        judge_jobs.a_submit_is_not_sent_again,
        "second POSTs, but after a 429, among {:,} submits sent",
        "requests: submit",
    ),
    (
        judge_jobs.no_job_runs_unknown_to_all,
        "jobs that nobody knows of among {:,}",
        "jobs",
    ),
    (
        judge_rows.rows_come_once_and_in_order,
        "rows lost, doubled or out of order among {:,}",
        "rows judged",
    ),
    (
        judge_rows.a_status_is_true_and_never_goes_back,
        "statuses wrong or going back among {:,}",
        "statuses judged",
    ),
    (
        judge_calls.the_key_stays_in_its_header,
        "requests off the origin, or keys out of place, among {:,} requests",
        "requests",
    ),
    (
        judge_many.a_batch_stays_under_its_cap,
        "times more at stake than the cap of a batch, among {:,}",
        "batches under a cap",
    ),
    (judge_calls.nothing_hangs, "hangs among {:,} schedules", "schedules"),
)


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
    found = Counter(violation.invariant for _, violation in seen.violations)
    yield "violations by invariant:"
    for invariant in INVARIANTS:
        words = invariant.__name__.replace("_", " ")
        yield f"{found[invariant.__name__]:>{width},}  {words}"
    yield "in short:"
    for invariant, what, among in _IN_SHORT:
        told = what.format(seen.tally[among])
        yield f"{found[invariant.__name__]:>{width},}  {told}"
    schedules, violations = seen.tally["schedules"], len(seen.violations)
    rate = f"in {seconds:.0f} s, {schedules / seconds:.0f} a second"
    yield f"{schedules:,} schedules, {violations:,} violations ({rate})"
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
