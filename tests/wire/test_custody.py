"""The key goes to one place only, and nothing else is sent."""

import re
from pathlib import Path

import pytest

from openfunnel_async import APIError, SubmitOutcomeUnknownError, __version__
from tests.support.raw_server import RawServer, refused_url, said
from tests.wire.clients import (
    CANCELLING,
    JOB_ID,
    KEY,
    RUNNING,
    SEARCH,
    SUBMITTED,
    client_of,
)

pytestmark = pytest.mark.anyio

MOVED = pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary",
               "308 Permanent"]
)  # fmt: skip


@MOVED
async def test_a_read_follows_no_redirect(status: str) -> None:
    """It failed with `allow_redirects=True`: aiohttp takes the key along."""
    async with RawServer(said(RUNNING)) as elsewhere:
        away = said(status=status, headers={"Location": elsewhere.base_url})
        async with RawServer(away) as server, client_of(server.base_url) as client:
            with pytest.raises(APIError) as caught:
                await client.job(JOB_ID).poll()
        assert elsewhere.connections == 0
    assert caught.value.status_code == int(status[:3])


@MOVED
async def test_a_submit_follows_no_redirect(status: str) -> None:
    async with RawServer(said(SUBMITTED)) as elsewhere:
        away = said(status=status, headers={"Location": elsewhere.base_url})
        async with RawServer(away) as server, client_of(server.base_url) as client:
            with pytest.raises(SubmitOutcomeUnknownError):
                await client.submit(SEARCH)
        assert elsewhere.connections == 0


async def test_a_cancel_follows_no_redirect() -> None:
    async with RawServer(said()) as elsewhere:
        away = said(status="307 Temporary", headers={"Location": elsewhere.base_url})
        async with RawServer(away) as server, client_of(server.base_url) as client:
            with pytest.raises(APIError) as caught:
                await client.job(JOB_ID).cancel()
        assert elsewhere.connections == 0
    assert caught.value.status_code == 307


async def test_every_request_carries_the_key_once() -> None:
    answers = [said(SUBMITTED), said(RUNNING), said(CANCELLING)]
    async with RawServer(*answers) as server, client_of(server.base_url) as client:
        job = await client.submit(SEARCH)
        await job.poll()
        await job.cancel()
        keys = [request.values("x-api-key") for request in server.received]
        heads = b"".join(request.head for request in server.received)
        bodies = b"".join(request.body for request in server.received)
    assert keys == [[KEY]] * 3
    assert (heads.count(KEY.encode()), bodies.count(KEY.encode())) == (3, 0)


async def test_the_key_never_stands_in_the_request_line() -> None:
    async with RawServer(said(RUNNING)) as server, client_of(server.base_url) as client:
        await client.job(JOB_ID).fetch_page("page_0003")
        (request,) = server.received
    assert request.line.endswith(f"/{JOB_ID}?cursor=page_0003 HTTP/1.1")


async def test_cookies_are_not_sent_back() -> None:
    """It failed with aiohttp's own cookie jar."""
    sets = said(RUNNING, headers={"Set-Cookie": "who=you; Path=/"})
    async with RawServer(sets, sets) as server, client_of(server.base_url) as client:
        for _ in range(2):
            await client.job(JOB_ID).poll()
        assert [request.values("cookie") for request in server.received] == [[], []]


async def test_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It failed with `trust_env=True`."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, refused_url())
        monkeypatch.setenv(name.upper(), refused_url())
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with RawServer(said(RUNNING)) as server, client_of(server.base_url) as client:
        await client.job(JOB_ID).poll()
        assert len(server.received) == 1


async def test_netrc_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with RawServer(said(RUNNING)) as server, client_of(server.base_url) as client:
        await client.job(JOB_ID).poll()
        assert server.received[0].values("authorization") == []


async def test_requests_say_who_asks() -> None:
    async with RawServer(said(RUNNING)) as server, client_of(server.base_url) as client:
        await client.job(JOB_ID).poll()
        (agent,) = server.received[0].values("user-agent")
    assert re.fullmatch(
        rf"openfunnel-async/{re.escape(__version__)} python/3\.\d+\.\S+ aiohttp/\S+",
        agent,
    )


async def test_a_submit_is_sent_as_json() -> None:
    async with (
        RawServer(said(SUBMITTED)) as server,
        client_of(server.base_url) as client,
    ):
        await client.submit(SEARCH)
        (request,) = server.received
    assert request.values("content-type") == ["application/json"]
    assert request.body == b'{"query":"voice ai","limit":250}'
