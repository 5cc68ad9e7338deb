"""A client that shows what a connection brings, byte by byte, and how it ends."""

import asyncio
import json
import re
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import attrs

from openfunnel_async.sandbox import Sandbox
from tests.sandbox.caller import JOBS

SEARCH = json.dumps({"query": "voice ai"}).encode()


@attrs.frozen
class Heard:
    """What came over a connection.

    Attributes:
        pieces: The bytes as they arrived, each with the loop's time.
        ended: How it ended, None where it had not when one stopped listening.
    """

    pieces: tuple[tuple[float, bytes], ...] = ()
    ended: Literal["closed", "reset"] | None = None

    @property
    def data(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def length(self) -> int | None:
        """Give the Content-Length."""
        found = re.search(rb"\r\ncontent-length: *([0-9]+)\r\n", self.head + b"\r\n")
        return None if found is None else int(found[1])


def request(
    sandbox: Sandbox,
    method: str = "GET",
    path: str = "/api/v1/credits/balance",
    body: bytes = b"",
    *,
    connection: str = "close",
) -> bytes:
    """Write a request as it goes over the wire."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: sandbox",
        f"X-API-Key: {sandbox.api_key}",
        f"Connection: {connection}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def submit(sandbox: Sandbox, *, connection: str = "close") -> bytes:
    """Write a submit as it goes over the wire."""
    return request(sandbox, "POST", JOBS, SEARCH, connection=connection)


class RawClient:
    """One connection to a base URL."""

    def __init__(self, base_url: str) -> None:
        self._port = urlsplit(base_url).port
        self._socket = socket.socket()
        self._socket.setblocking(False)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        except OSError:
            self._socket.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hear(self) -> Heard:
        """Listen until the connection ends."""
        heard = Heard()
        while heard.ended is None:
            heard = await self._hear_more(heard)
        return heard

    async def hear_answer(self) -> Heard:
        """Listen until an answer with a Content-Length is whole."""
        heard = Heard()
        while heard.length is None or len(heard.body) < heard.length:
            assert heard.ended is None
            heard = await self._hear_more(heard)
        return heard

    async def hear_some(self) -> bytes:
        """Listen until something comes; nothing at all is the end."""
        return await asyncio.get_running_loop().sock_recv(self._socket, 65_536)

    async def _hear_more(self, heard: Heard) -> Heard:
        loop = asyncio.get_running_loop()
        try:
            data = await loop.sock_recv(self._socket, 65_536)
        except ConnectionResetError:
            return attrs.evolve(heard, ended="reset")
        if not data:
            return attrs.evolve(heard, ended="closed")
        return attrs.evolve(heard, pieces=(*heard.pieces, (loop.time(), data)))


async def exchange(base_url: str, data: bytes) -> Heard:
    """Say something on a connection of its own, and listen until it ends."""
    async with RawClient(base_url) as client:
        await client.say(data)
        return await client.hear()


async def until(happened: Callable[[], object]) -> None:
    """Let the loop turn until something has happened."""
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 -- what is waited for sets no event
            await asyncio.sleep(0.001)
