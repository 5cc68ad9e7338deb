"""Print what the default pace reaches on every job of the model, as Markdown.

Takes about four minutes:

    python -m tests.pace
"""

from openfunnel_async import PollPolicy
from tests.pace.model import CLASSES, PacedJob, jobs_of, mixed
from tests.pace.run import FIXED, STEADY, busiest_second, summary, wait_for

EACH = 400
PACES = {
    "fixed 4 s": FIXED,
    "fixed 30 s": PollPolicy.fixed(30),
    "default, without jitter": STEADY,
    "default": PollPolicy(),
}


def cells(policy: PollPolicy, *, cancels: bool = False) -> str:
    """Measure one row of the table."""
    found = [
        summary(wait_for(jobs, policy, cancels=cancels)) for jobs in all_jobs().values()
    ]
    numbers = " | ".join(f"{one.polls:.2f} / {one.delay:.3f}" for one in found)
    return f"{numbers} | {max(one.longest for one in found):.2f}"


def all_jobs() -> dict[str, list[PacedJob]]:
    """Draw every job of each class."""
    return {size: jobs_of(limits, EACH) for size, limits in CLASSES.items()}


def main() -> None:
    """Print the table row by row."""
    say(f"| polls a job / mean delay s | {' | '.join(CLASSES)} | longest delay s |")
    say("|---|---|---|---|---|")
    for name, policy in PACES.items():
        say(f"| {name} | {cells(policy)} |")
    say(f"| after a cancel | {cells(STEADY, cancels=True)} |")
    busiest = busiest_second(wait_for(mixed(1000), PollPolicy(), apart=0.001))
    say(f"\nBusiest second of 1,000 jobs submitted within a second: {busiest} looks")


def say(line: str) -> None:
    """Print a line as soon as it is known."""
    print(line, flush=True)  # noqa: T201 -- its only output


if __name__ == "__main__":
    main()
