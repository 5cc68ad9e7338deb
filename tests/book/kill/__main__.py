"""`python -m tests.book.kill --kills 500`: kill, and print what happened in numbers."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.book.kill.harness import Figures, kill_until_bought


async def kill(kills: int, seed: str, searches: int, cap: float) -> Figures:
    """Buy batches until the worker was killed that often; each second has a cap."""
    figures, rng, number = Figures(), Random(seed), 0
    while figures.kills.total() < kills:
        with tempfile.TemporaryDirectory() as folder:
            await kill_until_bought(
                Path(folder),
                rng,
                figures,
                searches=searches,
                cap=cap if number % 2 else None,
                most_kills=kills - figures.kills.total(),
            )
        number += 1
        sys.stderr.write(
            f"{number} batches, {figures.kills.total()} kills, "
            f"{figures.totals['unknown']} unknown, {len(figures.problems)} problems\n"
        )
    return figures


def main() -> int:
    """Kill as often as the command line says; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill")
    parser.add_argument("--kills", type=int, default=500, metavar="N")
    parser.add_argument("--searches", type=int, default=100, metavar="N")
    parser.add_argument("--cap", type=float, default=5000, metavar="CREDITS")
    parser.add_argument("--seed", default="openfunnel-kill-1")
    options = parser.parse_args()
    began = time.monotonic()
    work = kill(options.kills, options.seed, options.searches, options.cap)
    figures = asyncio.run(work)
    sys.stdout.write(f"{figures}\n{time.monotonic() - began:8.0f}  seconds\n")
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
