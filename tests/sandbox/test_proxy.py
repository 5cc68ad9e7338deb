"""The proxy: what each plan does to a connection, seen from both of its ends."""

import asyncio

import pytest

from openfunnel_async.sandbox import (
    CloseIdle,
    ConnectionPlan,
    CutAfter,
    Delay,
    FaultyProxy,
    LostAnswer,
    OversizedBody,
    PassThrough,
    ResetAfter,
    ResetConnection,
    ResetOnAccept,
    Sandbox,
    SilentAfter,
    SlowAnswer,
    Trickle,
)
from tests.sandbox.raw_client import (
    Heard,
    RawClient,
    exchange,
    request,
    submit,
    until,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

NOBODY = "http://127.0.0.1:1"


def _before(sandbox: Sandbox, *plan: ConnectionPlan) -> FaultyProxy:
    return FaultyProxy(upstream=sandbox.base_url, plan=plan)


async def test_without_a_plan_every_byte_passes() -> None:
    """It failed with bytes counted that were not passed on."""
    async with Sandbox() as sandbox, _before(sandbox) as proxy:
        said = request(sandbox)
        direct = await exchange(sandbox.base_url, said)
        heard = await exchange(proxy.base_url, said)
        assert (heard.head, heard.body) == (direct.head, direct.body)
        assert heard.ended == "closed"
        await until(lambda: proxy.connections[0].ended)
        (seen,) = proxy.connections
        assert seen.plan == PassThrough()
        assert (seen.sent, seen.received) == (len(said), len(heard.data))
        assert seen.ended == "closed"


async def test_a_large_answer_passes_whole() -> None:
    sandbox = Sandbox(faults=[OversizedBody(megabytes=3)])
    async with sandbox, _before(sandbox) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
    assert len(heard.body) == 3_000_000


@pytest.mark.parametrize(
    ("fault", "ended"),
    [(LostAnswer(), "closed"), (ResetConnection(), "reset")],
)
async def test_an_ending_of_the_upstream_passes_too(
    fault: LostAnswer, ended: str
) -> None:
    sandbox = Sandbox(faults=[fault])
    async with sandbox, _before(sandbox) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
    assert heard == Heard((), "closed" if ended == "closed" else "reset")


async def test_a_connection_may_be_refused() -> None:
    """It failed with the port left listening."""
    async with Sandbox() as sandbox, _before(sandbox, ResetOnAccept()) as proxy:
        url = proxy.base_url
        async with proxy.refusing():
            with pytest.raises(ConnectionRefusedError):
                await exchange(url, b"")
            assert proxy.connections == ()
        assert proxy.base_url == url
        async with RawClient(url) as client:
            assert (await client.hear()).ended == "reset"
        assert (await exchange(url, request(sandbox))).length


async def test_refusing_leaves_open_connections_alone() -> None:
    sandbox = Sandbox()
    async with (
        sandbox,
        _before(sandbox) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(request(sandbox, connection="keep-alive"))
        assert (await client.hear_answer()).length
        async with proxy.refusing():
            await client.say(request(sandbox))
            assert (await client.hear()).length


async def test_a_reset_on_accept_reaches_no_upstream() -> None:
    async with Sandbox() as sandbox, _before(sandbox, ResetOnAccept()) as proxy:
        async with RawClient(proxy.base_url) as client:
            assert await client.hear() == Heard((), "reset")
        assert proxy.connections[0].ended == "plan"
        assert sandbox.requests == []


async def test_a_reset_before_the_answer_is_after_the_effect() -> None:
    async with Sandbox() as sandbox, _before(sandbox, ResetAfter(received=0)) as proxy:
        assert await exchange(proxy.base_url, submit(sandbox)) == Heard((), "reset")
        assert len(sandbox.jobs) == 1
        assert proxy.connections[0].received == 0


@pytest.mark.parametrize(
    ("plan", "ended"),
    [(ResetAfter(received=40), "reset"), (CutAfter(received=40), "closed")],
)
async def test_an_answer_may_end_after_so_many_bytes(
    plan: ConnectionPlan, ended: str
) -> None:
    """It failed with the bytes around the last one passed on, too."""
    async with Sandbox() as sandbox, _before(sandbox, plan) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
        assert (len(heard.data), heard.ended) == (40, ended)
        assert heard.data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert proxy.connections[0].received == 40


@pytest.mark.parametrize("sent", [0, 10])
@pytest.mark.parametrize("made", [ResetAfter, CutAfter])
async def test_a_request_may_end_after_so_many_bytes(
    made: type[ResetAfter] | type[CutAfter], sent: int
) -> None:
    """It failed with a cut that resets."""
    async with Sandbox() as sandbox, _before(sandbox, made(sent=sent)) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
        assert heard == Heard((), "reset" if made is ResetAfter else "closed")
        assert proxy.connections[0].sent == sent
        assert sandbox.requests == []


async def test_a_cut_stays_clean_while_the_client_continues_to_send() -> None:
    """It failed with the socket closed at once: what comes then is a reset."""
    sandbox = Sandbox()
    async with (
        sandbox,
        _before(sandbox, CutAfter(sent=5)) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(b"GET /x")
        await until(lambda: proxy.connections[0].ended)
        for _ in range(3):
            await client.say(b"y" * 1000)
            await asyncio.sleep(0.001)
        assert await client.hear() == Heard((), "closed")


async def test_bytes_may_trickle() -> None:
    """It failed without the pauses."""
    plan = Trickle(size=100, pause=0.03)
    async with Sandbox() as sandbox, _before(sandbox, plan) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
    sizes = [len(data) for _, data in heard.pieces]
    assert sizes == [100] * (len(sizes) - 1) + [len(heard.data) % 100]
    moments = [moment for moment, _ in heard.pieces]
    assert moments[-1] - moments[0] >= 0.015 * (len(sizes) - 1) > 0
    assert len(heard.body) == heard.length


@pytest.mark.parametrize("plan", [Delay(connect=0.05), Delay(first_byte=0.05)])
async def test_a_connection_may_be_slow(plan: Delay) -> None:
    """It failed with the delay after the first byte."""
    started = asyncio.get_running_loop().time()
    async with Sandbox() as sandbox, _before(sandbox, plan) as proxy:
        heard = await exchange(proxy.base_url, request(sandbox))
        arrived = started + sandbox.requests[0].time
    answered = heard.pieces[0][0]
    assert (arrived - started if plan.connect else answered - arrived) >= 0.045


async def test_an_idle_connection_is_closed_after_its_answer() -> None:
    """It failed with the clock started at the accept: the answer is cut off."""
    sandbox = Sandbox(faults=[SlowAnswer(delay=0.12)])
    async with sandbox, _before(sandbox, CloseIdle(after=0.08)) as proxy:
        async with RawClient(proxy.base_url) as client:
            await client.say(request(sandbox, connection="keep-alive"))
            await client.hear_answer()
            await client.say(request(sandbox, connection="keep-alive"))
            answered = await client.hear_answer()
            heard = await client.hear()
            now = asyncio.get_running_loop().time()
            assert heard == Heard((), "closed")
            assert now - answered.pieces[-1][0] >= 0.07
            assert proxy.connections[0].ended == "plan"
        assert len(sandbox.requests) == 2


async def test_a_request_to_a_connection_closed_as_idle_is_lost() -> None:
    async with Sandbox() as sandbox, _before(sandbox, CloseIdle(after=0.01)) as proxy:
        async with RawClient(proxy.base_url) as client:
            await client.say(request(sandbox, connection="keep-alive"))
            await client.hear_answer()
            await until(lambda: proxy.connections[0].ended)
            await client.say(submit(sandbox))
            assert (await client.hear()).data == b""
        assert sandbox.jobs == {}


async def test_open_connections_may_go_silent_while_new_ones_work() -> None:
    """Caught: bytes passed on after `silence`; new connections silenced, too."""
    sandbox = Sandbox()
    async with (
        sandbox,
        _before(sandbox) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(request(sandbox, connection="keep-alive"))
        await client.hear_answer()
        proxy.silence()
        await client.say(submit(sandbox, connection="keep-alive"))
        assert (await exchange(proxy.base_url, request(sandbox))).length
        assert await _hears_nothing(client)
        assert sandbox.jobs == {}
        old, new = proxy.connections
        assert (old.silent, old.ended, new.silent) == (True, None, False)
        assert old.sent == len(request(sandbox, connection="keep-alive"))


async def test_a_silent_connection_takes_any_number_of_bytes() -> None:
    """Caught: no longer read, so that the client's writes block."""
    sandbox = Sandbox()
    async with (
        sandbox,
        _before(sandbox) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(b"GET")
        await until(lambda: proxy.connections and proxy.connections[0].sent)
        proxy.silence()
        async with asyncio.timeout(5):
            await client.say(b"x" * 10_000_000)
        assert proxy.connections[0].sent == len(b"GET")


async def test_an_answer_under_way_is_lost_to_silence() -> None:
    sandbox = Sandbox(faults=[SlowAnswer(on="submit", delay=0.02)])
    async with (
        sandbox,
        _before(sandbox) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(submit(sandbox))
        await until(lambda: sandbox.jobs)
        proxy.silence()
        assert await _hears_nothing(client)


@pytest.mark.parametrize("fault", [LostAnswer(), ResetConnection()])
async def test_an_ending_does_not_break_the_silence(
    fault: LostAnswer | ResetConnection,
) -> None:
    """Caught: the upstream's FIN or RST passed on to the client."""
    sandbox = Sandbox(faults=[SlowAnswer(delay=0.02), fault])
    async with (
        sandbox,
        _before(sandbox, SilentAfter(received=0)) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(request(sandbox, connection="keep-alive"))
        await client.say(request(sandbox))
        await until(lambda: proxy.connections[0].silent)
        assert await _hears_nothing(client)
        assert proxy.connections[0].ended is None


async def test_an_upstream_does_not_see_a_client_leave_in_silence() -> None:
    """Caught: the client's FIN passed on."""
    async with Sandbox(keep_alive=0.05) as sandbox, _before(sandbox) as proxy:
        async with RawClient(proxy.base_url) as client:
            await client.say(request(sandbox, connection="keep-alive"))
            await client.hear_answer()
            proxy.silence()
        await asyncio.sleep(0.01)
        assert proxy.connections[0].ended is None
        await until(lambda: proxy.connections[0].ended)
        assert proxy.connections[0].ended == "closed"


async def test_a_silent_connection_is_not_closed_as_idle() -> None:
    """Caught: the idle time that was counted before the silence."""
    async with (
        Sandbox() as sandbox,
        _before(sandbox, CloseIdle(after=0.02)) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(request(sandbox, connection="keep-alive"))
        await client.hear_answer()
        proxy.silence()
        assert await _hears_nothing(client)


@pytest.mark.parametrize(
    ("plan", "seen", "heard"),
    [
        (SilentAfter(sent=0), 0, 0),
        (SilentAfter(sent=10), 0, 0),
        (SilentAfter(received=0), 1, 0),
        (SilentAfter(received=40), 1, 40),
    ],
)
async def test_a_connection_may_go_silent_after_so_many_bytes(
    plan: SilentAfter, seen: int, heard: int
) -> None:
    async with (
        Sandbox() as sandbox,
        _before(sandbox, plan) as proxy,
        RawClient(proxy.base_url) as client,
    ):
        await client.say(request(sandbox))
        await until(lambda: proxy.connections and proxy.connections[0].silent)
        assert len(await _heard_in_a_moment(client)) == heard
        assert len(sandbox.requests) == seen
        assert proxy.connections[0].ended is None


async def test_a_slow_line_has_its_rate() -> None:
    """Caught: a rate for each connection."""
    sandbox = Sandbox(faults=[OversizedBody(megabytes=0.02, times=2)])
    async with sandbox:
        proxy = FaultyProxy(upstream=sandbox.base_url, bytes_per_second=200_000)
        async with proxy:
            started = asyncio.get_running_loop().time()
            answers = await asyncio.gather(
                *(exchange(proxy.base_url, request(sandbox)) for _ in range(2))
            )
            took = asyncio.get_running_loop().time() - started
    assert [len(heard.body) for heard in answers] == [20_000, 20_000]
    assert 0.15 <= took < 2


async def test_connections_take_turns_on_a_slow_line() -> None:
    """Caught: one answer carried whole before the next one's first byte."""
    async with Sandbox(faults=[OversizedBody(megabytes=0.1)]) as sandbox:
        proxy = FaultyProxy(upstream=sandbox.base_url, bytes_per_second=400_000)
        async with proxy, RawClient(proxy.base_url) as large:
            await large.say(request(sandbox))
            await until(lambda: proxy.connections and proxy.connections[0].received)
            small = await exchange(proxy.base_url, request(sandbox))
            assert small.length
            assert proxy.connections[0].received < 50_000
            assert len((await large.hear()).body) == 100_000


async def _heard_in_a_moment(client: RawClient) -> bytes:
    """Listen to a connection that must not end, for a tenth of a second."""
    data = b""
    try:
        async with asyncio.timeout(0.1):
            while piece := await client.hear_some():
                data += piece
    except TimeoutError:
        return data
    raise AssertionError("the connection ended")


async def _hears_nothing(client: RawClient) -> bool:
    return await _heard_in_a_moment(client) == b""


async def test_plans_are_used_up_one_a_connection() -> None:
    plan = (CutAfter(received=10), PassThrough(), CutAfter(received=20))
    async with Sandbox() as sandbox, _before(sandbox, *plan) as proxy:
        sizes = [
            len((await exchange(proxy.base_url, request(sandbox))).data)
            for _ in range(4)
        ]
        whole = sizes[1]
        assert sizes == [10, whole, 20, whole]
        proxy.plan.append(CutAfter(received=30))
        assert len((await exchange(proxy.base_url, request(sandbox))).data) == 30
        assert [seen.plan for seen in proxy.connections[:3]] == list(plan)


async def test_an_upstream_that_is_not_there_is_a_reset() -> None:
    async with FaultyProxy(upstream=NOBODY) as proxy:
        assert await exchange(proxy.base_url, b"GET") == Heard((), "reset")
        assert proxy.connections[0].ended == "broken"


@pytest.mark.parametrize(
    "plan", [PassThrough(), CutAfter(sent=1), Delay(connect=3600), Trickle(pause=3600)]
)
async def test_leaving_resets_what_is_open(plan: ConnectionPlan) -> None:
    """It failed with the tasks left running."""
    sandbox = Sandbox(faults=[SlowAnswer(delay=3600)] * (plan == PassThrough()))
    async with asyncio.timeout(5), sandbox:
        async with _before(sandbox, plan) as proxy:
            client = await RawClient(proxy.base_url).__aenter__()
            await client.say(request(sandbox))
            await asyncio.sleep(0.01)
        assert (await client.hear()).ended is not None
        await client.__aexit__(None, None, None)
        assert proxy.connections[0].ended in ("plan", "proxy")
        with pytest.raises(ConnectionRefusedError):
            await exchange(proxy.base_url, b"")


async def test_leaving_as_clients_arrive_leaves_nothing() -> None:
    async with Sandbox() as sandbox:
        for _ in range(20):
            async with _before(sandbox) as proxy:
                calls = [
                    asyncio.create_task(exchange(proxy.base_url, request(sandbox)))
                    for _ in range(5)
                ]
                await asyncio.sleep(0)
            await asyncio.gather(*calls, return_exceptions=True)


async def test_the_address_replaces_that_of_the_upstreams_url() -> None:
    async with FaultyProxy(upstream="http://127.0.0.1:1/v9") as proxy:
        assert proxy.base_url == f"http://127.0.0.1:{proxy.port}/v9"
        assert repr(proxy) == "<FaultyProxy to http://127.0.0.1:1/v9, 0 connections>"
