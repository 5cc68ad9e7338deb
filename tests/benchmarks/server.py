"""The server of the benchmarks, in a process of its own.

`python -m tests.benchmarks.server 0 20` listens on one port for each latency in
milliseconds, prints the ports as JSON, and ends with its standard input.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from tests.benchmarks.answers import Answers

ROOT = Path(__file__).parents[2]
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


@contextmanager
def serving(*latencies: int) -> Generator[dict[int, str]]:
    """Run the server; gives the base URL for each latency in milliseconds."""
    command = [sys.executable, "-m", __name__, *map(str, latencies)]
    with subprocess.Popen(  # noqa: S603 -- our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        line = process.stdout.readline() if process.stdout is not None else b""
        ports: list[int] = json.loads(line)
        yield {
            latency: f"http://127.0.0.1:{port}"
            for latency, port in zip(latencies, ports, strict=True)
        }


class _Talker(asyncio.Protocol):
    """Answers each request of a connection after the latency."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while _END in self._read:
            head, _, rest = self._read.partition(_END)
            if head.startswith(b"GET "):
                self._read = rest
                self._answer(self._answers.reply(head.split(b" ", 2)[1].decode()))
                continue
            length = _LENGTH.search(head)
            body = int(length[1]) if length is not None else 0
            if len(rest) < body:
                return
            self._read = rest[body:]
            self._answer(self._answers.submitted(rest[:body]))

    def _answer(self, reply: bytes) -> None:
        if self._latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency, self._transport.write, reply)
        else:
            self._transport.write(reply)


async def _serve(latencies: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    answers = Answers()
    ports: list[int] = []
    for latency in latencies:
        talker = partial(_Talker, answers, latency / 1000)
        server = await loop.create_server(talker, "127.0.0.1", 0, backlog=1000)
        ports.append(server.sockets[0].getsockname()[1])
    sys.stdout.write(f"{json.dumps(ports)}\n")
    sys.stdout.flush()
    over = asyncio.Event()
    loop.add_reader(sys.stdin, over.set)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(_serve([int(text) for text in sys.argv[1:]]))
