"""Through a proxy, with a private CA, behind a gateway's path, with extra headers."""

import base64
import logging
import ssl
import traceback
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import (
    AiohttpTransport,
    ConfigurationError,
    OpenFunnel,
    RetryPolicy,
    TransportError,
    agent_auth,
)
from openfunnel_async.sandbox import Sandbox
from tests.support import leftovers
from tests.support.certificates import tls_server
from tests.support.connect_proxy import ForwardProxy
from tests.support.leaks import Secret
from tests.support.raw_server import RawServer, Said, refused_url, said
from tests.wire.clients import CANCELLING, JOB_ID, KEY, RUNNING, SEARCH, SUBMITTED

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

PASSWORD = "0123456789abcdef-proxy"
AUTHORIZATION = f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}"
READ = said(RUNNING, headers={"Connection": "close"})
ONE_TRY = RetryPolicy(attempts=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROXY", "CA_FILE", "INSECURE_HTTP", "BASE_URL"):
        monkeypatch.delenv(f"OPENFUNNEL_{name}", raising=False)


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "key.pem")
    return context


async def test_a_private_ca_is_trusted(tmp_path: Path) -> None:
    async with (
        tls_server(tmp_path, READ) as server,
        OpenFunnel(
            KEY, base_url=server.base_url, ca_file=tmp_path / "own.pem"
        ) as client,
    ):
        await client.job(JOB_ID).poll()
        assert server.requests == 1


async def test_without_the_file_a_private_ca_is_not_trusted(tmp_path: Path) -> None:
    async with (
        tls_server(tmp_path, READ) as server,
        OpenFunnel(KEY, base_url=server.base_url, retry=ONE_TRY) as client,
    ):
        with pytest.raises(TransportError, match="trust a private CA with ca_file"):
            await client.job(JOB_ID).poll()
        assert server.requests == 0


async def test_the_settings_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(tmp_path, READ) as server, ForwardProxy() as proxy:
        monkeypatch.setenv("OPENFUNNEL_PROXY", proxy.address())
        monkeypatch.setenv("OPENFUNNEL_CA_FILE", str(tmp_path / "own.pem"))
        async with OpenFunnel(KEY, base_url=server.base_url) as client:
            await client.job(JOB_ID).poll()
        assert server.requests == len(proxy.heads) == 1


@pytest.mark.parametrize("is_https", [False, True], ids=["http", "https"])
async def test_https_goes_through_a_proxy_by_connect(
    tmp_path: Path, *, is_https: bool
) -> None:
    """Caught: the key, or the path with the job's id, shown to the proxy."""
    async with tls_server(tmp_path, READ) as server:
        tls = server_context(tmp_path) if is_https else None
        async with (
            ForwardProxy(tls) as proxy,
            OpenFunnel(
                KEY,
                base_url=server.base_url,
                ca_file=str(tmp_path / "own.pem"),
                proxy=proxy.address(f"ada:{PASSWORD}@"),
            ) as client,
        ):
            for _ in range(2):
                await client.job(JOB_ID).poll()
        assert server.requests == 2
    target = server.base_url.removeprefix("https://")
    assert [head.split("\r\n")[0] for head in proxy.heads] == [
        f"CONNECT {target} HTTP/1.1"
    ] * 2
    assert proxy.values("proxy-authorization") == [AUTHORIZATION] * 2
    assert KEY not in str(proxy.heads)
    assert JOB_ID not in str(proxy.heads)


async def test_a_submit_and_a_cancel_go_through_the_proxy(tmp_path: Path) -> None:
    for answer, kind in ((said(SUBMITTED), "submit"), (said(CANCELLING), "cancel")):
        async with (
            tls_server(tmp_path, answer) as server,
            ForwardProxy() as proxy,
            OpenFunnel(
                KEY,
                base_url=server.base_url,
                ca_file=tmp_path / "own.pem",
                proxy=proxy.address(),
            ) as client,
        ):
            if kind == "submit":
                assert (await client.submit(SEARCH)).id == JOB_ID
            else:
                assert (await client.job(JOB_ID).cancel()).accepted
            assert len(proxy.heads) == server.requests == 1


async def test_http_goes_through_a_proxy_with_credentials_on_each_request() -> None:
    """Caught: credentials only on the first request of a kept connection."""
    async with (
        Sandbox() as sandbox,
        ForwardProxy() as proxy,
        OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            proxy=proxy.address(f"ada:{PASSWORD}@"),
        ) as client,
    ):
        for _ in range(3):
            await client.credit_balance()
        job = await client.submit(SEARCH)
        await job.cancel()
        assert len(sandbox.requests) == 5
    assert proxy.heads[0].startswith(f"GET {sandbox.base_url}/api/v1/credits/balance")
    assert proxy.values("proxy-authorization") == [AUTHORIZATION] * 5


async def test_credentials_outside_latin_1_are_sent_as_utf_8() -> None:
    async with (
        RawServer(*[Said(b"HTTP/1.1 407 No\r\n\r\n", "close")] * 3) as proxy,
        OpenFunnel(
            KEY,
            base_url="https://api.example",
            proxy=f"http://ada:%E2%82%AC%3A@127.0.0.1:{proxy.port}",
        ) as client,
    ):
        with pytest.raises(TransportError, match="asks for credentials") as caught:
            await client.credit_balance()
        assert not caught.value.request_sent
        (seen,) = proxy.received
    assert seen.values("proxy-authorization") == [
        f"Basic {base64.b64encode('ada:€:'.encode()).decode()}"
    ]


@pytest.mark.parametrize("kind", ["refused", "407", "no-tls"])
async def test_the_credentials_of_a_proxy_are_in_no_error(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [Secret(PASSWORD), Secret(AUTHORIZATION.removeprefix("Basic "))]
    refusal = Said(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "close")
    async with RawServer(*[refusal] * 3) as server:
        url = refused_url() if kind == "refused" else server.base_url
        scheme = "https" if kind == "no-tls" else "http"
        address = f"{scheme}://ada:{PASSWORD}@{url.removeprefix('http://')}"
        client = OpenFunnel(
            KEY,
            base_url="https://api.example",
            proxy=address,
            retry=ONE_TRY,
            # A server without TLS waits for more of the handshake.
            request_timeout=0.5,
        )
        async with client:
            with pytest.raises(TransportError) as caught:
                await client.credit_balance()
    for secret in secrets:
        assert secret.leaks_of(caught.value) == []
        assert secret.leaks_in(caplog.records) == []
        assert not secret.shows_in(f"{client!r}")


async def test_the_path_of_base_url_begins_each_path() -> None:
    async with (
        RawServer(*map(said, (SUBMITTED, RUNNING, CANCELLING))) as gateway,
        OpenFunnel(KEY, base_url=f"{gateway.base_url}/openfunnel/") as client,
    ):
        job = await client.submit(SEARCH)
        await job.poll()
        await job.cancel()
        assert repr(client) == f"<OpenFunnel {gateway.base_url}/openfunnel>"
    jobs = "/openfunnel/api/v1/account/search-lookalikes-bulk"
    assert [seen.line for seen in gateway.received] == [
        f"POST {jobs} HTTP/1.1",
        f"GET {jobs}/{JOB_ID} HTTP/1.1",
        f"POST {jobs}/{JOB_ID}/cancel HTTP/1.1",
    ]


async def test_a_sign_up_gets_the_path_and_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RawServer(said('{"success": true}')) as gateway, ForwardProxy() as proxy:
        monkeypatch.setenv("OPENFUNNEL_PROXY", proxy.address())
        await agent_auth.sign_up("a@b.example", base_url=f"{gateway.base_url}/of")
        assert gateway.received[0].line == "POST /of/api/v1/agent/sign-up HTTP/1.1"
        assert len(proxy.heads) == 1


async def test_each_request_has_the_extra_headers() -> None:
    headers = {"X-Team": "growth", "User-Agent": "our-app/1"}
    async with (
        RawServer(*map(said, (SUBMITTED, RUNNING, CANCELLING))) as server,
        OpenFunnel(KEY, base_url=server.base_url, headers=headers) as client,
    ):
        job = await client.submit(SEARCH)
        await job.poll()
        await job.cancel()
    for seen in server.received:
        assert seen.values("x-team") == ["growth"]
        assert seen.values("user-agent") == ["our-app/1"]
        assert seen.values("x-api-key") == [KEY]
        assert seen.values("accept") == ["application/json"]


SECRET = "0123456789abcdef" * 2
REFUSED: list[dict[str, Any]] = [
    {"headers": {"X-Secret": SECRET}, "ca_file": "/no/such/file"},
    {"headers": [("X-Secret", SECRET)]},
    {"headers": {"X-Secret": f"{SECRET}\n"}},
    {"proxy": f"http://ada:{SECRET}@proxy.example/path"},
    {"proxy": f"socks5://ada:{SECRET}@proxy.example"},
    {"proxy": f"http://ada:{SECRET}@proxy.example:0"},
    {"proxy": f"http://ada:{SECRET}@proxy.example", "ca_file": "/no/such/file"},
    {"proxy": f"http://ada:{SECRET}@proxy.example", "transport": AiohttpTransport()},
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
async def test_a_refused_argument_is_in_no_error(number: int) -> None:
    """Caught: the plain argument in a frame of the constructor."""
    secret = Secret(SECRET)
    with pytest.raises(ConfigurationError) as caught:
        OpenFunnel(KEY, **REFUSED[number])
    assert not secret.shows_in(f"{caught.value!r}")
    whole = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    ours = [frame.locals for frame in whole.stack if frame.filename != __file__]
    assert ours
    assert not secret.shows_in(repr(ours))
