"""Export a job to a file, or continue an export; a test kills it at any time.

    python exporter.py FILE JOB

It prints the number of rows in the part each time that it has grown.
"""

import asyncio
import sys

from openfunnel_async import OpenFunnel, PollPolicy, export


def report_rows(rows: int) -> None:
    """Print the number of rows for the process that kills this one."""
    sys.stdout.write(f"{rows}\n")
    sys.stdout.flush()


async def main(path: str, job_id: str) -> None:
    """Continue the export of the last process, or start one."""
    async with OpenFunnel(polling=PollPolicy.fixed(0.05)) as client:
        checkpoint = export.left_at(path)
        job = client.job(job_id) if checkpoint is None else client.resume(checkpoint)
        # A process that was killed may have written the file, and not removed the part.
        await export.to_file(
            job, path, resume=True, overwrite=True, on_rows=report_rows
        )


if __name__ == "__main__":
    report_rows(0)
    asyncio.run(main(*sys.argv[1:]))
