"""The sandbox behind a socket."""

import json
from io import BytesIO

import aiohttp
import pytest

from openfunnel_async.sandbox import (
    GatewayPage,
    JobLife,
    LostAnswer,
    RateLimit,
    Sandbox,
    SandboxRequest,
    StatusFault,
)
from tests.sandbox.caller import JOBS
from tests.sandbox.raw_client import exchange, request

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


def _session(sandbox: Sandbox) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        sandbox.base_url, headers={"X-API-Key": sandbox.api_key}
    )


async def test_a_job_runs_from_submit_to_bill() -> None:
    async with Sandbox(speed=0) as sandbox, _session(sandbox) as session:
        search = {"query": "voice ai", "limit": 120}
        async with session.post(JOBS, json=search) as response:
            job_id = (await response.json())["job_id"]
        sandbox.advance(1000)
        async with session.get(f"{JOBS}/{job_id}?cursor=page_0001") as response:
            body = await response.json()
        assert (body["status"], body["count"]) == ("completed", 20)
        assert sandbox.ledger.used == 120
        assert [seen.kind for seen in sandbox.requests] == ["submit", "read"]
        assert sandbox.requests[0].key == "right"
        assert json.loads(sandbox.requests[0].body) == search


async def test_a_socket_gives_the_bytes_of_the_service() -> None:
    async with Sandbox(speed=0, lives=[AT_ONCE]) as sandbox:
        async with _session(sandbox) as session:
            async with session.post(JOBS, json={"query": "x"}) as response:
                job_id = (await response.json())["job_id"]
            async with session.get(f"{JOBS}/{job_id}") as response:
                over_the_wire = await response.read()
        headers = {"x-api-key": sandbox.api_key}
        request = SandboxRequest(method="GET", path=f"{JOBS}/{job_id}", headers=headers)
        assert sandbox.handle(request).body == over_the_wire


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, deflate", "gzip"), ("identity", None)]
)
async def test_a_page_is_packed_for_those_who_take_it(
    accepted: str, encoding: str | None
) -> None:
    lives = [AT_ONCE]
    async with Sandbox(lives=lives) as sandbox, _session(sandbox) as session:
        async with session.post(JOBS, json={"query": "x"}) as response:
            job_id = (await response.json())["job_id"]
        headers = {"Accept-Encoding": accepted}
        async with session.get(f"{JOBS}/{job_id}", headers=headers) as response:
            assert response.headers.get("Content-Encoding") == encoding
            assert (await response.json())["count"] == 100


async def test_a_lost_answer_ends_the_connection() -> None:
    faults = [LostAnswer(on="submit")]
    async with Sandbox(faults=faults) as sandbox, _session(sandbox) as session:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(JOBS, json={"query": "x"})
        assert len(sandbox.jobs) == 1
        async with session.get("/api/v1/credits/balance") as response:
            assert response.status == 200


async def test_two_sandboxes_run_side_by_side() -> None:
    async with Sandbox() as one, Sandbox() as other:
        assert one.base_url != other.base_url


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(OSError, match="address already in use"):
            await Sandbox(port=sandbox.port).__aenter__()


async def test_a_sandbox_that_ended_lets_go_of_its_port() -> None:
    async with Sandbox() as sandbox:
        port = sandbox.port
    async with Sandbox(port=port) as again:
        assert again.port == port


async def test_a_body_beyond_a_mebibyte_is_refused() -> None:
    body = BytesIO(b" " * (2**20 + 1))
    async with (
        Sandbox() as sandbox,
        _session(sandbox) as session,
        session.post(JOBS, data=body) as response,
    ):
        assert response.status == 413


@pytest.mark.parametrize("dated", [True, False])
async def test_several_retry_afters_are_several_lines(dated: bool) -> None:
    """Caught: the repeated header left out by the server."""
    fault = StatusFault(status=429, retry_after=(1, "30"), dated=dated)
    async with Sandbox(faults=[fault]) as sandbox:
        heard = await exchange(sandbox.base_url, request(sandbox))
    lines = heard.head.split(b"\r\n")
    assert lines.count(b"retry-after: 1") == lines.count(b"retry-after: 30") == 1
    assert heard.length == len(heard.body)


async def test_an_answer_may_come_without_a_date() -> None:
    """Caught: the server's own Date header beside a Retry-After date."""
    late = "Wed, 21 Oct 2065 07:28:00 GMT"
    fault = StatusFault(status=503, retry_after=late, dated=False)
    async with Sandbox(faults=[fault]) as sandbox:
        heard = await exchange(sandbox.base_url, request(sandbox))
        assert (await exchange(sandbox.base_url, request(sandbox))).body
    assert heard.head.startswith(b"http/1.1 503 ")
    assert b"\r\nretry-after: " + late.lower().encode() in heard.head
    assert b"\r\ndate:" not in heard.head
    assert json.loads(heard.body) == {"detail": "Sandbox fault"}


async def test_the_server_header_of_a_gateway_is_the_only_one() -> None:
    async with Sandbox(faults=[GatewayPage(server="envoy")]) as sandbox:
        heard = await exchange(sandbox.base_url, request(sandbox))
    assert heard.head.count(b"\r\nserver:") == 1
    assert b"\r\nserver: envoy" in heard.head


async def test_a_rate_limit_is_in_real_seconds_and_its_date_the_only_one() -> None:
    limit = RateLimit(per_second=0.01, retry_after="date", wall_clock=lambda: 0.0)
    async with Sandbox(speed=1000, rate_limit=limit) as sandbox:
        heard = [await exchange(sandbox.base_url, request(sandbox)) for _ in range(2)]
    assert heard[1].head.startswith(b"http/1.1 429 ")
    assert heard[1].head.count(b"\r\ndate:") == 1
    assert b"\r\ndate: thu, 01 jan 1970 00:00:00 gmt" in heard[1].head
    assert b"\r\nretry-after: thu, 01 jan 1970 00:01:40 gmt" in heard[1].head


async def test_it_listens_on_another_address() -> None:
    async with Sandbox(host="0.0.0.0") as sandbox:  # noqa: S104 -- as in a container
        assert sandbox.base_url == f"http://127.0.0.1:{sandbox.port}"
        assert (await exchange(sandbox.base_url, request(sandbox))).length


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::1", "[::1]"), ("::", "[::1]"), ("10.1.2.3", "10.1.2.3")],
)
def test_its_url_has_an_address_one_can_connect_to(host: str, shown: str) -> None:
    assert Sandbox(host=host, port=80).base_url == f"http://{shown}:80"


@pytest.mark.parametrize("host", ["localhost", "", "256.1.1.1"])
def test_a_host_is_an_ip_address(host: str) -> None:
    with pytest.raises(ValueError, match="IP"):
        Sandbox(host=host)


def test_a_key_of_the_callers_own_is_for_this_machine_only() -> None:
    """Caught: a sandbox with a real key that other machines can reach."""
    with pytest.raises(ValueError, match="made-up key") as caught:
        Sandbox(host="0.0.0.0", api_key="of_mine")  # noqa: S104 -- refused
    assert "of_mine" not in str(caught.value)
    assert Sandbox(host="127.0.0.2", api_key="of_mine").api_key == "of_mine"
