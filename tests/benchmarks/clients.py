"""The clients that need nothing but aiohttp or less, the SDK among them.

All keep one connection. The bare one sends no key and reads a whole URL as it is: it
is what everything else is measured against, so it does no more than it must.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import orjson

from openfunnel_async import OpenFunnel
from tests.benchmarks.answers import address
from tests.benchmarks.blocks import Call, Client

KEY = "of_" + "5" * 64


def bare(session: aiohttp.ClientSession, origin: str) -> Client:
    """Read by aiohttp and orjson, dicts: the baseline."""

    def client(job_id: str, cursor: str | None) -> Call:
        url = address(origin, job_id, cursor)

        async def call() -> object:
            async with session.get(url) as reply:
                return orjson.loads(await reply.read())

        return call

    return client


def with_json(session: aiohttp.ClientSession, origin: str) -> Client:
    """Read by aiohttp and the json of the standard library, dicts."""

    def client(job_id: str, cursor: str | None) -> Call:
        url = address(origin, job_id, cursor)

        async def call() -> object:
            async with session.get(url) as reply:
                return json.loads(await reply.read())

        return call

    return client


@asynccontextmanager
async def raw(origin: str) -> AsyncGenerator[Client]:
    """Read by asyncio's streams and orjson: the floor, with next to no HTTP in it."""
    port = int(origin.rpartition(":")[2])
    # A page is larger than the default, at which a stream stops reading.
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)

    def client(job_id: str, cursor: str | None) -> Call:
        target = address("", job_id, cursor)
        request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

        async def call() -> object:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.rpartition(b"Content-Length: ")[2])
            return orjson.loads(await reader.readexactly(length))

        return call

    try:
        yield client
    finally:
        writer.close()
        await writer.wait_closed()


def typed_page(client: OpenFunnel) -> Client:
    """Read by the SDK's `fetch_page()`: typed rows."""

    def call(job_id: str, cursor: str | None) -> Call:
        return partial(client.job(job_id).fetch_page, cursor)

    return call


def poll(client: OpenFunnel) -> Client:
    """Read by the SDK's `poll()`, which knows no cursor."""

    def call(job_id: str, _cursor: str | None) -> Call:
        return client.job(job_id).poll

    return call
