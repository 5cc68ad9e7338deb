"""Socket options that asyncio has no function for."""

import os
import socket
import struct

HOST = "127.0.0.1"


def reset_on_close(connection: socket.socket) -> None:
    """Make closing this socket send a reset (RST) instead of an end (FIN)."""
    # The system's struct linger: on, for 0 seconds.
    form = "HH" if os.name == "nt" else "ii"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))


def bind_port(port: int) -> socket.socket:
    """Bind a port on loopback, 0 for a free one, without listening on it.

    Raises:
        OSError: The port is in use.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":
            # A connection that was closed a moment ago must not block the port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound
