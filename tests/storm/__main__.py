"""Run random schedules, and print what happened in numbers.

Each schedule follows from one seed and runs in virtual time. The exit code is 1 if an
invariant was violated, or if too few events happened to prove anything.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.storm import (
    book_invariants,
    call_invariants,
    group_invariants,
    job_invariants,
    row_invariants,
)
from tests.storm.counts import Totals, missing_events
from tests.storm.invariants import BOOK_INVARIANTS, INVARIANTS, Invariant
from tests.storm.run import run_and_count, run_schedules

_CHUNK = 50
_MOST_SHOWN = 20
# An invariant, the summary of its violations, and the events among which they are.
_SUMMARY: tuple[tuple[Invariant, str, str], ...] = (
    (
        job_invariants.a_submit_is_not_sent_again,
        "second POSTs, except after a 429, among {:,} submits sent",
        "requests: submit",
    ),
    (
        job_invariants.every_running_job_is_known,
        "jobs whose id is lost among {:,}",
        "jobs",
    ),
    (
        row_invariants.rows_come_once_and_in_order,
        "rows lost, doubled or out of order among {:,}",
        "rows checked",
    ),
    (
        row_invariants.a_status_is_true_and_never_goes_back,
        "statuses wrong or going backwards among {:,}",
        "statuses checked",
    ),
    (
        call_invariants.the_key_stays_in_its_header,
        "requests to another origin, or misplaced keys, among {:,} requests",
        "requests",
    ),
    (
        group_invariants.a_batch_stays_under_its_cap,
        "times more credits at risk than the cap of a batch, among {:,}",
        "batches under a cap",
    ),
    (
        book_invariants.an_entry_is_submitted_once,
        "submits of a Book's entry that may count twice, among {:,}",
        "book: submits",
    ),
    (
        book_invariants.the_book_names_every_job,
        "jobs that a Book does not name among {:,}",
        "book: jobs",
    ),
    (
        book_invariants.stored_rows_are_those_of_the_job,
        "rows of a Book lost, doubled or out of order among {:,}",
        "book: rows checked",
    ),
    (call_invariants.nothing_hangs, "hangs among {:,} schedules", "schedules"),
)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return 0 if every invariant held."""
    options = _parser().parse_args(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    started = time.perf_counter()
    seeds = range(options.seed, options.seed + options.schedules)
    seen = _run(seeds, max(1, options.jobs))
    _print_lines(_report(seen, time.perf_counter() - started))
    return 1 if seen.violations or missing_events(seen.counts) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--schedules", type=int, default=5000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--replay", type=int, metavar="SEED", help="print one schedule")
    return parser


def _run(seeds: Sequence[int], jobs: int) -> Totals:
    chunks = [seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)]
    seen = Totals()
    if jobs == 1:
        for chunk in chunks:
            seen.add(run_and_count(chunk))
        return seen
    # Spawned, not forked, so that they share no state with this process.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed(
            [pool.submit(run_and_count, chunk) for chunk in chunks]
        ):
            seen.add(done.result())
    return seen


def _report(seen: Totals, seconds: float) -> Iterator[str]:
    width = max(len(f"{number:,}") for number in seen.counts.values())
    for name, number in sorted(seen.counts.items()):
        yield f"{number:>{width},}  {name}"
    found = Counter(violation.invariant for _, violation in seen.violations)
    yield "violations by invariant:"
    for invariant in (*INVARIANTS, *BOOK_INVARIANTS):
        description = invariant.__name__.replace("_", " ")
        yield f"{found[invariant.__name__]:>{width},}  {description}"
    yield "in short:"
    for invariant, what, among in _SUMMARY:
        message = what.format(seen.counts[among])
        yield f"{found[invariant.__name__]:>{width},}  {message}"
    schedules, violations = seen.counts["schedules"], len(seen.violations)
    rate = f"in {seconds:.0f} s, {schedules / seconds:.0f} a second"
    yield f"{schedules:,} schedules, {violations:,} violations ({rate})"
    for message in missing_events(seen.counts):
        yield f"TOO FEW: {message}"
    seeds = sorted({seed for seed, _ in seen.violations})
    for seed in seeds[:_MOST_SHOWN]:
        first = min(v for s, v in seen.violations if s == seed)
        yield f"VIOLATED by {seed}: {first.invariant}: {first.seen[:160]}"
        yield f"    python -m tests.storm --replay {seed}"
    if len(seeds) > _MOST_SHOWN:
        yield f"... and by {len(seeds) - _MOST_SHOWN} more seeds"


def _replay(seed: int) -> int:
    found = 0
    for result in run_schedules([seed]):
        _print_lines(result.lines)
        _print_lines(f"VIOLATED: {v.invariant}: {v.seen}" for v in result.violations)
        found += len(result.violations)
    return 1 if found else 0


def _print_lines(lines: Iterator[str] | list[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
