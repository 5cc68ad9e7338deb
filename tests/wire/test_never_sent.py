"""The first two rows of the table: nothing was sent, so even a submit is retried.

Tries are counted where they arrive: at the name server, or as connections. A cancel
is repeated until its own time has passed, not for a number of attempts.
"""

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import attrs
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from openfunnel_async import (
    AiohttpTransport,
    OpenFunnel,
    OpenFunnelError,
    RetryPolicy,
    TransportError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import ConnectionPlan, CutAfter, FaultyProxy, ResetAfter
from tests.support import leftovers
from tests.support.certificates import tls_server, trusting
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, refused_url, said
from tests.support.stage import ATTEMPTS, Asked
from tests.wire.clients import CANCELLING, JOB_ID, KEY, RUNNING, SEARCH, SUBMITTED

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

KINDS = pytest.mark.parametrize("kind", ["submit", "cancel", "read"])
PATIENCE = 15.0
NOWHERE = "https://api.openfunnel.example"
ANSWERS = {"submit": said(SUBMITTED), "cancel": said(CANCELLING), "read": said(RUNNING)}


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def client_of(
    url: str, session: aiohttp.ClientSession | None = None, *, patience: float = 60
) -> OpenFunnel:
    return OpenFunnel(
        KEY,
        base_url=url,
        retry=RetryPolicy(attempts=ATTEMPTS),
        request_timeout=patience,
        transport=AiohttpTransport(session),
    )


async def ask(client: OpenFunnel, kind: Asked) -> object:
    if kind == "submit":
        return await client.submit(SEARCH)
    job = client.job(JOB_ID)
    return await (job.cancel(timeout=PATIENCE) if kind == "cancel" else job.poll())


async def error_of(
    client: OpenFunnel, kind: Asked, *, is_final: bool = False
) -> OpenFunnelError:
    async with client:
        with pytest.raises(OpenFunnelError) as caught:
            await ask(client, kind)
    error = caught.value
    if kind == "cancel" and not is_final:
        assert isinstance(error, WaitTimeoutError)
    else:
        assert isinstance(error, TransportError)
        assert not error.request_sent
    return error


def assert_repeated(tries: int, kind: Asked) -> None:
    assert tries >= 2 if kind == "cancel" else tries == ATTEMPTS


@attrs.define
class Resolver(AbstractResolver):
    """Knows no name, or takes for ever to say so."""

    hangs: bool
    asked: int = 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        del host, port, family
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise OSError("no such name")

    async def close(self) -> None:
        pass


@KINDS
async def test_nobody_listens(kind: Asked) -> None:
    error = await error_of(client_of(refused_url()), kind)
    assert "could be made (Connection refused)" in str(error)


@KINDS
async def test_a_service_that_is_back_by_the_second_try_gets_one_request(
    kind: Asked,
) -> None:
    """Caught: a submit that is given up with its first connection refused."""
    tries, second, is_back = list[object](), asyncio.Event(), asyncio.Event()

    async def on_connecting(_: object, context: SimpleNamespace, __: object) -> None:
        tries.append(context)
        if len(tries) > 1:
            second.set()
            await is_back.wait()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(on_connecting)
    async with (
        RawServer(ANSWERS[kind]) as server,
        FaultyProxy(upstream=server.base_url) as proxy,
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        client_of(proxy.base_url, session) as client,
    ):
        async with proxy.refusing():
            asking = asyncio.create_task(ask(client, kind))
            async with asyncio.timeout(60):
                await second.wait()
        is_back.set()
        await asking
        assert (len(tries), len(server.received)) == (2, 1)


@pytest.mark.parametrize("hangs", [False, True], ids=["unknown", "slow"])
@KINDS
async def test_a_name_that_cannot_be_resolved(kind: Asked, hangs: bool) -> None:
    """Caught: a time-out taken for sent, whatever the connection had reported."""
    resolver = Resolver(hangs)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = client_of(NOWHERE, session, patience=3 if hangs else 60)
        error = await error_of(client, kind)
    assert_repeated(resolver.asked, kind)
    if hangs:
        assert "no complete answer within 3 s" in str(error)
    else:
        expected = "api.openfunnel.example:443 could not be resolved (no such name)"
        assert expected in str(error)


@KINDS
async def test_a_pool_that_has_no_connection_to_spare(kind: Asked) -> None:
    """Caught: a time-out taken for sent, whatever the connection had reported."""
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        RawServer(Said(then="wait")) as server,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        busy = asyncio.create_task(session.get(server.base_url))
        await server.arrived.wait()
        client = client_of(server.base_url, session, patience=3)
        error = await error_of(client, kind)
        assert len(server.received) == 1
        busy.cancel()
        await asyncio.wait([busy])
    assert "no complete answer within 3 s" in str(error)


@pytest.mark.parametrize(
    "plan",
    [
        CutAfter(sent=0),
        CutAfter(received=0),
        CutAfter(received=100),
        ResetAfter(sent=0),
        ResetAfter(received=0),
        ResetAfter(received=100),
    ],
    ids=str,
)
@KINDS
async def test_a_tls_handshake_that_is_broken_off(
    kind: Asked, plan: ConnectionPlan, tmp_path: Path
) -> None:
    """Caught: an error of the handshake that ends the call at once."""
    async with (
        tls_server(tmp_path, ANSWERS[kind]) as server,
        FaultyProxy(upstream=server.base_url, plan=[plan] * 50) as proxy,
    ):
        await error_of(client_of(proxy.base_url), kind)
        assert_repeated(len(proxy.connections), kind)
        assert server.requests == 0


@pytest.mark.parametrize("certified", ["127.0.0.1", "127.0.0.2"])
@KINDS
async def test_a_certificate_that_nobody_trusts(
    kind: Asked, certified: str, tmp_path: Path
) -> None:
    """Caught: it was retried like any other handshake that fails."""
    async with (
        tls_server(tmp_path, ANSWERS[kind], certified=certified) as server,
        FaultyProxy(upstream=server.base_url) as proxy,
    ):
        error = await error_of(client_of(proxy.base_url), kind, is_final=True)
        assert len(proxy.connections) == 1
        assert server.requests == 0
    assert "is not trusted (self" in str(error)


@KINDS
async def test_a_certificate_of_another_host(kind: Asked, tmp_path: Path) -> None:
    async with tls_server(tmp_path, ANSWERS[kind], certified="127.0.0.2") as server:
        connector = aiohttp.TCPConnector(ssl=trusting(tmp_path))
        async with aiohttp.ClientSession(connector=connector) as session:
            client = client_of(server.base_url, session)
            error = await error_of(client, kind, is_final=True)
        assert server.requests == 0
    assert "is not trusted (IP address mismatch" in str(error)


@KINDS
async def test_a_certificate_that_is_trusted(kind: Asked, tmp_path: Path) -> None:
    """What the refusals above are compared with: the server itself is in order."""
    async with tls_server(tmp_path, ANSWERS[kind]) as server:
        connector = aiohttp.TCPConnector(ssl=trusting(tmp_path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            client_of(server.base_url, session) as client,
        ):
            await ask(client, kind)
        assert server.requests == 1
