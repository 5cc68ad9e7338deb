"""A link to a server that falls silent: it takes everything, and answers nothing.

To TCP the peer is alive, so that only who expects an answer can notice it: what a
half-open connection is behind a NAT or a proxy.
"""

import asyncio
import contextlib
from typing import Self


class SilentLink:
    """A port on loopback that passes to another one, until it is silenced.

    Args:
        port: The port of the server.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._is_silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self._server.sockets[0].getsockname()[1])

    def silence(self) -> None:
        """Pass nothing on any more, and accept new connections all the same."""
        self._is_silent = True

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(
                self._pass_on(reader, far[1]), self._pass_on(far[0], writer)
            )
        except (OSError, asyncio.CancelledError):
            # A task of a server that ends so would be reported as a fault.
            pass
        finally:
            for end in (writer, far[1]):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            if not self._is_silent:
                writer.write(data)
                await writer.drain()
        writer.close()
