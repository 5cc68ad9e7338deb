"""`python -m tests.book.kill.full_disk`: fill a real disk, as root on Linux; on demand.

The Book is on a file system in memory of a random size, which is too small for the
batch. The program ends with an error, or holds the id of a job until there is room.
Then the file system grows, and the batch is bought to its end.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from openfunnel_async import Book
from openfunnel_async.sandbox import Sandbox
from tests.book.kill.harness import Worker
from tests.book.kill.judge import judge
from tests.book.kill.worker import BOOK_FAILED, DONE

_FULL_FOR = 3.0
_SMALLEST, _LARGEST = 100, 700
_SEARCHES = ("--searches", "30")


@contextmanager
def small_disk(kilobytes: int) -> Generator[Path]:
    """Mount a file system in memory."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        subprocess.run(mount, check=True)  # noqa: S603 -- of the system
        try:
            yield Path(folder)
        finally:
            unmount = ["umount", folder]
            subprocess.run(unmount, check=True)  # noqa: S603 -- of the system


def enlarge(folder: Path) -> None:
    """Make room on the file system."""
    command = ["mount", "-o", "remount,size=64m", str(folder)]
    subprocess.run(command, check=True)  # noqa: S603 -- of the system


async def fill(kilobytes: int) -> tuple[list[str], str]:
    """Buy a batch on a disk that is full for a time; return problems, and the end."""
    with small_disk(kilobytes) as folder:
        async with Sandbox(speed=300) as sandbox:
            worker = Worker(folder / "book.sqlite", sandbox, _SEARCHES)
            async with worker.started() as process:
                ended = asyncio.create_task(process.communicate())
                await asyncio.wait([ended], timeout=_FULL_FOR)
                end = "ended with an error" if process.returncode else "held an id"
                enlarge(folder)
                async with asyncio.timeout(60):
                    _, errors = await ended
                if process.returncode == DONE and end != "held an id":
                    end = "had room"
            problems: list[str] = []
            if process.returncode not in {DONE, BOOK_FAILED} or b"Traceback" in errors:
                problems.append(f"{process.returncode}: {errors.decode()[-800:]}")
            code, text = await worker.run()
            if code != DONE:
                problems.append(f"then {code}: {text[-800:]}")
            sandbox.advance(1e6)
            verdict = await judge(Book(worker.path), sandbox, cuts=0)
            return problems + verdict.problems, end


async def fill_often(rounds: int, seed: str) -> int:
    """Fill that many disks; return how many contradicted a promise."""
    rng = Random(seed)
    ends: Counter[str] = Counter()
    broken = 0
    for _ in range(rounds):
        size = rng.randint(_SMALLEST, _LARGEST)
        problems, end = await fill(size)
        ends[end] += 1
        broken += bool(problems)
        for problem in problems:
            sys.stdout.write(f"{size} kB: {problem}\n")
    sys.stdout.write(f"{rounds} full disks: {dict(ends)}, {broken} with problems\n")
    return broken


def main() -> int:
    """Fill disks as often as the command line says; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill.full_disk")
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    parser.add_argument("--seed", default="openfunnel-disk-1")
    options = parser.parse_args()
    return min(1, asyncio.run(fill_often(options.rounds, options.seed)))


if __name__ == "__main__":
    sys.exit(main())
