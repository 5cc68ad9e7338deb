"""Programs that end in the middle of a submit or a cancel, each in its own way.

    python -m tests.crash.interrupted WAY

Each prints one line when its request is under way. The log goes to stderr.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable

from openfunnel_async import LookalikeSearch, OpenFunnel

SEARCH = LookalikeSearch(query="voice ai", limit=77)


def report() -> None:
    """Print the line after which the test may interrupt."""
    sys.stdout.write("under way\n")
    sys.stdout.flush()


async def submit_and_wait() -> None:
    """Submit, and wait for the answer."""
    async with OpenFunnel() as client:
        report()
        await client.submit(SEARCH)


async def submit_and_return() -> None:
    """Return while a submit is under way, without closing the client."""
    client = OpenFunnel()
    task = asyncio.create_task(client.submit(SEARCH))
    await asyncio.sleep(0.5)
    report()
    assert not task.done()


async def submit_and_exit() -> None:
    """Raise SystemExit while a submit is under way."""
    await submit_and_return()
    sys.exit(3)


async def block_and_wait() -> None:
    """Wait in a block whose job cannot be cancelled."""
    client = OpenFunnel()
    async with client.running(SEARCH):
        report()
        await asyncio.sleep(600)


def run_and_close() -> None:
    """Close a loop without cancelling its tasks."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(submit_and_return())
    loop.close()
    del loop
    gc.collect()
    sys.stderr.write("the program continues\n")


def run_without_a_runner() -> None:
    """Let Ctrl-C raise KeyboardInterrupt at any point of the loop."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(submit_and_wait())


def run_in_a_daemon_thread() -> None:
    """End the interpreter while the loop's thread waits."""
    done = threading.Event()

    async def submit() -> None:
        client = OpenFunnel()
        task = asyncio.create_task(client.submit(SEARCH))
        await asyncio.sleep(0.5)
        done.set()
        await task

    threading.Thread(target=lambda: asyncio.run(submit()), daemon=True).start()
    done.wait()
    report()


WAYS: dict[str, Callable[[], object]] = {
    "ctrl-c": lambda: asyncio.run(submit_and_wait()),
    "return": lambda: asyncio.run(submit_and_return()),
    "exit": lambda: asyncio.run(submit_and_exit()),
    "block": lambda: asyncio.run(block_and_wait()),
    "close": run_and_close,
    "no runner": run_without_a_runner,
    "thread": run_in_a_daemon_thread,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
