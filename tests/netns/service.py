"""A sandbox in a process of its own, which reports what arrived when it is asked.

Takes the jobs' life as JSON. Prints its address and key as one line of JSON; then, for
each line that it reads, one line with the requests and the rows so far. Ends with its
input.
"""

import asyncio
import json
import sys
from collections import Counter

from openfunnel_async.sandbox import JobLife, Sandbox, Unknowns


def report(sandbox: Sandbox) -> dict[str, object]:
    """Count what arrived, and the rows that are or would be billed."""
    jobs = sandbox.jobs.values()
    return {
        "requests": Counter(request.kind for request in sandbox.requests),
        "statuses": Counter(job.status for job in jobs),
        "rows": sum(job.rows_written for job in jobs),
        "billed": sum(job.credits or 0.0 for job in jobs),
    }


def say(value: object) -> None:
    """Write one line of JSON."""
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


async def main(life: JobLife) -> None:
    """Serve until the input ends."""
    # A job writes 25 rows at a time, and a cancel stops it at once.
    unknowns = Unknowns(newest_page_grows=True, settle=0.0)
    async with Sandbox(plan=lambda _, __: life, unknowns=unknowns) as sandbox:
        say({"base_url": sandbox.base_url, "api_key": sandbox.api_key})
        while await asyncio.to_thread(sys.stdin.readline):
            say(report(sandbox))


if __name__ == "__main__":
    asyncio.run(main(JobLife(**json.loads(sys.argv[1]))))
