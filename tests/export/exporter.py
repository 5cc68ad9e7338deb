"""Export a job to a file, or continue an export; may be killed at any time.

    python exporter.py FILE JOB

Says how many rows are safe whenever there are more.
"""

import asyncio
import sys

from openfunnel_async import OpenFunnel, PollPolicy, export


def say(rows: int) -> None:
    """Report to the process that may kill this one."""
    sys.stdout.write(f"{rows}\n")
    sys.stdout.flush()


async def main(path: str, job_id: str) -> None:
    """Continue where the last process was killed, or begin."""
    async with OpenFunnel(polling=PollPolicy.fixed(0.05)) as client:
        place = export.left_at(path)
        job = client.job(job_id) if place is None else client.resume(place)
        await export.to_file(job, path, resume=True, on_rows=say)


if __name__ == "__main__":
    say(0)
    asyncio.run(main(*sys.argv[1:]))
