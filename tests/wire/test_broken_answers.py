"""Answers that are not HTTP, not whole, too large, or do not come at all."""

import gzip
import json

import pytest

from openfunnel_async import (
    InvalidResponseError,
    JobStatus,
    OpenFunnelError,
    RequestTimeoutError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
)
from tests.support.raw_server import RawServer, Said, said
from tests.wire.clients import JOB_ID, RUNNING, SEARCH, SUBMITTED, client_of

pytestmark = pytest.mark.anyio

NO_HTTP = Said(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", then="close")
BAD_HEADER = Said(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n{}", then="close")
BAD_LENGTH = Said(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", then="close")
SILENCE = Said(then="close")
HALF_A_HEAD = Said(b"HTTP/1.1 200 OK\r\nContent-Le", then="close")
BROKEN = pytest.mark.parametrize(
    "answer",
    [NO_HTTP, BAD_HEADER, BAD_LENGTH, SILENCE, HALF_A_HEAD],
    ids=["no HTTP", "bad header", "bad length", "silence", "half a head"],
)
CUT = said(SUBMITTED[:60], length=500, then="close")


async def error_of_read(*answers: Said) -> OpenFunnelError:
    async with RawServer(*answers) as server, client_of(server.base_url) as client:
        with pytest.raises(OpenFunnelError) as caught:
            await client.job(JOB_ID).poll()
    return caught.value


async def error_of_submit(*answers: Said) -> SubmitOutcomeUnknownError:
    async with RawServer(*answers) as server, client_of(server.base_url) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
        assert [request.line.split()[0] for request in server.received] == ["POST"]
    return caught.value


@BROKEN
async def test_a_read_ends_in_a_transport_error(answer: Said) -> None:
    # aiohttp itself repeats a GET whose connection was closed in silence.
    error = await error_of_read(answer, answer)
    assert isinstance(error, TransportError)
    assert error.request_sent


@BROKEN
async def test_the_outcome_of_a_submit_is_unknown(answer: Said) -> None:
    """Caught: the status 400 believed that aiohttp gives to what is no HTTP."""
    error = await error_of_submit(answer, answer)
    assert (error.accepted, error.job_id) == (False, None)


async def test_a_cut_answer_to_a_submit_still_names_the_job() -> None:
    """Caught: what came of a reply that broke off thrown away."""
    error = await error_of_submit(CUT)
    assert (error.accepted, error.job_id) == (True, JOB_ID)
    assert error.max_exposure == 250


async def test_a_cut_id_is_not_taken_for_an_id() -> None:
    body = SUBMITTED[: SUBMITTED.index(JOB_ID) + 8]
    error = await error_of_submit(said(body, length=500, then="close"))
    assert (error.accepted, error.job_id) == (True, None)


async def test_a_cut_refusal_of_a_submit_does_not_count_as_accepted() -> None:
    body = f'{{"detail": "no", "job_id": "{JOB_ID}"'
    cut = said(body, status="503 Busy", length=500, then="close")
    error = await error_of_submit(cut)
    assert (error.accepted, error.job_id) == (False, None)


async def test_a_submit_that_is_not_answered_in_time_is_of_unknown_outcome() -> None:
    async with (
        RawServer(Said(then="wait")) as server,
        client_of(server.base_url, request_timeout=0.1) as client,
    ):
        with pytest.raises(SubmitOutcomeUnknownError):
            await client.submit(SEARCH)
        await server.left.wait()
        assert server.connections == 1


async def test_a_read_that_is_not_answered_in_time_says_so() -> None:
    async with (
        RawServer(Said(then="wait")) as server,
        client_of(server.base_url, request_timeout=0.1) as client,
    ):
        with pytest.raises(RequestTimeoutError) as caught:
            await client.job(JOB_ID).poll()
        await server.left.wait()
    assert caught.value.request_sent


async def test_a_cut_answer_to_a_read_is_a_transport_error() -> None:
    error = await error_of_read(said(RUNNING[:20], length=500, then="close"))
    assert type(error) is TransportError
    assert error.request_sent


async def test_a_packed_answer_is_unpacked() -> None:
    async with (
        RawServer(said(RUNNING, packed=True)) as server,
        client_of(server.base_url) as client,
    ):
        snapshot = await client.job(JOB_ID).poll()
    assert snapshot.status is JobStatus.RUNNING


async def test_a_cut_packed_answer_is_not_believed() -> None:
    """A gzip stream that ends early raises nothing; only the parse notices."""
    packed = gzip.compress(RUNNING.encode())
    cut = said(packed[:-20], headers={"Content-Encoding": "gzip"})
    error = await error_of_read(cut, cut, cut)
    assert isinstance(error, (InvalidResponseError, TransportError))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_a_body_over_8_mib_is_not_believed(packed: bool) -> None:
    """Caught: a cap of twice as much."""
    answer = json.loads(RUNNING) | {"padding": "x" * (9 * 2**20)}
    huge = said(json.dumps(answer), packed=packed)
    error = await error_of_read(huge, huge)
    assert isinstance(error, InvalidResponseError)
    assert "8 MiB" in str(error)


async def test_a_body_of_exactly_8_mib_is_read() -> None:
    """Caught: `>=` in place of `>`."""
    body = RUNNING + " " * (8 * 2**20 - len(RUNNING))
    async with RawServer(said(body)) as server, client_of(server.base_url) as client:
        snapshot = await client.job(JOB_ID).poll()
    assert snapshot.status is JobStatus.RUNNING


async def test_a_server_fault_on_a_read_is_told_by_its_status_line() -> None:
    error = await error_of_read(said("oops", status="503 Service Unavailable"))
    assert isinstance(error, ServerError)
    assert error.status_code == 503
