"""A server that sends exactly the given bytes, and records what it received.

For what no well-behaved server does: half an answer, no answer, no HTTP at all.
"""

import asyncio
import gzip
import socket
from collections.abc import Mapping
from typing import Literal, Self, cast

import attrs

Then = Literal["keep", "close", "wait"]


@attrs.frozen
class Received:
    """One request as it came over the wire.

    Attributes:
        head: Everything up to the empty line.
        body: What Content-Length announced.
        connection: The number of the connection, counted from 0.
    """

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0].decode()

    def values(self, name: str) -> list[str]:
        """Every value of a header, in the order of the lines."""
        pairs = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        wanted = name.lower().encode()
        return [
            text.strip().decode() for key, _, text in pairs if key.lower() == wanted
        ]


@attrs.frozen
class Said:
    """What is said to one request, byte by byte.

    Attributes:
        data: The bytes.
        then: Whether the connection is kept for another request, closed, or left
            open in silence until the other side closes it.
        after: Seconds of the loop before the first byte.
    """

    data: bytes = b""
    then: Then = "keep"
    after: float = 0.0


def said(  # noqa: PLR0913 -- all but the body by name, each with a default
    body: bytes | str = b"{}",
    *,
    status: str = "200 OK",
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
    packed: bool = False,
    then: Then = "keep",
) -> Said:
    """Put a well-formed answer together.

    Args:
        body: The body, before packing.
        status: Status code and reason.
        headers: More headers.
        length: A Content-Length that is not the body's own.
        packed: Whether the body goes out as gzip.
        then: As in `Said`.
    """
    data = body.encode() if isinstance(body, str) else body
    data = gzip.compress(data, mtime=0) if packed else data
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(data) if length is None else length),
        **({"Content-Encoding": "gzip"} if packed else {}),
        **(headers or {}),
    }
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name}: {text}" for name, text in fields.items()),
    ]
    return Said("\r\n".join(lines).encode() + b"\r\n\r\n" + data, then)


class RawServer:
    """Answers request after request with what it was given, then closes.

    Attributes:
        received: The requests so far, whole ones.
        connections: Connections made to it so far.
        arrived: Set when a request has been read.
        left: Set when the other side has closed a connection.
    """

    def __init__(self, *answers: Said) -> None:
        self._answers = list(answers)
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers = asyncio.TaskGroup()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.received: list[Received] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._handlers.__aenter__()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        address = cast("tuple[str, int]", self._server.sockets[0].getsockname())
        self.port = address[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._handlers.__aexit__(None, None, None)
        await self._server.wait_closed()

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number, self.connections = self.connections, self.connections + 1
        self._writers.add(writer)
        self._handlers.create_task(self._serve(number, reader, writer))

    async def _serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while await self._answer(number, reader, writer) == "keep":
                pass
        except (OSError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Then:
        head = await reader.readuntil(b"\r\n\r\n")
        request = Received(head, b"", number)
        length = int((request.values("content-length") or ["0"])[0])
        body = await reader.readexactly(length)
        self.received.append(attrs.evolve(request, body=body))
        self.arrived.set()
        answer = self._answers.pop(0) if self._answers else Said(then="close")
        await asyncio.sleep(answer.after)
        writer.write(answer.data)
        await writer.drain()
        if answer.then == "wait":
            await reader.read()
            self.left.set()
        return answer.then


def refused_url() -> str:
    """Give an address of this machine where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = cast("tuple[str, int]", free.getsockname())[1]
    return f"http://127.0.0.1:{port}"
