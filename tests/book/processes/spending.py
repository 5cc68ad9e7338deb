"""Real processes that submit under one budget of a Book, and what became of it.

``python -m tests.book.processes.spending ADDRESS BUDGET SUBMITS AT_A_TIME`` is one of
them: it submits one search after the other, several at a time, and prints a tally as
JSON. The sandbox is that of the environment.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

import attrs

from openfunnel_async import (
    Book,
    CreditCapError,
    LookalikeSearch,
    OpenFunnel,
    OpenFunnelError,
)
from openfunnel_async.sandbox import JobLife, Sandbox
from tests.support.stakes import most_committed

ROOT = Path(__file__).parents[3]
LIMIT = 10


@attrs.frozen(kw_only=True)
class Spending:
    """What processes did with a budget.

    Attributes:
        outcomes: How many submits ended in what: ``accepted``, or an error's name.
        arrived: Submits that reached the sandbox.
        most_committed: The most that was billed and could be billed at one moment.
        billed: What the sandbox billed.
        spent: What the Book says was spent and is reserved.
        problems: What ``Book.check()`` found.
        seconds: How long it took.
        accepted_each: Submits that were accepted, of each process.
        longest: The longest that one submit took, in seconds.
    """

    outcomes: Counter[str]
    arrived: int
    most_committed: float
    billed: float
    spent: float
    problems: tuple[str, ...]
    seconds: float
    accepted_each: tuple[int, ...]
    longest: float


async def spend(
    address: str, *, processes: int, submits: int, budget: float, at_a_time: int
) -> Spending:
    """Submit from processes that begin together, against one sandbox.

    Every second job delivers 4 of its 10 companies, so bills give credits back.
    """
    lives = [_life(None), _life(4)] * (processes * submits // 2)
    async with Book.connect(address) as book, Sandbox(speed=0, lives=lives) as sandbox:
        await book.set_budget("team", total=budget)
        began = time.monotonic()
        parts = await asyncio.gather(
            *(_run(address, sandbox, submits, at_a_time) for _ in range(processes))
        )
        seconds = time.monotonic() - began
        (status,) = await book.budgets()
        return Spending(
            outcomes=sum(
                (Counter[str](part["outcomes"]) for part in parts), Counter[str]()
            ),
            arrived=sum(seen.kind == "submit" for seen in sandbox.requests),
            most_committed=most_committed(sandbox.jobs.values()),
            billed=sandbox.ledger.used,
            spent=status.spent + status.reserved,
            problems=(await book.check()).problems,
            seconds=seconds,
            accepted_each=tuple(part["outcomes"].get("accepted", 0) for part in parts),
            longest=max(part["longest"] for part in parts),
        )


def _life(rows: int | None) -> JobLife:
    return JobLife(
        queue=0, first_page_after=0, seconds_per_page=0, closing=0, rows=rows
    )


async def _run(
    address: str, sandbox: Sandbox, submits: int, at_a_time: int
) -> dict[str, Any]:
    """Run one of the processes, and return its tally."""
    environment = {
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, address, "team"),
        *(str(submits), str(at_a_time)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=PIPE,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    tally: dict[str, Any] = json.loads(output)
    return tally


async def _submit_all(
    address: str, budget: str, submits: int, at_a_time: int
) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    took: list[float] = []
    places = asyncio.Semaphore(at_a_time)

    async def submit(client: OpenFunnel, number: int) -> None:
        search = LookalikeSearch(query=f"{os.getpid()} {number}", limit=LIMIT)
        async with places:
            began = time.monotonic()
            try:
                await client.submit(search)
            except CreditCapError:
                outcomes["refused"] += 1
            except OpenFunnelError as exc:
                outcomes[type(exc).__name__] += 1
            else:
                outcomes["accepted"] += 1
            took.append(time.monotonic() - began)

    async with OpenFunnel(book=Book.connect(address), budget=budget) as client:
        await asyncio.gather(*(submit(client, number) for number in range(submits)))
    return {"outcomes": outcomes, "longest": max(took)}


def main(arguments: Sequence[str]) -> None:
    """Submit, and print the tally."""
    address, budget, submits, at_a_time = arguments
    tally = asyncio.run(_submit_all(address, budget, int(submits), int(at_a_time)))
    sys.stdout.write(json.dumps(tally))


if __name__ == "__main__":
    main(sys.argv[1:])
