"""Read a job into a file, from the end of the file; a test kills it at any time.

    python reader.py FILE START

Each line of the file is one row and the checkpoint after it, so that neither is ever
there alone. START is the checkpoint for an empty file.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from openfunnel_async import OpenFunnel, PollPolicy


def last_checkpoint(file_path: Path, start: str) -> str:
    """Return the checkpoint of the last complete line, and remove an incomplete one."""
    written = file_path.read_bytes() if file_path.exists() else b""
    whole = written[: written.rfind(b"\n") + 1]
    if whole != written:
        os.truncate(file_path, len(whole))
    lines = whole.splitlines()
    return str(json.loads(lines[-1])["checkpoint"]) if lines else start


async def read(file_path: Path, start: str) -> None:
    """Write each row of the job, and print a line for it."""
    checkpoint = last_checkpoint(file_path, start)
    async with OpenFunnel(polling=PollPolicy.fixed(0.05)) as client:
        job = client.resume(checkpoint)
        with file_path.open("ab") as file:
            async with job.rows() as rows:
                async for company in rows:
                    line = {
                        "row": company.linkedin_url,
                        "checkpoint": str(job.checkpoint()),
                    }
                    file.write(json.dumps(line).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                    sys.stdout.write("a row\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(read(Path(sys.argv[1]), sys.argv[2]))
