"""Read a job into a notebook, from where the notebook ends; may be killed any time.

    python reader.py NOTEBOOK START

Each line of the notebook is one row and the place after it, so that there is never
one without the other. START is the checkpoint to begin an empty notebook with.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from openfunnel_async import OpenFunnel, PollPolicy


def last_place(notebook: Path, start: str) -> str:
    """Return the place after the last whole line, and cut off what is not one."""
    written = notebook.read_bytes() if notebook.exists() else b""
    whole = written[: written.rfind(b"\n") + 1]
    if whole != written:
        os.truncate(notebook, len(whole))
    lines = whole.splitlines()
    return str(json.loads(lines[-1])["place"]) if lines else start


async def read(notebook: Path, start: str) -> None:
    """Write row after row, and say so, until the job has no more."""
    place = last_place(notebook, start)
    async with OpenFunnel(polling=PollPolicy.fixed(0.05)) as client:
        job = client.resume(place)
        with notebook.open("ab") as file:
            async with job.rows() as rows:
                async for company in rows:
                    line = {"row": company.linkedin_url, "place": str(job.checkpoint())}
                    file.write(json.dumps(line).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                    sys.stdout.write("a row\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(read(Path(sys.argv[1]), sys.argv[2]))
