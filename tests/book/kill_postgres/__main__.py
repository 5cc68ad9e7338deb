"""`python -m tests.book.kill_postgres --faults 200`: fail, and print what happened."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.book.kill.harness import Figures
from tests.book.kill_postgres.harness import buy_among_faults, choose_faults
from tests.support.postgres import PostgresServer

_MODES = {
    "none": (False, False),
    "procrastinate": (True, True),
    "both": (False, True),
}


async def fail(options: argparse.Namespace) -> Figures:
    """Buy batches until N faults were made; each second one has a cap."""
    figures, rng, number = Figures(), Random(options.seed), 0
    modes = [_MODES[options.engine]] if options.engine else list(_MODES.values())
    with PostgresServer() as server:
        while figures.kills.total() < options.faults:
            with tempfile.TemporaryDirectory() as folder:
                await buy_among_faults(
                    server,
                    Path(folder),
                    rng,
                    figures,
                    searches=options.searches,
                    cap=options.cap if number % 2 else None,
                    faults=choose_faults(rng, options.faults - figures.kills.total()),
                    engines=modes[number // 2 % len(modes)],
                )
            number += 1
            sys.stderr.write(
                f"{number} batches, {figures.kills.total()} faults, "
                f"{figures.totals['unknown']} unknown, "
                f"{len(figures.problems)} problems\n"
            )
    return figures


def main() -> int:
    """Fail as often as the command line says; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill_postgres")
    parser.add_argument("--faults", type=int, default=200, metavar="N")
    parser.add_argument("--searches", type=int, default=60, metavar="N")
    parser.add_argument("--cap", type=float, default=3000, metavar="CREDITS")
    parser.add_argument("--engine", choices=[*_MODES])
    parser.add_argument("--seed", default="openfunnel-kill-2")
    options = parser.parse_args()
    began = time.monotonic()
    figures = asyncio.run(fail(options))
    sys.stdout.write(f"{figures}\n{time.monotonic() - began:8.0f}  seconds\n")
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
