"""A forward proxy for tests: CONNECT, and requests with a whole URL."""

import asyncio
import contextlib
import ssl
from typing import Self, cast
from urllib.parse import urlsplit

__all__ = ["ForwardProxy"]


class ForwardProxy:
    """Connects to where a client asks it to, and records what it was asked.

    Args:
        tls: The context of an https proxy.

    Attributes:
        heads: The heads of the requests that it could read.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks = asyncio.TaskGroup()
        self.heads: list[str] = []
        self.port = 0

    def address(self, credentials: str = "") -> str:
        """Return the address for a client, with credentials if there are any."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    def values(self, name: str) -> list[str | None]:
        """Return the value of a header in each request, None where it is missing."""
        return [_fields(head).get(name) for head in self.heads]

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._tls
        )
        address = cast("tuple[str, int]", self._server.sockets[0].getsockname())
        self.port = address[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._tasks.__aexit__(None, None, None)
        await self._server.wait_closed()

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        self._tasks.create_task(self._serve(reader, writer))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await self._read_head(reader)
            method, target, _ = head.split(" ", 2)
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            there, here = await asyncio.open_connection(parts.hostname, parts.port)
            self._writers.add(here)
            self._tasks.create_task(_copy(there, writer))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _copy(reader, here)
                return
            while True:
                await self._forward(head, reader, here)
                head = await self._read_head(reader)
        writer.close()

    async def _read_head(self, reader: asyncio.StreamReader) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        return head

    async def _forward(
        self, head: str, reader: asyncio.StreamReader, here: asyncio.StreamWriter
    ) -> None:
        method, target, rest = head.split(" ", 2)
        parts = urlsplit(target)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        here.write(f"{method} {path} {rest}".encode())
        here.write(
            await reader.readexactly(int(_fields(head).get("content-length", 0)))
        )


def _fields(head: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
