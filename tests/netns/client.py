"""One scenario of a client whose connections die silently, in a process of its own.

Prints ``ready`` once its pool holds a connection that works, waits for the line that
says that this connection is dead now, and prints what it measured as one line of JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise

import aiohttp
from yarl import URL

from openfunnel_async import (
    AiohttpTransport,
    BulkJob,
    Company,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    TransportError,
    WireReply,
    WireRequest,
)

Measured = dict[str, float]

SEARCH = LookalikeSearch(query="voice ai", limit=1_000)
# A moment at which a job has written 25 rows and the next 25 are 2 s away.
AFTER = 3.0
POOL = 6


class PooledCancels:
    """The old behaviour, planted: every request goes over the pool."""

    def __init__(self) -> None:
        """Open a session like any other program's."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None)
        )

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send once, over whatever connection the pool gives."""
        url = URL(request.url, encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=request.headers, data=request.body
            ) as response:
                body = await response.read()
        except aiohttp.ClientError:
            raise TransportError("the connection broke", True) from None
        headers = {name.lower(): text for name, text in response.headers.items()}
        return WireReply(status_code=response.status, headers=headers, body=body)

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


def change() -> float:
    """Let the network change, and return the moment after it.

    It blocks the event loop for some hundredths of a second, so that nothing of the
    client happens between its readiness and the change.
    """
    say("ready")
    if sys.stdin.readline() != "changed\n":
        sys.exit("the test ended before the network changed")
    return time.monotonic()


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def since(moment: float) -> float:
    """Return the seconds that have passed."""
    return time.monotonic() - moment


async def warm_job(client: OpenFunnel) -> BulkJob:
    """Return a job with 25 rows, read over a connection that is pooled now."""
    job = await client.submit(SEARCH)
    await job.poll()
    await asyncio.sleep(AFTER)
    await job.poll()
    return job


async def cancel(client: OpenFunnel) -> Measured:
    """Cancel a job."""
    job = await warm_job(client)
    changed = change()
    await job.cancel()
    return {"seconds": since(changed)}


async def running(client: OpenFunnel) -> Measured:
    """Leave `running` by an exception."""
    changed = 0.0
    with contextlib.suppress(LookupError):
        async with client.running(SEARCH) as job:
            await job.poll()
            await asyncio.sleep(AFTER)
            await job.poll()
            changed = change()
            raise LookupError
    return {"seconds": since(changed)}


async def take(client: OpenFunnel) -> Measured:
    """Take the first 25 rows; the network changes as the last one is delivered."""
    changed = list[float]()
    rows = list[Company]()

    def where(company: Company) -> bool:
        rows.append(company)
        if len(rows) == 25:
            changed.append(change())
        return True

    job = await client.submit(SEARCH)
    taken = await job.take(25, where=where)
    return {"seconds": since(changed[0]), "taken": len(taken.rows)}


async def run_many(client: OpenFunnel) -> Measured:
    """Cancel a batch of three jobs."""
    batch = asyncio.create_task(client.run_many([SEARCH] * 3, max_active=3))
    await asyncio.sleep(AFTER)
    changed = change()
    batch.cancel()
    await asyncio.wait([batch])
    return {"seconds": since(changed)}


async def submit(client: OpenFunnel) -> Measured:
    """Submit another job."""
    await warm_job(client)
    changed = change()
    await client.submit(SEARCH)
    return {"seconds": since(changed)}


async def poll(client: OpenFunnel) -> Measured:
    """Poll once."""
    job = await warm_job(client)
    changed = change()
    await job.poll()
    return {"seconds": since(changed)}


async def poll_full_pool(client: OpenFunnel) -> Measured:
    """Poll once, with more dead connections in the pool than a call has attempts."""
    job = await client.submit(SEARCH)
    await asyncio.gather(*(client.job(job.id).poll() for _ in range(POOL)))
    changed = change()
    await job.poll()
    return {"seconds": since(changed)}


async def wait(client: OpenFunnel) -> Measured:
    """Wait for a job that ends 2 s after the change."""
    job = await warm_job(client)
    changed = change()
    await job.wait_until_terminal()
    return {"seconds": since(changed)}


async def rows(client: OpenFunnel) -> Measured:
    """Read all rows of a job; the network changes after the first 100."""
    job, came, urls = await client.submit(SEARCH), list[float](), list[str | None]()
    async with job.rows() as stream:
        async for company in stream:
            urls.append(company.linkedin_url)
            came.append(change() if len(urls) == 100 else time.monotonic())
    longest = max(after - before for before, after in pairwise(came[99:]))
    return {"seconds": longest, "delivered": len(urls), "distinct": len(set(urls))}


SCENARIOS: dict[str, Callable[[OpenFunnel], Awaitable[Measured]]] = {
    scenario.__name__: scenario
    for scenario in (
        *(cancel, running, take, run_many, submit),
        *(poll, poll_full_pool, wait, rows),
    )
}


def client_of(transport: str, base_url: str, api_key: str) -> OpenFunnel:
    """Return a client with the transport of that name."""
    # A short pace, so that it adds little to what is measured.
    client = partial(
        OpenFunnel, api_key, base_url=base_url, polling=PollPolicy.fixed(1.0)
    )
    match transport:
        case "own_session":
            return client(transport=AiohttpTransport(aiohttp.ClientSession()))
        case "pooled_cancels":
            return client(transport=PooledCancels(), request_timeout=5.0)
        case _:
            return client()


async def main(scenario: str, transport: str, base_url: str, api_key: str) -> None:
    """Run a scenario and report what it measured."""
    client = client_of(transport, base_url, api_key)
    say(json.dumps(await SCENARIOS[scenario](client)))
    # All is reported; the test ends this process.
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
