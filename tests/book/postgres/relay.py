"""A TCP relay between the Book and its database that fails at a chosen moment."""

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Relay"]

_CHUNK = 65_536


class Relay:
    """Forwards bytes to a database, and cuts a connection on demand.

    Attributes:
        url: The address of the database over the relay.
        cut_before: Cut the connection instead of forwarding what has these bytes.
        cut_after: Forward what has these bytes, and cut it before the answer.
        is_silent: Whether nothing is forwarded, though all is acknowledged.
        cuts: How often a connection was cut.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname or "127.0.0.1", parts.port or 5432
        self._listener = socket.create_server(("127.0.0.1", 0))
        where = f"{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}"
        self.url: str = urlunsplit(parts._replace(netloc=where))
        self.cut_before: bytes | None = None
        self.cut_after: bytes | None = None
        self.is_silent = False
        self.cuts: int = 0
        self._links: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """End all connections; new ones can be made."""
        for link in self._links:
            _end(link)
        self._links.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._links += client, server
            for arguments in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._forward, args=arguments, daemon=True
                ).start()

    def _forward(self, source: socket.socket, to: socket.socket, is_up: bool) -> None:
        try:
            while data := source.recv(_CHUNK):
                if self.is_silent:
                    continue
                if is_up and self._cuts(data, source, to):
                    return
                to.sendall(data)
        except OSError:
            pass
        finally:
            _end(source)
            _end(to)

    def _cuts(self, data: bytes, source: socket.socket, to: socket.socket) -> bool:
        """Cut the connection, if this is the moment; once for each order."""
        if self.cut_before is not None and self.cut_before in data:
            self.cut_before = None
        elif self.cut_after is not None and self.cut_after in data:
            self.cut_after = None
            # The answer never arrives, and the server does what was asked.
            self.cuts += 1
            _end(source)
            to.sendall(data)
            return True
        else:
            return False
        self.cuts += 1
        return True


def _end(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()
