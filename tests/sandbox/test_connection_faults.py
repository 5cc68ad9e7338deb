"""Faults of the wire, each seen from the other end of a real connection."""

import asyncio
import json
import logging
import zlib

import aiohttp
import pytest

from openfunnel_async.sandbox import (
    CutBody,
    Fault,
    LostAnswer,
    MalformedAnswer,
    OversizedBody,
    Redirect,
    ResetConnection,
    Sandbox,
    SlowAnswer,
    StatusFault,
    TrickledBody,
)
from tests.sandbox.caller import JOBS, by_hand
from tests.sandbox.raw_client import (
    SEARCH,
    Heard,
    RawClient,
    exchange,
    request,
    submit,
    until,
)

LENGTH = len(by_hand().submit().reply.body)
"""Bytes of the answer to a submit."""

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


async def _submitted(sandbox: Sandbox) -> Heard:
    return await exchange(sandbox.base_url, submit(sandbox))


async def test_a_reset_after_the_headers_waits_for_no_body() -> None:
    """It failed with the body read first: it hangs."""
    async with Sandbox(faults=[ResetConnection(after="headers")]) as sandbox:
        headers = submit(sandbox).removesuffix(SEARCH)
        async with asyncio.timeout(5):
            heard = await exchange(sandbox.base_url, headers)
        assert heard == Heard((), "reset")
        assert sandbox.jobs == {}
        (seen,) = sandbox.requests
        assert (seen.kind, seen.status, seen.answered) == ("submit", 0, False)


async def test_a_fault_before_it_lets_a_reset_after_the_headers_wait() -> None:
    """It failed with the body left unread wherever such a fault is listed."""
    faults: list[Fault] = [StatusFault(), ResetConnection(after="headers")]
    async with Sandbox(faults=faults) as sandbox:
        heard = await _submitted(sandbox)
        assert heard.data.startswith(b"HTTP/1.1 503 ")
        assert sandbox.requests[0].body == SEARCH


@pytest.mark.parametrize(
    ("fault", "ended"), [(ResetConnection(), "reset"), (LostAnswer(), "closed")]
)
async def test_an_answer_may_be_lost_in_two_ways(fault: Fault, ended: str) -> None:
    """It failed with a reset that does not linger 0 seconds: it is a close."""
    async with Sandbox(faults=[fault]) as sandbox:
        heard = await _submitted(sandbox)
        assert (heard.data, heard.ended) == (b"", ended)
        assert len(sandbox.jobs) == 1
        assert not sandbox.requests[0].answered


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(0, 0), (1, 1), (30, 30), (0.25, LENGTH // 4), (10**6, LENGTH - 1)],
)
async def test_a_cut_body_is_shorter_than_announced(keep: float, kept: int) -> None:
    """It failed with the length of what is kept announced."""
    async with Sandbox(faults=[CutBody(keep=keep)]) as sandbox:
        heard = await _submitted(sandbox)
    assert heard.length == LENGTH
    assert len(heard.body) == kept
    assert heard.ended == "closed"
    assert heard.head.startswith(b"http/1.1 200 ok\r\n")


async def test_a_cut_body_without_a_length_looks_complete() -> None:
    async with Sandbox(faults=[CutBody(framed=False)]) as sandbox:
        heard = await _submitted(sandbox)
        job_id = next(iter(sandbox.jobs))
    assert (heard.length, heard.ended) == (None, "closed")
    assert b"transfer-encoding" not in heard.head
    assert heard.body.startswith(b'{"job_id":"' + job_id.encode()[:8])
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.body)


async def test_a_gzip_stream_may_be_cut() -> None:
    async with Sandbox(faults=[CutBody(gzip=True, keep=0.9)]) as sandbox:
        heard = await _submitted(sandbox)
    assert b"content-encoding: gzip" in heard.head
    assert heard.length is not None
    assert len(heard.body) < heard.length
    stream = zlib.decompressobj(wbits=31)
    assert stream.decompress(heard.body).startswith(b'{"job_id":"')
    assert not stream.eof


async def test_an_answer_may_be_reset_in_its_middle() -> None:
    async with Sandbox(faults=[CutBody(keep=20, reset=True)]) as sandbox:
        heard = await _submitted(sandbox)
    assert (len(heard.body), heard.ended) == (20, "reset")


async def test_a_slow_answer_takes_real_seconds() -> None:
    """It failed with the sandbox's own seconds."""
    async with Sandbox(faults=[SlowAnswer(delay=0.05)], speed=1000) as sandbox:
        started = asyncio.get_running_loop().time()
        heard = await _submitted(sandbox)
    assert heard.pieces[0][0] - started >= 0.045
    assert json.loads(heard.body)["status"] == "pending"


async def test_a_trickled_body_comes_piece_after_piece() -> None:
    """It failed without the pauses."""
    fault = TrickledBody(chunk=40, pause=0.01)
    async with Sandbox(faults=[fault]) as sandbox, RawClient(sandbox.base_url) as raw:
        await raw.say(submit(sandbox, connection="keep-alive"))
        heard = await raw.hear_answer()
        later = [len(data) for _, data in heard.pieces[-3:]]
        assert later == [40, 40, (heard.length or 0) % 40]
        assert json.loads(heard.body)["status"] == "pending"
        await raw.say(request(sandbox))
        assert (await raw.hear()).data.startswith(b"HTTP/1.1 200 ")


async def test_an_oversized_body_is_valid_but_for_its_size() -> None:
    async with Sandbox(faults=[OversizedBody(megabytes=2)]) as sandbox:
        heard = await _submitted(sandbox)
        job_id = next(iter(sandbox.jobs))
    assert heard.length == len(heard.body) == 2_000_000
    body = json.loads(heard.body)
    assert body.pop("padding").strip("0") == ""
    assert (body["job_id"], body["status"]) == (job_id, "pending")


async def test_a_gzip_bomb_is_small_on_the_wire() -> None:
    fault = OversizedBody(megabytes=20, gzip=True)
    async with Sandbox(faults=[fault]) as sandbox, aiohttp.ClientSession() as session:
        headers = {"X-API-Key": sandbox.api_key, "Accept-Encoding": "identity"}
        url = f"{sandbox.base_url}{JOBS}"
        async with session.post(url, json={"query": "x"}, headers=headers) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert len(await response.read()) == 20_000_000
        sandbox.faults.append(fault)
        assert len((await _submitted(sandbox)).body) < 40_000


@pytest.mark.parametrize(
    ("fault", "start"),
    [
        (MalformedAnswer(kind="status_line"), b"HTTP/1.1 OK\r\n"),
        (MalformedAnswer(kind="header"), b"HTTP/1.1 200 OK\r\ncontent-type app"),
        (MalformedAnswer(kind="chunk"), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chu"),
        (MalformedAnswer(kind="http09"), b'{"job_id":"'),
    ],
)
async def test_a_malformed_answer_is_no_http(fault: Fault, start: bytes) -> None:
    async with Sandbox(faults=[fault, fault]) as sandbox:
        heard = await _submitted(sandbox)
        assert heard.data.startswith(start)
        assert heard.data.endswith(b"}")
        assert heard.ended == "closed"
        assert len(sandbox.jobs) == 1
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await (await session.get(sandbox.base_url)).read()


async def test_a_redirect_has_a_location() -> None:
    fault = Redirect(location="http://elsewhere.example/", status=307)
    async with Sandbox(faults=[fault]) as sandbox:
        heard = await _submitted(sandbox)
        assert heard.data.startswith(b"HTTP/1.1 307 ")
        assert b"\r\nlocation: http://elsewhere.example/" in heard.head
        assert sandbox.jobs == {}


async def test_a_slow_answer_does_not_keep_the_sandbox_up() -> None:
    """It failed with the exit left to aiohttp alone: it waits for a minute."""
    sandbox = Sandbox(faults=[SlowAnswer(delay=3600), TrickledBody(pause=3600)])
    async with asyncio.timeout(5), sandbox, RawClient(sandbox.base_url) as stays:
        await stays.say(submit(sandbox))
        await until(lambda: sandbox.requests)
        async with RawClient(sandbox.base_url) as leaves:
            await leaves.say(submit(sandbox))
            await until(lambda: len(sandbox.requests) == 2)


@pytest.mark.parametrize(
    "fault", [TrickledBody(pause=0.005), OversizedBody(megabytes=50)]
)
async def test_a_client_that_leaves_in_mid_answer_is_no_error(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """It failed with the broken connection raised to aiohttp: it logs that."""
    async with Sandbox(faults=[fault]) as sandbox:
        async with RawClient(sandbox.base_url) as client:
            await client.say(submit(sandbox))
            await until(lambda: sandbox.requests)
        await until(lambda: not sandbox._answering)
        assert len(sandbox.jobs) == 1
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("asks", [True, False])
async def test_an_idle_connection_is_closed_after_keep_alive(asks: bool) -> None:
    """It failed with keep_alive not passed on: nothing ends."""
    sandbox = Sandbox(keep_alive=0.1)
    async with asyncio.timeout(5), sandbox, RawClient(sandbox.base_url) as client:
        if asks:
            await client.say(request(sandbox, connection="keep-alive"))
            assert (await client.hear_answer()).length
        assert await client.hear() == Heard((), "closed")


async def test_a_connection_is_kept_by_default() -> None:
    async with Sandbox() as sandbox, RawClient(sandbox.base_url) as client:
        for _ in range(2):
            await client.say(request(sandbox, connection="keep-alive"))
            assert (await client.hear_answer()).ended is None
            await asyncio.sleep(0.03)
