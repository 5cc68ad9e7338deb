"""The sandbox behind a socket."""

import json
from io import BytesIO

import aiohttp
import pytest

from openfunnel_async.sandbox import JobLife, LostAnswer, Sandbox, SandboxRequest
from tests.sandbox.caller import JOBS

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
