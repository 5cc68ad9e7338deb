"""A server that ends TLS and passes the bytes on to a plain server of this machine."""

import asyncio
import contextlib
import ssl
from typing import Self

__all__ = ["TlsFront"]


class TlsFront:
    """Listens at 127.0.0.1 with TLS, in front of a server without.

    Args:
        context: The certificate, and whether clients need one.
        port: The port of the server behind it.

    Attributes:
        base_url: The address for a client.
        connections: How many connections passed the handshake.
    """

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._port = port
        self._tasks = asyncio.TaskGroup()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.base_url = ""
        self.connections = 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._context
        )
        port: int = self._server.sockets[0].getsockname()[1]
        self.base_url = f"https://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._tasks.__aexit__(None, None, None)
        await self._server.wait_closed()

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self._writers.add(writer)
        self._tasks.create_task(self._serve(reader, writer))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.add(here)
        self._tasks.create_task(_copy(there, writer))
        await _copy(reader, here)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
