"""`python -m tests.book.kill.strace_order`: no POST before its intent is on the disk.

It runs the worker under strace, on demand, and reads the order of its system calls: the
write of a submit to a socket has to follow an fdatasync of the Book's files, with no
write to those files between the two. One job runs at a time, so that no other job's
page is written meanwhile. No SIGKILL can show this: what a process has
written survives it, and only a power cut does not spare what was not synchronised.
"""

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from openfunnel_async.sandbox import Sandbox
from tests.book.kill.harness import ROOT, Worker

_CALLS = "openat,close,write,pwrite64,fsync,fdatasync,sendto,sendmsg,writev"
_CALL = re.compile(r"^(?:\[pid +)?(\d+)\]? +[\d.]+ (\w+)\((\d+)(?:<([^>]*)>)?(.*)")
_RESUMED = re.compile(r"^(?:\[pid +)?(\d+)\]? +[\d.]+ <\.\.\. (\w+) resumed>")
_SUBMIT = re.compile(r'"POST /[^"]*')
_WRITES = {"write", "pwrite64"}
_SYNCS = {"fsync", "fdatasync"}
_SENDS = {"sendto", "sendmsg", "writev", "write"}


async def trace(searches: int, *options: str) -> list[str]:
    """Run a batch under strace and return its lines."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        async with Sandbox(speed=300) as sandbox:
            worker = Worker(Path(folder, "book.sqlite"), sandbox)
            process = await asyncio.create_subprocess_exec(
                *("strace", "-f", "-y", "-ttt", "-s", "200", "-o", str(log)),
                *("-e", f"trace={_CALLS}"),
                *(sys.executable, "-m", "tests.book.kill.worker", str(worker.path)),
                *("--searches", str(searches), "--active", "1", *options),
                cwd=ROOT,
                env=worker.environment,
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert await process.wait() == 0
        text = await asyncio.to_thread(log.read_text, errors="replace")
        return text.splitlines()


def find_order(lines: list[str]) -> Iterator[str]:
    """Yield, for each submit, the calls on the Book since the submit before it."""
    since: list[str] = []
    under_way: set[str] = set()
    for line in lines:
        ended = _RESUMED.match(line)
        if ended is not None and ended[2] in _SYNCS and ended[1] in under_way:
            under_way.remove(ended[1])
            since.append("sync")
        found = _CALL.match(line)
        if found is None:
            continue
        thread, name, _, file, rest = found.groups()
        if "book.sqlite" in (file or ""):
            if name in _WRITES:
                since.append("write")
            elif name in _SYNCS and "<unfinished" in rest:
                under_way.add(thread)
            elif name in _SYNCS:
                since.append("sync")
        elif name in _SENDS and _SUBMIT.search(rest) and "/cancel" not in rest:
            yield " ".join(since)
            since.clear()


def main() -> int:
    """Trace a batch and print what was found; 1 if a submit was sent too early."""
    parser = argparse.ArgumentParser(prog="python -m tests.book.kill.strace_order")
    parser.add_argument("--searches", type=int, default=12, metavar="N")
    parser.add_argument("--no-sync", action="store_true", help="the control: it fails")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.stderr.write("install strace first: apt-get install strace\n")
        return 2
    more = ["--no-sync"] if options.no_sync else []
    orders = list(find_order(asyncio.run(trace(options.searches, *more))))
    good = [order for order in orders if order.endswith("write sync")]
    for order in orders:
        sys.stdout.write(f"{order[-60:]} -> POST\n")
    sys.stdout.write(f"{len(good)} of {len(orders)} submits after an fdatasync\n")
    return 0 if len(good) == len(orders) == options.searches else 1


if __name__ == "__main__":
    sys.exit(main())
