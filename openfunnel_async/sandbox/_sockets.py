"""What a socket can be told that asyncio has no word for."""

import os
import socket
import struct

HOST = "127.0.0.1"


def reset_on_close(connection: socket.socket) -> None:
    """Make closing this socket a reset (RST) in place of a good-bye (FIN)."""
    # The system's struct linger: on, for 0 seconds.
    form = "HH" if os.name == "nt" else "ii"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))


def bind_port(port: int) -> socket.socket:
    """Take a port of this machine, 0 for a free one, without listening to it.

    Raises:
        OSError: The port is taken.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":
            # Connections that ended a moment ago do not count as taking it.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.setblocking(False)
        taken.bind((HOST, port))
    except OSError:
        taken.close()
        raise
    return taken
