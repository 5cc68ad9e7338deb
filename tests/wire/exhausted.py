"""Submit from a process that has no file descriptor left; prints the outcome.

The service listens in the process that started this one.
"""

import asyncio
import os
import resource
import sys

from openfunnel_async import LookalikeSearch, OpenFunnel, RetryPolicy, TransportError

SEARCH = LookalikeSearch(query="voice ai", limit=250)


async def main(base_url: str) -> None:
    """Submit with no descriptor left, and then with some."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    retry = RetryPolicy(attempts=2)
    async with OpenFunnel("of_" + "ab" * 32, base_url=base_url, retry=retry) as client:
        taken, failed = list[int](), "nothing failed"
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        try:
            await client.submit(SEARCH)
        except TransportError as exc:
            failed = f"{exc.request_sent} {exc}"
        finally:
            for descriptor in taken:
                os.close(descriptor)
        job = await client.submit(SEARCH)
        sys.stdout.write(f"{failed}\n{job.id}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
