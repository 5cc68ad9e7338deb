"""The key is in no repr, text, pickle, record or traceback."""

import copy
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable

import pytest

from openfunnel_async import (
    JobOutcome,
    LookalikeSearch,
    OpenFunnelError,
    TransportError,
    WireReply,
)
from tests.support.scripted import (
    HANG,
    JOB,
    KEY,
    Later,
    ScriptedTransport,
    broken,
    connect,
    job_reply,
    reply,
    submit_reply,
    unsent,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SEARCH = LookalikeSearch(query="voice")
ECHO = {"detail": f"bad key {KEY}", "input": KEY, "x": [{KEY: KEY}]}
FAULTS: list[WireReply | TransportError | Later] = [
    *(reply(status, ECHO) for status in (302, 400, 401, 402, 403, 404, 422, 429, 500)),
    reply(502, f"<html>{KEY}</html>".encode()),
    unsent(),
    broken(),
    HANG,
]


async def raised_by(call: Callable[[], Awaitable[object]]) -> OpenFunnelError | None:
    try:
        await call()
    except OpenFunnelError as exc:
        return exc
    return None


def shown(error: BaseException) -> str:
    """Return everything that a report of the error could show."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert error.__context__ is None
    return "".join([*whole.format(), repr(error), repr(error.args), repr(vars(error))])


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_holds_the_key(
    fault: WireReply | TransportError | Later, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: a failure's text kept without `hide`."""
    # The frames of this test are in the traceback and must not hold it themselves.
    transport = ScriptedTransport(submit=[fault], read=[fault], cancel=[fault])
    del fault
    async with connect(transport) as client:
        job = client.job(JOB)
        for call in (
            lambda: client.submit(SEARCH),
            job.poll,
            job.fetch_page,
            job.wait_until_terminal,
            job.result,
            job.cancel,
        ):
            with caplog.at_level(logging.DEBUG):
                error = await raised_by(call)
            if error is not None:
                assert KEY not in shown(error)
                assert KEY.encode() not in pickle.dumps(error)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "body", [KEY.encode(), {"job_id": f"{KEY}/", "status": KEY, "message": KEY}]
)
async def test_no_error_of_a_2xx_that_echoes_the_key_holds_it(body: object) -> None:
    answer = reply(200, body)
    async with connect(ScriptedTransport(submit=[answer], read=[answer])) as client:
        for call in (lambda: client.submit(SEARCH), client.job(JOB).poll):
            with pytest.raises(OpenFunnelError) as caught:
                await call()
            assert KEY not in f"{caught.value!r} {caught.value} {caught.value.args!r}"


async def test_no_handle_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], read=[job_reply("odd"), job_reply("completed")]
    )
    with caplog.at_level(logging.DEBUG):
        async with connect(transport) as client:
            job = await client.submit(SEARCH)
            await job.wait_until_terminal()
            for holder in (client, job, job.rows(), client.running(SEARCH)):
                assert KEY not in f"{holder!r} {holder}"
    assert KEY not in caplog.text


async def test_no_holder_of_the_key_can_be_pickled() -> None:
    async with connect(ScriptedTransport()) as client:
        for holder in (client, client.job(JOB), client.job(JOB).rows()):
            for twin in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="is not pickled or copied; "):
                    twin(holder)


async def test_a_refused_pickle_says_what_to_keep_instead() -> None:
    async with connect(ScriptedTransport()) as client:
        job = client.job(JOB)
        said = {holder: refusal(holder) for holder in (client, job, job.rows())}
        assert "make one where it is used" in said.pop(client)
        assert "job.id or str(job.checkpoint())" in said.pop(job)
        assert "str(stream.checkpoint())" in said.popitem()[1]
        outcome = JobOutcome(search=SEARCH, job=job)
        assert refusal(outcome) == refusal(job)


def refusal(holder: object) -> str:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(holder)
    return str(caught.value)


ESCAPED = "".join(f"\\u{ord(letter):04X}" for letter in KEY)
ECHOED: list[WireReply] = [
    reply(503, b"<html>", {"server": f"gate {KEY}"}),
    reply(302, b"", {"location": f"/?key={KEY}", "server": KEY}),
    reply(429, {"detail": 1}, {"retry-after": KEY, f"x-{KEY}": "1"}),
    reply(401, f'{{"detail": "{ESCAPED}"}}'.encode()),
    reply(401, {"detail": {KEY: {f"a{KEY}b": 1}}}),
    reply(422, {"detail": [{"loc": [KEY], "msg": KEY, "type": KEY}]}),
    reply(422, {"detail": "x" * 495 + KEY}),
    reply(502, b"x" * 495 + KEY.encode()),
    reply(502, KEY.encode("utf-16-le")),
    reply(200, f"<html>{KEY}".encode(), {"server": KEY}),
    job_reply("failed", error_message=KEY, progress_message=KEY),
    job_reply(KEY),
]


@pytest.mark.parametrize("number", range(len(ECHOED)))
async def test_no_place_of_an_answer_brings_the_key_to_light(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: a Server header that echoes it, read into the message as it came."""
    caplog.set_level(logging.DEBUG)
    step = ECHOED[number]
    transport = ScriptedTransport(submit=[step], read=[step], cancel=[step])
    del step
    async with connect(transport) as client:
        job = client.job(JOB)
        for call in (lambda: client.submit(SEARCH), job.poll, job.result, job.cancel):
            error = await raised_by(call)
            if error is not None:
                assert KEY[3:15] not in shown(error).replace("\\x00", "")
        assert KEY[3:15] not in f"{job.snapshot!r} {job.error!r}"
    assert KEY[3:15] not in caplog.text


async def test_the_key_goes_out_in_its_header_and_nowhere_else() -> None:
    transport = ScriptedTransport(
        submit=[submit_reply()], read=[job_reply("completed")], cancel=[reply(409)]
    )
    async with connect(transport) as client:
        job = await client.submit(SEARCH)
        await job.cancel()
    assert {seen.kind for seen in transport.seen} == {"submit", "cancel", "read"}
    for seen in transport.seen:
        request = seen.request
        assert request.headers["x-api-key"] == KEY
        assert KEY not in f"{request!r} {request.url} {request.body!r}"
        assert request.origin == "https://api.example"


async def test_a_failed_jobs_own_words_do_not_hold_the_key() -> None:
    words = f"could not charge {KEY}"
    transport = ScriptedTransport(read=[job_reply("failed", error_message=words)])
    async with connect(transport) as client:
        with pytest.raises(OpenFunnelError, match="could not charge") as caught:
            await client.job(JOB).result()
    assert KEY not in f"{caught.value!r} {caught.value.args!r}"
