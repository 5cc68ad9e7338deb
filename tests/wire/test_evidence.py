"""Whether a request was sent is known from the session's signals or not at all.

Sessions of the user's own over real sockets: with other defaults, with a middleware,
without signals, and such that only play a session. What counts is how often a submit
arrives.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
import pytest

from openfunnel_async import (
    AiohttpTransport,
    JobStatus,
    OpenFunnel,
    OpenFunnelError,
    RequestRejectedError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    TransportError,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.raw_server import RawServer, Said, refused_url, said
from tests.wire.clients import (
    CANCELLING,
    JOB_ID,
    KEY,
    RUNNING,
    SEARCH,
    SUBMITTED,
)

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

READ, SUBMIT, LOST = said(RUNNING), said(SUBMITTED), Said(then="close")


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def client_over(session: object, url: str, **options: Any) -> OpenFunnel:
    transport = AiohttpTransport(cast("aiohttp.ClientSession", session))
    options = {"retry": RetryPolicy(attempts=3), "request_timeout": 60.0, **options}
    return OpenFunnel(KEY, base_url=url, transport=transport, **options)


async def error_of_submit(client: OpenFunnel) -> OpenFunnelError:
    async with client:
        with pytest.raises(OpenFunnelError) as caught:
            await client.submit(SEARCH)
    return caught.value


class DropsContext:
    """A wrapper that has no trace configs and passes no context on."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self, method: str, url: object, **options: Any
    ) -> aiohttp.ClientResponse:
        options.pop("trace_request_ctx")
        return await self._session.request(method, cast("str", url), **options)


class GivesCopies:
    """A wrapper whose trace configs are a copy each time."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.request = session.request
        self._session = session

    @property
    def trace_configs(self) -> list[aiohttp.TraceConfig]:
        return list(self._session.trace_configs)


class HasATuple(GivesCopies):
    """A wrapper whose trace configs cannot be added to."""

    @property
    def trace_configs(self) -> Any:
        return ()


@pytest.mark.parametrize("wrapper", [DropsContext, GivesCopies, HasATuple])
async def test_a_lost_answer_over_a_session_without_signals_is_not_sent_again(
    wrapper: Callable[[aiohttp.ClientSession], object],
) -> None:
    """Caught: `waiting()` reported before a session that never reports `sent()`."""
    async with RawServer(LOST, SUBMIT) as server, aiohttp.ClientSession() as session:
        client = client_over(wrapper(session), server.base_url)
        error = await error_of_submit(client)
        assert isinstance(error, SubmitOutcomeUnknownError)
        assert len(server.received) == 1


@pytest.mark.parametrize("wrapper", [DropsContext, GivesCopies, HasATuple])
async def test_such_a_session_works_all_the_same(
    wrapper: Callable[[aiohttp.ClientSession], object],
) -> None:
    async with (
        RawServer(READ, SUBMIT) as server,
        aiohttp.ClientSession() as session,
        client_over(wrapper(session), server.base_url) as client,
    ):
        await client.job(JOB_ID).poll()
        assert (await client.submit(SEARCH)).id == JOB_ID


@pytest.mark.parametrize("wrapper", [DropsContext, GivesCopies, HasATuple])
async def test_a_refused_connection_proves_by_itself_that_nothing_was_sent(
    wrapper: Callable[[aiohttp.ClientSession], object],
) -> None:
    async with aiohttp.ClientSession() as session:
        error = await error_of_submit(client_over(wrapper(session), refused_url()))
    assert isinstance(error, TransportError)
    assert not error.request_sent


class Played:
    """A mock that raises what it is given, as aioresponses does."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.requests = 0

    async def request(self, *_: object, **__: object) -> Any:
        self.requests += 1
        await asyncio.sleep(0)
        raise self.error


class PlayedStart(Played):
    """A mock that reports the start of a request, and nothing of a connection."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.trace_configs = list[aiohttp.TraceConfig]()

    async def request(self, *_: object, **options: Any) -> Any:
        for config in self.trace_configs:
            context = config.trace_config_ctx(options["trace_request_ctx"])
            await config.on_request_start.send(
                cast("Any", self), context, cast("Any", 0)
            )
        return await super().request()


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError("cut"),
        TimeoutError(),
        ConnectionResetError(104, "reset"),
        OSError(24, "Too many open files"),
        ValueError("no"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("mock", [Played, PlayedStart])
async def test_what_a_mock_raises_counts_as_sent(
    mock: type[Played], error: Exception
) -> None:
    """Caught: the start of a request taken as proof that no connection was had."""
    session = mock(error)
    raised = await error_of_submit(client_over(session, "https://api.example"))
    assert isinstance(raised, SubmitOutcomeUnknownError)
    assert session.requests == 1


@pytest.mark.parametrize("mock", [Played, PlayedStart])
async def test_a_mock_that_hangs_counts_as_sent(mock: type[Played]) -> None:
    class Hangs(mock):  # type: ignore[misc, valid-type]  # one test for both
        async def request(self, *args: object, **options: object) -> Any:
            try:
                await super().request(*args, **options)
            except RuntimeError:
                await asyncio.Event().wait()

    session = Hangs(RuntimeError())
    client = client_over(session, "https://api.example", request_timeout=3.0)
    assert isinstance(await error_of_submit(client), SubmitOutcomeUnknownError)
    assert session.requests == 1


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientConnectorError(cast("Any", None), OSError(111, "refused")),
        aiohttp.ClientConnectorDNSError(cast("Any", None), OSError("no such name")),
        aiohttp.InvalidURL("no address"),
        aiohttp.ServerFingerprintMismatch(b"", b"", "api.example", 443),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_mock_that_plays_a_missing_connection_is_believed(
    error: Exception,
) -> None:
    raised = await error_of_submit(client_over(Played(error), "https://api.example"))
    assert isinstance(raised, TransportError)
    assert not raised.request_sent


async def test_a_fake_with_another_signature_is_no_reason_to_submit_twice() -> None:
    class Fake:
        requests = 0

        async def request(self, method: str, url: object) -> None:
            del method, url

    raised = await error_of_submit(client_over(Fake(), "https://api.example"))
    assert isinstance(raised, SubmitOutcomeUnknownError)
    assert "TypeError" in str(raised)


async def test_a_closed_session_sends_nothing_and_says_so() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    raised = await error_of_submit(client_over(session, "https://api.example"))
    assert isinstance(raised, TransportError)
    assert not raised.request_sent
    assert "session is closed" in str(raised)


async def test_other_defaults_of_a_session_do_not_change_what_is_read() -> None:
    """Caught: a 422 raised by the session, after which a job "may be billing"."""
    refused = said('{"detail": "no"}', status="422 Unprocessable", packed=True)
    defaults: dict[str, Any] = {
        "raise_for_status": True,
        "auto_decompress": False,
        "timeout": aiohttp.ClientTimeout(total=0.001),
    }
    async with (
        RawServer(
            refused,
            said(CANCELLING, status="409 Conflict"),
            said(RUNNING.replace("running", "completed")),
            Said(said(RUNNING, packed=True).data, after=2.0),
        ) as server,
        aiohttp.ClientSession(**defaults) as session,
        client_over(session, server.base_url) as client,
    ):
        with pytest.raises(RequestRejectedError):
            await client.submit(SEARCH)
        receipt = await client.job(JOB_ID).cancel()
        assert receipt.already_terminal
        assert (await client.job(JOB_ID).poll()).status is JobStatus.RUNNING
        assert len(server.received) == 4


Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


async def repeating(
    request: aiohttp.ClientRequest, handler: Handler
) -> aiohttp.ClientResponse:
    """Repeat whatever fails, as retrying middlewares do."""
    for _ in range(4):
        try:
            return await handler(request)
        except Exception:  # noqa: BLE001, S112 -- what such middlewares do
            continue
    return await handler(request)


async def test_a_middleware_that_repeats_is_stopped_before_a_second_post() -> None:
    """Caught: a second POST within one exchange."""
    async with (
        RawServer(LOST, SUBMIT, SUBMIT) as server,
        aiohttp.ClientSession(middlewares=[repeating]) as session,
    ):
        error = await error_of_submit(client_over(session, server.base_url))
        assert isinstance(error, SubmitOutcomeUnknownError)
        assert len(server.received) == 1


async def test_a_middleware_that_repeats_gets_a_fresh_connection_in_the_end() -> None:
    """Caught: a connection that counts as used because one before it was."""
    async with (
        RawServer(READ, SUBMIT) as server,
        aiohttp.ClientSession(middlewares=[repeating]) as session,
        client_over(session, server.base_url) as client,
    ):
        await client.job(JOB_ID).poll()
        assert (await client.submit(SEARCH)).id == JOB_ID
        assert [each.connection for each in server.received] == [0, 1]


async def test_a_middleware_may_repeat_a_read() -> None:
    async with (
        RawServer(LOST, LOST, READ) as server,
        aiohttp.ClientSession(middlewares=[repeating]) as session,
        client_over(session, server.base_url) as client,
    ):
        await client.job(JOB_ID).poll()
        assert len(server.received) == 3
