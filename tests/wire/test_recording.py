"""Exchanges in a file, and answers from it."""

import asyncio
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import (
    AiohttpTransport,
    Company,
    ConfigurationError,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    RecordingTransport,
    ReplayTransport,
    RetryPolicy,
    ServerError,
    Transport,
    TransportError,
    WireReply,
    WireRequest,
    agent_auth,
)
from openfunnel_async.sandbox import JobLife, Sandbox
from tests.support import leftovers
from tests.support.raw_server import RawServer, refused_url, said
from tests.wire.clients import JOB_ID, KEY, SEARCH, SUBMITTED

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

START = '{"method": "GET", "path": "/", "query": [],'
FULL = Path("/dev/full")
FAST = PollPolicy.fixed(0.01)
LIFE = JobLife(queue=0.02, first_page_after=0.02, seconds_per_page=0.02)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make_file(path: Path, content: bytes = b"") -> None:
    path.write_bytes(content)
    path.chmod(0o644)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def client_over(transport: Transport, **options: Any) -> OpenFunnel:
    options = {"retry": RetryPolicy(attempts=1), **options}
    return OpenFunnel(KEY, transport=transport, polling=FAST, **options)


async def buy(client: OpenFunnel) -> tuple[list[Company], float | None, str]:
    """Use a little of everything: rows while a job runs, a bill, a cancel."""
    async with client:
        balance = await client.credit_balance()
        job = await client.submit(LookalikeSearch(query="voice ai", limit=250))
        async with job.rows() as rows:
            found = [company async for company in rows]
        receipt = await (await client.submit(SEARCH)).cancel()
        return found, balance.credits_left, f"{receipt}"


async def test_a_replay_gives_the_rows_of_the_recording(path: Path) -> None:
    async with Sandbox(plan=lambda _number, _limit: LIFE) as sandbox:
        recording = RecordingTransport(AiohttpTransport(), path)
        bought = await buy(
            OpenFunnel(
                sandbox.api_key,
                base_url=sandbox.base_url,
                transport=recording,
                polling=FAST,
                read_ahead=1,
            )
        )
        key, sent = sandbox.api_key, len(sandbox.requests)
    assert len(bought[0]) == 250
    replay = OpenFunnel(KEY, transport=ReplayTransport(path), polling=FAST)
    assert await buy(replay) == bought
    assert key not in text_of(path)
    assert mode_of(path) == 0o600
    recorded = lines(path)
    assert len(recorded) == sent
    assert set(recorded[0]) == {
        "time", "method", "path", "query", "status", "headers", "body",
    }  # fmt: skip


async def test_a_key_that_an_answer_repeats_is_not_recorded(path: Path) -> None:
    """Caught: a body that is written as it came."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    body = f'{{"detail": "{KEY} {escaped}"}}'
    headers = {"X-Request-Id": KEY}
    async with RawServer(said(body, status="401 No", headers=headers)) as server:
        transport = RecordingTransport(AiohttpTransport(), path)
        async with client_over(transport, base_url=server.base_url) as client:
            with pytest.raises(Exception, match="401"):
                await client.credit_balance()
    text = text_of(path)
    assert text.count("<hidden>") == 3
    assert KEY not in text
    assert escaped not in text.replace("\\\\", "\\")


async def test_a_body_that_is_not_utf_8_is_replayed_byte_by_byte(path: Path) -> None:
    body = b"\xff\xfe\0 not text"
    async with RawServer(said(body)) as server:
        transport = RecordingTransport(AiohttpTransport(), path)
        reply = await transport.send(request_to(server.base_url))
        await transport.aclose()
    replayed = await ReplayTransport(path).send(request_to("https://other.example"))
    assert replayed.body == reply.body == body
    assert "body_base64" in lines(path)[0]
    assert "body" not in lines(path)[0]


def request_to(origin: str, *query: tuple[str, str]) -> WireRequest:
    return WireRequest(method="GET", origin=origin, path="/a", query=query)


async def test_the_outcomes_of_one_request_come_in_their_order(path: Path) -> None:
    async with RawServer(*map(said, "123")) as server:
        transport = RecordingTransport(AiohttpTransport(), path)
        for query in ((), (("cursor", "é&"),), ()):
            await transport.send(request_to(server.base_url, *query))
        await transport.aclose()
    replay = ReplayTransport(path)
    origin = "https://other.example"
    bodies = [
        (await replay.send(request_to(origin, *query))).body
        for query in ((), (), (("cursor", "é&"),))
    ]
    assert bodies == [b"1", b"3", b"2"]


@pytest.mark.parametrize("kind", ["submit", "read"])
async def test_what_was_not_recorded_is_a_failure_that_says_so(
    path: Path, kind: str
) -> None:
    """Caught: a replay that is asked again until the end of an outage."""
    make_file(path)
    async with client_over(ReplayTransport(path), retry=RetryPolicy()) as client:
        job = client.job(JOB_ID)
        ask = client.submit(SEARCH) if kind == "submit" else job.wait_until_terminal()
        with pytest.raises(TransportError, match="was not recorded") as caught:
            await ask
    assert not caught.value.request_sent


async def test_more_than_was_recorded_is_a_failure_that_says_so(path: Path) -> None:
    async with RawServer(said(SUBMITTED)) as server:
        transport = RecordingTransport(AiohttpTransport(), path)
        async with client_over(transport, base_url=server.base_url) as client:
            await client.submit(SEARCH)
    async with client_over(ReplayTransport(path)) as client:
        assert (await client.submit(SEARCH)).id == JOB_ID
        with pytest.raises(TransportError, match="was recorded less often"):
            await client.submit(SEARCH)


async def test_a_failure_is_recorded_and_raised_again(path: Path) -> None:
    transport = RecordingTransport(AiohttpTransport(), path)
    async with client_over(transport, base_url=refused_url()) as client:
        with pytest.raises(TransportError) as caught:
            await client.credit_balance()
    async with client_over(ReplayTransport(path)) as client:
        with pytest.raises(TransportError) as again:
            await client.credit_balance()
    assert str(again.value) == str(caught.value)
    assert again.value.request_sent is caught.value.request_sent is False


class Hanging:
    """Sends and gets no answer."""

    async def send(self, request: WireRequest, /) -> WireReply:
        request.progress.sent()
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(self) -> None:
        pass


async def test_an_exchange_that_is_cut_off_is_recorded(path: Path) -> None:
    transport = RecordingTransport(Hanging(), path)
    async with client_over(transport, request_timeout=0.05) as client:
        with pytest.raises(TransportError):
            await client.credit_balance()
    (line,) = lines(path)
    assert "time limit" in line["error"]
    assert line["request_sent"] is True


@pytest.mark.skipif(not FULL.exists(), reason="no such device")
async def test_a_full_disk_costs_no_job(caplog: pytest.LogCaptureFixture) -> None:
    """Caught: the id of a job that is billing, lost with the line."""
    caplog.set_level(logging.WARNING)
    async with RawServer(said(SUBMITTED), said(SUBMITTED)) as server:
        transport = RecordingTransport(AiohttpTransport(), FULL)
        async with client_over(transport, base_url=server.base_url) as client:
            for _ in range(2):
                assert (await client.submit(SEARCH)).id == JOB_ID
    ended = [
        record for record in caplog.records if "recording has" in record.getMessage()
    ]
    assert len(ended) == 1


async def test_a_sign_up_is_not_recorded(path: Path) -> None:
    async with Sandbox() as sandbox:
        transport = RecordingTransport(AiohttpTransport(), path)
        await agent_auth.sign_up(
            "ada@b.example", base_url=sandbox.base_url, transport=transport
        )
        assert len(sandbox.requests) == 1
        await transport.aclose()
    assert text_of(path) == ""


async def test_a_recording_is_not_mixed_with_another(path: Path) -> None:
    make_file(path, b"{}\n")
    with pytest.raises(ConfigurationError, match="not empty"):
        RecordingTransport(Hanging(), path)
    assert text_of(path) == "{}\n"


async def test_an_empty_file_becomes_one_for_its_owner_alone(path: Path) -> None:
    make_file(path)
    await RecordingTransport(Hanging(), path).aclose()
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("wrong", ["", "/no/such/folder/x", ".", 2.5, "a\0b"])
async def test_a_path_that_cannot_be_used(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        RecordingTransport(Hanging(), wrong)
    if wrong != "":
        with pytest.raises(ConfigurationError, match="cannot be read"):
            ReplayTransport(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "", "no json", "5", "[]", "{}", "\xff", '{"query": 5}',
        '{"method": "GET", "path": "/", "query": [["a"]], "status": 200}',
        f'{START} "status": 200, "headers": {{}}}}',
        f'{START} "status": 200, "headers": [], "body": ""}}',
        f'{START} "status": 200, "headers": {{}}, "body_base64": "%"}}',
    ],
)  # fmt: skip
async def test_a_file_that_is_no_recording(path: Path, line: str) -> None:
    good = f'{START} "error": "broken", "request_sent": true}}'
    make_file(path, f"{good}\n{line}\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="line 2 of the recording"):
        ReplayTransport(path)


async def test_a_server_error_is_replayed_as_one(path: Path) -> None:
    async with RawServer(said("<html>", status="503 X")) as server:
        transport = RecordingTransport(AiohttpTransport(), path)
        async with client_over(transport, base_url=server.base_url) as client:
            with pytest.raises(ServerError) as caught:
                await client.credit_balance()
    async with client_over(ReplayTransport(path)) as client:
        with pytest.raises(ServerError) as again:
            await client.credit_balance()
    assert str(again.value) == str(caught.value)
