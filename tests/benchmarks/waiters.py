"""The same wait three times: on bare aiohttp, on httpx, by the SDK.

httpx stands behind a semaphore of as many as it has connections. Without one each
request looks through the queue of all others: 1,000 waits took it 150 s.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any

import aiohttp
import orjson

from openfunnel_async import OpenFunnel, PollPolicy
from tests.benchmarks.answers import address
from tests.benchmarks.clients import KEY

# Waits for one job.
Wait = Callable[[str], Awaitable[object]]
BARE, HTTPX, SDK = "bare aiohttp", "httpx", "SDK"
_TERMINAL = {"completed", "cancelled", "failed"}
_CONNECTIONS = 100


@asynccontextmanager
async def waiters(origin: str, pace: float) -> AsyncGenerator[Mapping[str, Wait]]:
    """Open all clients there are; each polls a job at an interval."""
    polling = PollPolicy.fixed(pace)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client = OpenFunnel(KEY, base_url=origin, polling=polling)
        await stack.enter_async_context(client)
        found = {BARE: _bare(session, origin, pace), SDK: _sdk(client)}
        if find_spec("httpx") is not None:
            httpx = importlib.import_module("httpx")
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))
            found[HTTPX] = _httpx(http, origin, pace)
        yield found


def _bare(session: aiohttp.ClientSession, origin: str, pace: float) -> Wait:
    """Return the loop that one writes without an SDK."""

    async def wait(job_id: str) -> object:
        url = address(origin, job_id)
        while True:
            async with session.get(url) as reply:
                answer = orjson.loads(await reply.read())
            if answer["status"] in _TERMINAL:
                return answer
            await asyncio.sleep(pace)

    return wait


def _httpx(http: Any, origin: str, pace: float) -> Wait:
    """Return the same loop on httpx."""
    free = asyncio.Semaphore(_CONNECTIONS)

    async def wait(job_id: str) -> object:
        url = address(origin, job_id)
        while True:
            async with free:
                answer = (await http.get(url)).json()
            if answer["status"] in _TERMINAL:
                return answer
            await asyncio.sleep(pace)

    return wait


def _sdk(client: OpenFunnel) -> Wait:
    """Return the SDK's wait."""

    async def wait(job_id: str) -> object:
        return await client.job(job_id).wait_until_terminal(timeout=None)

    return wait
