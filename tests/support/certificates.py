"""A TLS server with a certificate of its own making, for this machine's addresses."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from tests.support.raw_server import Said

__all__ = ["TlsServer", "tls_server", "trusting"]


@attrs.define
class TlsServer:
    """What a client needs to know of it.

    Attributes:
        base_url: Where it listens.
        requests: Requests that came through a handshake.
    """

    base_url: str
    requests: int = 0


def _server_context(folder: Path, host: str) -> ssl.SSLContext:
    """Make a key and a certificate that it signed itself, in ``own.pem``."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    made, key = folder / "own.pem", folder / "key.pem"
    subprocess.run(  # noqa: S603 -- every word is from here
        [
            openssl, "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2",
            "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-subj", "/CN=openfunnel-async tests",
            "-addext", f"subjectAltName=IP:{host}",
            "-keyout", str(key), "-out", str(made),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context


def trusting(folder: Path) -> ssl.SSLContext:
    """Return a client's context that trusts the certificate made there."""
    return ssl.create_default_context(cafile=str(folder / "own.pem"))


@asynccontextmanager
async def tls_server(
    folder: Path, answer: Said, *, certified: str = "127.0.0.1"
) -> AsyncGenerator[TlsServer]:
    """Give the same answer to each request, at 127.0.0.1.

    Args:
        folder: Where to make the key and the certificate.
        answer: The answer.
        certified: The address that the certificate is for.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that leaves in the middle is what some tests are about.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            server.requests += 1
            writer.write(answer.data)
            await writer.drain()
        writer.close()

    context = _server_context(folder, certified)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        server = TlsServer(f"https://127.0.0.1:{port}")
        yield server
