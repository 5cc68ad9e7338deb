"""One budget of polls for all handles of a client."""

import asyncio
import math
import random

import anyio
import anyio.lowlevel
import pytest

from openfunnel_async import (
    BulkJob,
    OpenFunnel,
    PollPolicy,
    RetryPolicy,
    ServerError,
    WireReply,
)
from openfunnel_async._job.poll_limiter import PollLimiter, poll_limiter, urgency
from tests.fleet.account import STEADY, Account, lasting, search, searches
from tests.support.scripted import (
    JOB,
    Later,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]

RATE = 2.0
GREEDY = PollPolicy.fixed(0.5)


def most_within_a_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(sum(at <= later < at + 1 - 1e-9 for later in moments) for at in moments)


def running() -> ScriptedTransport:
    """Script jobs that run for a hundred seconds."""
    return ScriptedTransport(
        read=lambda seen: job_reply(
            "running" if seen.at < 100 else "completed", job_id=seen.job_id
        )
    )


def attach(client: OpenFunnel, count: int) -> list[BulkJob]:
    return [client.job(str(number)) for number in range(count)]


async def test_an_answer_makes_a_poll_unneeded_that_waits_for_its_turn() -> None:
    """Caught: the status read at 10 s, three seconds after another read of it."""
    transport = running()
    options = {"max_polls_per_second": 0.1, "polling": PollPolicy.fixed(5)}
    async with connect(transport, **options) as client:
        job = client.job(JOB)
        waiting = asyncio.create_task(job.wait_until_terminal())
        await anyio.sleep(7)
        await job.poll()
        await anyio.sleep(10)
        assert transport.times("read") == pytest.approx([0, 7, 12])
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_an_answer_that_ends_the_job_leaves_no_poll_in_the_line() -> None:
    """Caught: a page that waits for its turn, and is read after the end once more."""
    transport = ScriptedTransport(
        read=lambda seen: job_reply(
            "running" if seen.at < 6 else "completed",
            rows=rows(0, 3),
            manifest=manifest(3),
        )
    )
    options = {"max_polls_per_second": 0.1, "polling": PollPolicy.fixed(5)}
    async with connect(transport, **options) as client:
        job = client.job(JOB)
        reading = asyncio.create_task(job.result())
        await anyio.sleep(7)
        await job.poll()
        assert len((await reading).rows) == 3
    assert transport.times("read") == pytest.approx([0, 7, 10])


async def test_handles_share_it() -> None:
    """Caught: a budget for each handle."""
    transport = running()
    async with connect(transport, max_polls_per_second=RATE, polling=GREEDY) as client:
        await client.wait_all(attach(client, 10))
    assert most_within_a_second(transport.times("read")) == RATE


async def test_without_one_everybody_looks_when_due() -> None:
    transport = running()
    async with connect(transport, polling=GREEDY) as client:
        await client.wait_all(attach(client, 10))
    assert most_within_a_second(transport.times("read")) == 20


async def test_none_is_no_budget_at_all() -> None:
    assert poll_limiter(None) is None


async def test_where_there_is_a_turn_to_spare_nobody_waits() -> None:
    """Caught: every turn an interval after it is asked for."""
    transport = running()
    async with connect(transport, max_polls_per_second=1, polling=STEADY) as client:
        await client.job("alone").wait_until_terminal()
    async with connect(unlimited := running(), polling=STEADY) as client:
        await client.job("alone").wait_until_terminal()
    assert transport.times("read") == pytest.approx(unlimited.times("read"))


async def test_streams_that_wait_for_rows_share_it_as_well() -> None:
    """Caught: the re-reading of a page taken for no poll."""
    transport = running()
    async with connect(transport, max_polls_per_second=RATE, polling=GREEDY) as client:

        async def read(job: BulkJob) -> None:
            async for _ in job.rows():
                pass

        async with anyio.create_task_group() as group:
            for job in attach(client, 8):
                group.start_soon(read, job)
    assert most_within_a_second(transport.times("read")) <= RATE


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("way", ["rows", "pages", "resume", "wait", "result"])
async def test_first_reads_take_turns(way: str, follow: bool) -> None:
    """Caught: first reads that take no turn: 300 requests in the first second."""
    transport = ScriptedTransport(
        read=lambda seen: job_reply("completed", job_id=seen.job_id)
    )
    async with connect(transport, max_polls_per_second=20) as client:

        async def read(job: BulkJob) -> None:
            if way == "wait":
                await job.wait_until_terminal()
            elif way == "result":
                await job.result()
            elif way == "pages":
                await anext(job.pages(follow=follow))
            else:
                if way == "resume":
                    job = client.resume(job.checkpoint())
                assert [row async for row in job.rows(follow=follow)] == []

        async with anyio.create_task_group() as group:
            for job in attach(client, 300):
                group.start_soon(read, job)
    assert transport.count("read") == 300
    assert most_within_a_second(transport.times("read")) <= 20
    assert transport.now == pytest.approx(299 / 20)


@pytest.mark.parametrize("is_terminal", [False, True])
async def test_pages_that_are_written_take_no_turn(is_terminal: bool) -> None:
    """Caught: a turn for each page: a minute for twelve rows."""

    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000")[-4:])
        last = number == 5
        return job_reply(
            "completed" if last or is_terminal else "running",
            rows=rows(2 * number, 2 * number + 2),
            page=f"page_{number:04}",
            next_cursor=None if last else f"page_{number + 1:04}",
            manifest=manifest(12, pages=6) if last or is_terminal else None,
        )

    transport = ScriptedTransport(read=read)
    async with connect(transport, max_polls_per_second=0.01) as client:
        job = client.job(JOB)
        assert len([row async for row in job.rows()]) == 12
        await job.poll()
        await job.fetch_page("page_0003")
        assert transport.now < 1


@pytest.mark.parametrize("way", ["wait", "rows"])
async def test_waiting_for_a_turn_is_no_outage(way: str) -> None:
    """Caught: an outage that continues while a wait has no turn."""
    outcomes = [job_reply(), reply(503), reply(503), job_reply("completed")]
    reads = 0

    def read_one(seen: Seen) -> WireReply:
        nonlocal reads
        if seen.job_id != JOB:
            return job_reply("completed", job_id=seen.job_id)
        reads += 1
        return outcomes[reads - 1]

    retry = RetryPolicy(attempts=1, outage=5)
    transport = ScriptedTransport(read=read_one)
    async with connect(
        transport, max_polls_per_second=RATE, polling=GREEDY, retry=retry
    ) as client:
        reading = asyncio.create_task(follow(client.job(JOB), way))
        while reads < 2:  # noqa: ASYNC110 -- a counter, and the time is virtual
            await anyio.sleep(0.1)
        # Jobs that were never read come first, so the next turn is 20 s away.
        await client.wait_all(attach(client, 40))
        await reading
    assert transport.now > 20


async def follow(job: BulkJob, way: str) -> None:
    if way == "wait":
        await job.wait_until_terminal()
    else:
        assert [row async for row in job.rows()] == []


@pytest.mark.parametrize("way", ["wait", "rows"])
async def test_a_second_of_failures_ends_no_wait_that_has_few_turns(way: str) -> None:
    """Caught: an outage counted from before the first turn: 5 of 20 waits ended."""

    def read(seen: Seen) -> WireReply:
        if 10 <= seen.at < 11:
            return reply(503)
        status = "running" if seen.at < 60 else "completed"
        return job_reply(status, job_id=seen.job_id)

    transport = ScriptedTransport(read=read)
    retry = RetryPolicy(attempts=1, outage=5)
    async with (
        connect(
            transport, max_polls_per_second=RATE, polling=GREEDY, retry=retry
        ) as client,
        anyio.create_task_group() as group,
    ):
        for job in attach(client, 20):
            group.start_soon(follow, job, way)
    assert most_within_a_second(transport.times("read")) <= RATE


async def test_an_outage_is_counted_from_its_first_failure() -> None:
    """Caught: an outage counted from the beginning of the call that first failed."""
    transport = ScriptedTransport(
        read=[Later(job_reply(), after=4.0), Later(reply(503), after=4.0)]
    )
    retry = RetryPolicy(attempts=1, outage=9)
    async with connect(transport, retry=retry, polling=PollPolicy.fixed(1)) as client:
        with pytest.raises(ServerError):
            await client.job(JOB).wait_until_terminal()
        # The answer at 4 s, the failures at 9, 14 and 19 s: ten seconds of failure, and
        # at 14 s nine seconds of one call.
        assert transport.now == pytest.approx(19)


async def test_an_outage_begins_with_the_first_try_of_a_call() -> None:
    """Caught: quick retries left out: an outage lasts them longer than allowed."""
    transport = ScriptedTransport(read=[Later(reply(503), after=3.0)])
    retry = RetryPolicy(attempts=3, outage=6)
    async with connect(transport, retry=retry, polling=PollPolicy.fixed(1)) as client:
        with pytest.raises(ServerError):
            await client.job(JOB).wait_until_terminal()
    # It fails at 3 s, and for the third time more than 6 s later.
    assert transport.count("read") == 3


async def test_equals_have_their_turns_in_the_order_of_coming() -> None:
    """Caught: equal claims in the order of their addresses in memory."""
    turns = Turns(1)
    await turns.take("first")
    claims = [turns.claim(str(number), math.inf) for number in range(20)]
    await asyncio.wait(claims)
    assert turns.order == ["first", *map(str, range(20))]


async def test_an_explicit_poll_does_not_wait_for_a_turn() -> None:
    transport = running()
    async with connect(transport, max_polls_per_second=0.1, polling=GREEDY) as client:
        for job in attach(client, 5):
            await job.poll()
        assert transport.now == 0


async def test_a_batch_keeps_to_it() -> None:
    async with Account(lasting(30), max_polls_per_second=1, latency=(0.0,)) as account:
        await account.client.run_many(searches(*[5] * 12), max_active=12)
        reads = account.seen("read")
    assert most_within_a_second([seen.time for seen in reads]) == 1


async def test_a_cancel_does_not_wait_for_a_turn() -> None:
    async with Account(lasting(500), max_polls_per_second=0.01) as account:
        jobs = [await account.client.submit(search(number)) for number in range(3)]
        began = account.service.now
        for job in jobs:
            await job.cancel()
        assert account.service.now - began < 1


class Turns:
    """Claims on a budget, and when each had its turn."""

    def __init__(self, per_second: float) -> None:
        self._budget = PollLimiter(per_second)
        self.times: list[float] = []
        self.order: list[str] = []

    async def take(self, name: str = "", urgent: float = 1.0) -> None:
        await self._budget.take_turn(lambda _now: urgent)
        self.times.append(asyncio.get_running_loop().time())
        self.order.append(name)

    def claim(self, name: str = "", urgent: float = 1.0) -> asyncio.Task[None]:
        return asyncio.create_task(self.take(name, urgent))


async def test_the_most_urgent_comes_first() -> None:
    """Caught: the claims served in the order in which they came."""
    turns = Turns(1)
    await turns.take("first")
    claims = [turns.claim(name, urgent) for name, urgent in (("b", 1), ("a", 2))]
    await asyncio.wait(claims)
    assert turns.order == ["first", "a", "b"]


async def test_the_longer_unseen_and_the_nearer_its_end_the_more_urgent() -> None:
    assert urgency(0.0, 25.0)(10.0) == 2.0
    assert urgency(0.0, 25.0)(10.0) > urgency(5.0, 25.0)(10.0)
    assert urgency(0.0, 25.0)(10.0) > urgency(0.0, 36.0)(10.0)


async def test_a_claim_that_is_given_up_costs_no_turn() -> None:
    turns = Turns(1)
    await turns.take()
    gone, stays = turns.claim(urgent=5), turns.claim()
    await anyio.sleep(0.5)
    gone.cancel()
    await asyncio.wait([gone, stays])
    assert turns.times == [0.0, 1.0]


async def test_a_turn_of_somebody_who_goes_is_handed_on_at_once() -> None:
    """Caught: the turn back in the budget, and the timer still at the next one."""
    turns = Turns(1)
    await turns.take()
    gone, stays = turns.claim(urgent=5), turns.claim()
    await anyio.sleep(0.5)
    asyncio.get_running_loop().call_at(1.0, gone.cancel)
    await asyncio.wait([gone, stays])
    assert turns.times == [0.0, 1.0]


async def test_a_claim_that_goes_in_the_moment_of_a_grant_grants_no_second() -> None:
    """Caught: a claim dropped by the grant that takes itself for granted."""
    turns = Turns(1)
    await turns.take()
    gone = turns.claim(urgent=5)
    asyncio.get_running_loop().call_at(1.0, gone.cancel)
    await anyio.lowlevel.checkpoint()
    await turns.claim()
    await turns.claim()
    assert turns.times == [0.0, 1.0, 2.0]


async def test_a_budget_nobody_wants_saves_up_nothing() -> None:
    """Caught: a bucket that fills while nobody looks."""
    turns = Turns(1)
    await anyio.sleep(100)
    await asyncio.wait([turns.claim() for _ in range(3)])
    assert turns.times == [100.0, 101.0, 102.0]


async def test_claims_that_come_and_go_at_random_never_exceed_it() -> None:
    turns, dice = Turns(5), random.Random(1)

    async def one() -> None:
        await anyio.sleep(dice.choice((0.2, 1.0)) * dice.randint(0, 50))
        with anyio.move_on_after(dice.choice((0.2, 0.6)) * dice.randint(0, 20)):
            await turns.take(urgent=dice.random())

    async with anyio.create_task_group() as group:
        for _ in range(500):
            group.start_soon(one)
    assert len(turns.times) > 50
    assert most_within_a_second(turns.times) == 5
