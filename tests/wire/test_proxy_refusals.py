"""A proxy that refuses to connect: nothing was sent to the service."""

import aiohttp
import pytest

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    OpenFunnelError,
    RetryPolicy,
    TransportError,
    WaitTimeoutError,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, refused_url
from tests.support.stage import ATTEMPTS, Asked
from tests.wire.clients import JOB_ID, KEY, SEARCH

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

SERVICE = "https://api.openfunnel.example:8443"
KINDS = pytest.mark.parametrize("kind", ["submit", "cancel", "read"])


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def refusal(status: str) -> Said:
    return Said(
        f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nnever".encode(), "close"
    )


async def ask(client: OpenFunnel, kind: Asked) -> object:
    if kind == "submit":
        return await client.submit(SEARCH)
    job = client.job(JOB_ID)
    return await (job.cancel(timeout=15) if kind == "cancel" else job.poll())


async def error_of(kind: Asked, proxy: str) -> OpenFunnelError:
    async with (
        aiohttp.ClientSession(proxy=proxy) as session,
        OpenFunnel(
            KEY,
            base_url=SERVICE,
            retry=RetryPolicy(attempts=ATTEMPTS),
            transport=AiohttpTransport(session),
        ) as client,
    ):
        with pytest.raises(OpenFunnelError) as caught:
            await ask(client, kind)
    return caught.value


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("407 Proxy Authentication Required", "asks for credentials"),
        ("403 Forbidden", "(HTTP 403 Forbidden); this is not repeated"),
    ],
)
@KINDS
async def test_a_proxy_that_refuses_is_not_asked_again(
    kind: Asked, status: str, words: str
) -> None:
    """Caught: a 407 that is repeated, which locks accounts, as "not HTTP"."""
    async with RawServer(*[refusal(status)] * 9) as proxy:
        error = await error_of(kind, proxy.base_url)
        assert len(proxy.received) == 1
    assert isinstance(error, TransportError)
    assert not error.request_sent
    assert words in str(error)
    assert "api.openfunnel.example:8443" in str(error)


@pytest.mark.parametrize(
    "status",
    ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "500 X"],
)
@KINDS
async def test_a_proxy_that_cannot_connect_is_asked_again(
    kind: Asked, status: str
) -> None:
    """Caught: a submit given up because its proxy had no connection to spare."""
    async with RawServer(*[refusal(status)] * 50) as proxy:
        error = await error_of(kind, proxy.base_url)
        tries = len(proxy.received)
    assert f"HTTP {status}" in str(error)
    if kind == "cancel":
        assert isinstance(error, WaitTimeoutError)
        assert tries >= 2
    else:
        assert isinstance(error, TransportError)
        assert not error.request_sent
        assert tries == ATTEMPTS


async def test_a_proxy_that_does_not_listen_is_named() -> None:
    proxy = refused_url()
    error = await error_of("submit", proxy)
    where = proxy.removeprefix("http://")
    assert str(error) == (
        f"no connection to the proxy {where} could be made (Connection refused); "
        "check the proxy"
    )


async def test_a_proxy_that_is_no_proxy_is_no_reason_to_submit_again() -> None:
    async with RawServer(*[Said(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close")] * 9) as proxy:
        error = await error_of("submit", proxy.base_url)
    assert isinstance(error, TransportError)
    assert not error.request_sent


async def test_what_a_proxy_says_is_one_line_without_hidden_characters() -> None:
    async with RawServer(refusal("407 \x1b]0;x\x07 no")) as proxy:
        error = await error_of("submit", proxy.base_url)
    assert str(error).isprintable()
