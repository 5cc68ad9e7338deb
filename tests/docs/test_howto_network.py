"""The how-to on company networks: real proxies, a private CA, a client certificate."""

import re
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import anyio
import pytest
import trustme
from anyio.abc import Process

from openfunnel_async.sandbox import Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program
from tests.docs.test_howto_web import free_port
from tests.support.raw_server import RawServer, said
from tests.support.tls_front import TlsFront

pytestmark = pytest.mark.anyio

PAGE = DOCS / "how-to" / "company-network.md"
PROXY, CERTIFICATE, SOCKS = blocks(PAGE, "python")
PROXY_ENV, GATEWAY_ENV, CONTAINER_ENV = (
    dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", block, re.MULTILINE))
    for block in blocks(PAGE, "sh")
)
# A program without a setting of its own, for those of the environment.
PLAIN = """\
import asyncio
from openfunnel_async import OpenFunnel

async def main() -> None:
    async with OpenFunnel() as client:
        print((await client.credit_balance()).credits_left)

asyncio.run(main())
"""
SOCKS_URL = "socks5://proxy.example:1080"
BALANCE = '{"total_credits": 7, "credits_used": 0, "credits_left": 7}'
# The proxy and the SOCKS server need a moment to start.
LONGEST = 30.0


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    """A private CA; its certificate is in ``ca.pem``."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


def server_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = ca.issue_cert("127.0.0.1")
    with own.private_key_and_cert_chain_pem.tempfile() as path:
        context.load_cert_chain(path)
    return context


@asynccontextmanager
async def process_of(*words: str, output: Path) -> AsyncGenerator[Process]:
    """Run a module of PyPI as a server, its output in a file."""
    with output.open("wb") as file:
        async with await anyio.open_process(
            [sys.executable, "-u", "-m", *words], stdout=file, stderr=subprocess.STDOUT
        ) as process:
            try:
                yield process
            finally:
                process.terminate()  # proxy.py then ends its workers
                await process.wait()


@asynccontextmanager
async def real_proxy(folder: Path) -> AsyncGenerator[int]:
    """Run proxy.py, which wants the credentials of the page; give its port."""
    words = ("--hostname", "127.0.0.1", "--port", "0")
    file = ("--port-file", str(folder / "port"))
    one = ("--threadless", "--num-acceptors", "1", "--num-workers", "1")
    secret = ("--basic-auth", "ada:password")
    log = folder / "proxy.log"
    async with process_of("proxy", *words, *one, *file, *secret, output=log):
        yield int(await until_written(folder / "port", "\n"))


@asynccontextmanager
async def socks_server(folder: Path) -> AsyncGenerator[int]:
    """Run the SOCKS server of pproxy."""
    port = free_port()
    words = ("-l", f"socks5://127.0.0.1:{port}", "-v")
    async with process_of("pproxy", *words, output=folder / "socks.log"):
        await until_written(folder / "socks.log", "Serving on")
        yield port


async def until_written(path: Path, words: str) -> str:
    """Wait until a server has written these words into a file; return the text."""
    with anyio.fail_after(LONGEST):
        while words not in text_of(path):  # noqa: ASYNC110 -- a process writes it
            await anyio.sleep(0.02)
    return text_of(path)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def port_of(sandbox: Sandbox) -> int:
    port = urlsplit(sandbox.base_url).port
    assert port is not None
    return port


def replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def check_balance(process: CompletedProcess[bytes], balance: float) -> None:
    assert process.returncode == 0, process.stderr.decode()
    assert float(process.stdout) == balance


@pytest.mark.parametrize("way", ["environment", "arguments"])
async def test_a_proxy_and_a_private_ca(
    way: str, ca: trustme.CA, tmp_path: Path
) -> None:
    """Caught: a request that does not go through the proxy."""
    async with (
        Sandbox() as sandbox,
        TlsFront(server_context(ca), port_of(sandbox)) as front,
        real_proxy(tmp_path) as port,
    ):
        changes = {
            "proxy.example:3128": f"127.0.0.1:{port}",
            "/etc/ssl/company-ca.pem": str(tmp_path / "ca.pem"),
        }
        environment = environment_of(sandbox) | {"OPENFUNNEL_BASE_URL": front.base_url}
        program = replaced(PROXY, changes)
        if way == "environment":
            whole = replaced("\n".join(PROXY_ENV.values()), changes)
            environment |= zip(PROXY_ENV, whole.splitlines(), strict=True)
            program = PLAIN
        process = await run_program(program, tmp_path, environment)
        check_balance(process, sandbox.ledger.balance)
        assert len(sandbox.requests) == front.connections == 1
        target = front.base_url.removeprefix("https://")
    assert f"CONNECT {target}" in text_of(tmp_path / "proxy.log")
    assert "x-api-key" not in text_of(tmp_path / "proxy.log").lower()


async def test_wrong_credentials_of_a_proxy_are_an_error_at_once(
    tmp_path: Path,
) -> None:
    async with Sandbox() as sandbox, real_proxy(tmp_path) as port:
        environment = environment_of(sandbox) | {
            "OPENFUNNEL_BASE_URL": "https://api.example",
            "OPENFUNNEL_PROXY": f"http://ada:wrong@127.0.0.1:{port}",
        }
        process = await run_program(PLAIN, tmp_path, environment)
    assert process.returncode == 1
    assert b"it asks for credentials" in process.stderr
    assert b"wrong@" not in process.stderr
    assert text_of(tmp_path / "proxy.log").count("ProxyAuthenticationFailed") == 1


async def test_the_proxy_of_the_system_is_not_used(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        dead = f"http://127.0.0.1:{free_port()}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
        environment = environment_of(sandbox) | dict.fromkeys(names, dead)
        process = await run_program(PLAIN, tmp_path, environment)
        check_balance(process, sandbox.ledger.balance)


@pytest.mark.parametrize("has_certificate", [True, False])
async def test_a_client_certificate(
    ca: trustme.CA, tmp_path: Path, *, has_certificate: bool
) -> None:
    mine = ca.issue_cert("ada@company.example")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    context = server_context(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca.cert_pem.bytes().decode())
    program = replaced(
        CERTIFICATE, {"/etc/ssl/company-ca.pem": str(tmp_path / "ca.pem")}
    )
    if not has_certificate:
        line = '    tls.load_cert_chain("client.pem", "client.key")\n'
        program = replaced(program, {line: ""})
    async with (
        Sandbox() as sandbox,
        TlsFront(context, port_of(sandbox)) as front,
    ):
        environment = environment_of(sandbox) | {"OPENFUNNEL_BASE_URL": front.base_url}
        process = await run_program(program, tmp_path, environment)
        assert len(sandbox.requests) == has_certificate
        if has_certificate:
            check_balance(process, sandbox.ledger.balance)
        else:
            assert b"TransportError" in process.stderr


async def test_a_socks_proxy(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, socks_server(tmp_path) as port:
        program = replaced(SOCKS, {SOCKS_URL: f"socks5://127.0.0.1:{port}"})
        process = await run_program(program, tmp_path, environment_of(sandbox))
        check_balance(process, sandbox.ledger.balance)
        target = sandbox.base_url.removeprefix("http://")
    assert f"-> {target}" in text_of(tmp_path / "socks.log")


async def test_a_submit_that_finds_no_socks_proxy_was_not_sent(tmp_path: Path) -> None:
    """Caught: an exception of the connector taken for a submit of unknown outcome."""
    submit = "await client.submit(LookalikeSearch(query='voice AI', limit=10))"
    changes = {
        SOCKS_URL: f"socks5://127.0.0.1:{free_port()}",
        "import AiohttpTransport, ": "import AiohttpTransport, LookalikeSearch, ",
        "print((await client.credit_balance()).credits_left)": submit,
    }
    async with Sandbox() as sandbox:
        process = await run_program(
            replaced(SOCKS, changes), tmp_path, environment_of(sandbox)
        )
    assert b"TransportError: the exchange failed" in process.stderr
    assert b"SubmitOutcomeUnknownError" not in process.stderr


async def test_a_gateway_gets_its_path(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, RawServer(said(BALANCE)) as gateway:
        [address] = GATEWAY_ENV.values()
        url = address.replace("https://gateway.example", gateway.base_url)
        environment = environment_of(sandbox) | {"OPENFUNNEL_BASE_URL": url}
        check_balance(await run_program(PLAIN, tmp_path, environment), 7)
        [seen] = gateway.received
    assert seen.line == "GET /openfunnel/api/v1/credits/balance HTTP/1.1"


@pytest.mark.skipif(sys.platform == "win32", reason="no connection to 0.0.0.0")
@pytest.mark.parametrize("is_allowed", [True, False])
async def test_the_sandbox_in_another_container(
    tmp_path: Path, *, is_allowed: bool
) -> None:
    async with Sandbox() as sandbox:
        # An address of this machine that does not count as one.
        url = CONTAINER_ENV["OPENFUNNEL_BASE_URL"].replace("sandbox", "0.0.0.0")  # noqa: S104 -- connected to
        url = url.replace("8787", str(port_of(sandbox)))
        environment = environment_of(sandbox) | {"OPENFUNNEL_BASE_URL": url}
        if is_allowed:
            allowed = CONTAINER_ENV["OPENFUNNEL_INSECURE_HTTP"]
            environment["OPENFUNNEL_INSECURE_HTTP"] = allowed
        process = await run_program(PLAIN, tmp_path, environment)
        if is_allowed:
            check_balance(process, sandbox.ledger.balance)
        else:
            assert b"would send the key in clear text" in process.stderr
