"""A program of its own: one call, and by how much the process's memory peaked.

    python memory_of_one_call.py BASE_URL KEY submit|JOB_ID

Prints a JSON object: ``grown``, in bytes, and what was raised.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path

from openfunnel_async import LookalikeSearch, OpenFunnel, OpenFunnelError, RetryPolicy

_STATUS = Path("/proc/self/status")
_UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    """Return the most bytes the process has held so far.

    On Linux ``ru_maxrss`` starts at the size of the process that started this one,
    which is larger than this one ever gets; ``VmHWM`` does not.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


async def main(base_url: str, key: str, what: str) -> None:
    search = LookalikeSearch(query="voice ai", limit=100)
    retry = RetryPolicy(attempts=1)
    told: dict[str, object] = {}
    async with OpenFunnel(key, base_url=base_url, retry=retry) as client:
        await client.credit_balance()
        before = peak()
        try:
            if what == "submit":
                await client.submit(search)
            else:
                await client.job(what).fetch_page()
        except OpenFunnelError as exc:
            told = {"error": type(exc).__name__, "message": str(exc)}
            told["accepted"] = getattr(exc, "accepted", None)
            told["job_id"] = getattr(exc, "job_id", None)
        told["grown"] = peak() - before
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
