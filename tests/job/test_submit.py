"""A submit is billed and not idempotent: what is sent again, and what never is."""

import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    LookalikeSearch,
    RateLimitedError,
    RequestRejectedError,
    RequestTimeoutError,
    SubmitOutcomeUnknownError,
    TransportError,
    WireReply,
)
from openfunnel_async._transport.wire import UntrustedCertificateError
from tests.support.scripted import (
    HANG,
    JOB,
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

SEARCH = LookalikeSearch(query="voice", limit=50)


async def test_a_submit_is_one_request_and_gives_a_handle() -> None:
    transport = ScriptedTransport(submit=[submit_reply()])
    async with connect(transport) as client:
        job = await client.submit(SEARCH)
        assert client.orphans == ()
    assert (job.id, job.limit, job.error) == (JOB, 50, None)
    (seen,) = transport.seen
    assert seen.request.fresh_connection


@pytest.mark.parametrize("search", [None, "voice", {"query": "voice"}])
async def test_what_is_no_search_is_refused_before_anything_is_sent(
    search: LookalikeSearch,
) -> None:
    transport = ScriptedTransport()
    async with connect(transport) as client:
        with pytest.raises(ConfigurationError):
            await client.submit(search)
    assert transport.seen == []


async def test_it_is_repeated_while_nothing_was_sent() -> None:
    transport = ScriptedTransport(submit=[unsent(), unsent(), submit_reply()])
    async with connect(transport) as client:
        assert (await client.submit(SEARCH)).id == JOB
    assert transport.count("submit") == 3


async def test_what_could_never_be_sent_says_so() -> None:
    transport = ScriptedTransport(submit=[unsent()])
    async with connect(transport) as client:
        with pytest.raises(TransportError) as caught:
            await client.submit(SEARCH)
    assert not caught.value.request_sent
    assert transport.count("submit") == 4


@pytest.mark.parametrize(
    "fault",
    [
        broken("reset"),
        broken("closed"),
        reply(500),
        reply(502),
        reply(503, headers={"retry-after": "1"}),
        reply(504),
        reply(408),
        reply(301, headers={"location": "/elsewhere"}),
        reply(307),
        reply(200, b"<html>"),
        reply(200, b""),
        reply(202, {"ok": True}),
    ],
)
async def test_what_was_sent_is_never_sent_again(
    fault: WireReply | TransportError,
) -> None:
    """Caught: a lost answer passed on as an exchange that was never sent."""
    transport = ScriptedTransport(submit=[fault, submit_reply()])
    async with connect(transport) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
        assert transport.now == 0
    assert transport.count("submit") == 1
    error = caught.value
    assert (error.search, error.max_exposure, error.job_id) == (SEARCH, 50, None)
    accepted = isinstance(fault, WireReply) and fault.is_success
    assert error.accepted == accepted


async def test_an_unsent_try_does_not_excuse_a_second_sent_one() -> None:
    transport = ScriptedTransport(submit=[unsent(), broken(), submit_reply()])
    async with connect(transport) as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            await client.submit(SEARCH)
    assert transport.count("submit") == 2


async def test_an_answer_too_late_leaves_the_outcome_open() -> None:
    transport = ScriptedTransport(submit=[HANG])
    async with connect(transport, request_timeout=10) as client:
        with pytest.raises(SubmitOutcomeUnknownError, match="within 10 s"):
            await client.submit(SEARCH)
        assert transport.now == pytest.approx(10)
    assert transport.count("submit") == 1


async def test_a_connection_too_slow_is_tried_again() -> None:
    slow = Later(submit_reply(), connecting=60)
    transport = ScriptedTransport(submit=[slow])
    async with connect(transport, request_timeout=10) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.submit(SEARCH)
        assert transport.now > 40
    assert isinstance(caught.value, TimeoutError)
    assert not caught.value.request_sent
    assert transport.seen == []


async def test_a_broken_acceptance_names_the_job() -> None:
    transport = ScriptedTransport(submit=[reply(200, b'{"job_id": "job-9", ')])
    async with connect(transport) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
    assert (caught.value.accepted, caught.value.job_id) == (True, "job-9")


async def test_a_429_is_sent_again_not_before_retry_after() -> None:
    limited = reply(429, headers={"retry-after": "30"})
    transport = ScriptedTransport(submit=[limited, limited, submit_reply()])
    async with connect(transport) as client:
        assert (await client.submit(SEARCH)).id == JOB
    first, second, third = transport.times("submit")
    assert second - first >= 30
    assert third - second >= 30


@pytest.mark.parametrize(
    "asked",
    ["0", "-5", "nan", "1e999", "9" * 400, "soon", "Wed, 21 Oct 1926 12:00:00 GMT"],
    ids=lambda asked: asked[:9],
)
async def test_an_absurd_retry_after_neither_stalls_nor_shortens(asked: str) -> None:
    """Caught: `asked` in place of `max(pause, asked)`, with a 0."""
    limited = reply(429, headers={"retry-after": asked})
    transport = ScriptedTransport(submit=[limited, limited, submit_reply()])
    async with connect(transport) as client:
        assert (await client.submit(SEARCH)).id == JOB
    first, second, third = transport.times("submit")
    assert 0.25 <= second - first < 1
    assert 0.5 <= third - second < 2


@pytest.mark.parametrize(
    "asked", ["61", "61, 5", "9" * 300], ids=["one", "two", "huge"]
)
async def test_a_retry_after_above_the_policys_is_raised_at_once(asked: str) -> None:
    """Caught: the first of two values read, and the second one missed."""
    limited = reply(429, headers={"retry-after": asked})
    transport = ScriptedTransport(submit=[limited, submit_reply()])
    async with connect(transport) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.submit(SEARCH)
        assert transport.now == 0
    assert caught.value.retry_after in {61, 1e9}


async def test_an_untrusted_certificate_is_raised_at_once() -> None:
    untrusted = UntrustedCertificateError("the certificate is not trusted", False)
    transport = ScriptedTransport(submit=[untrusted, submit_reply()])
    async with connect(transport) as client:
        with pytest.raises(TransportError, match="not trusted") as caught:
            await client.submit(SEARCH)
        assert transport.now == 0
    assert not caught.value.request_sent
    assert transport.count("submit") == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(400), RequestRejectedError),
        (reply(400, {"error_code": "CREDITS_EXCEEDED"}), InsufficientCreditsError),
        (reply(401), AuthenticationError),
        (reply(403), AuthenticationError),
        (reply(404), APIError),
        (reply(409), APIError),
        (reply(422), RequestRejectedError),
    ],
)
async def test_a_refusal_is_typed_and_not_repeated(
    answer: WireReply, kind: type[APIError]
) -> None:
    transport = ScriptedTransport(submit=[answer])
    async with connect(transport) as client:
        with pytest.raises(kind):
            await client.submit(SEARCH)
    assert transport.count("submit") == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "30", None, True])
async def test_a_request_timeout_that_is_none_is_refused(seconds: object) -> None:
    with pytest.raises(ConfigurationError, match="request_timeout"):
        connect(ScriptedTransport(), request_timeout=seconds)


async def test_a_read_that_takes_too_long_says_that_it_was_sent() -> None:
    transport = ScriptedTransport(read=[HANG])
    async with connect(transport, request_timeout=10) as client:
        with pytest.raises(RequestTimeoutError, match="within 10 s") as caught:
            await client.job(JOB).poll()
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.request_sent
    assert transport.count("read") == 4


async def test_a_read_within_its_time_is_read() -> None:
    transport = ScriptedTransport(read=[Later(job_reply("running"), after=9)])
    async with connect(transport, request_timeout=10) as client:
        assert (await client.job(JOB).poll()).raw_status == "running"
