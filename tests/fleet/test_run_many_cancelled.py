"""A caller of `run_many` who goes leaves no job behind that nobody names."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from openfunnel_async import ConfigurationError, TransportError, WireReply
from openfunnel_async.sandbox import CompletesUnderCancel, StatusFault, Unknowns
from tests.fleet.account import Account, Unanswered, lasting, searches
from tests.support.sandbox_transport import Fate
from tests.support.scripted import (
    HANG,
    Later,
    ScriptedTransport,
    Seen,
    cancel_reply,
    connect,
    job_reply,
    reply,
    submit_reply,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


def begin(account: Account, jobs: int = 6, active: int = 4) -> asyncio.Task[object]:
    work = account.client.run_many(searches(*[5] * jobs), max_active=active)
    return asyncio.create_task(work)


async def go_after(account: Account, seconds: float, times: int = 1) -> None:
    """Cancel a batch N times, and wait for its end."""
    task = begin(account)
    await anyio.sleep(seconds)
    for _ in range(times):
        task.cancel()
        await anyio.sleep(0.05)
    await asyncio.wait([task])
    assert task.cancelled()


def forgotten(account: Account) -> set[str]:
    """Name the jobs that run although nobody knows of them."""
    return set(account.going()) - set(account.client.orphans)


# With 0.2 s an exchange the four submits lie in the first 0.8 s.
MOMENTS = [0.0, 0.05, 0.15, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 3.0, 9.1, 9.2, 40.0]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_its_jobs_are_cancelled(moment: float) -> None:
    """Caught: `finally` without `_release_all`."""
    async with Account(lasting(5000)) as account:
        before = Unanswered.now()
        await go_after(account, moment)
        assert account.going() == []
        assert account.client.orphans == ()
        await before.check(account)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_twice_in_a_row_forgets_nobody(moment: float) -> None:
    async with Account(lasting(5000)) as account:
        await go_after(account, moment, times=2)
        # A submit under way is still being read to its end; closing waits for that.
        await account.client.aclose()
        assert account.going() == []


@pytest.mark.parametrize("between", range(24))
async def test_a_second_cancellation_at_any_turn_of_the_loop(between: int) -> None:
    """Caught: cancels gathered as coroutines, which had not begun by then."""
    async with Account(lasting(5000)) as account:
        task = begin(account)
        await anyio.sleep(50)
        task.cancel()
        for _ in range(between):
            await anyio.lowlevel.checkpoint()
        task.cancel()
        await asyncio.wait([task])
        assert forgotten(account) == set()
        await anyio.sleep(15)
        assert account.going() == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_under_wait_for(moment: float) -> None:
    async with Account(lasting(5000)) as account:
        work = account.client.run_many(searches(*[5] * 6), max_active=4)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work, moment)
        assert account.going() == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_in_a_scope_of_anyio(moment: float) -> None:
    async with Account(lasting(5000)) as account:
        with anyio.move_on_after(moment) as scope:
            await account.client.run_many(searches(*[5] * 6), max_active=4)
        assert scope.cancelled_caught
        assert account.going() == []


async def test_in_a_group_whose_other_task_fails() -> None:
    async def fail() -> None:
        await anyio.sleep(30)
        raise ZeroDivisionError

    async def both(account: Account) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(account.client.run_many(searches(5, 5)))
            group.create_task(fail())

    async with Account(lasting(5000)) as account:
        with pytest.raises(ExceptionGroup):
            await both(account)
        assert len(account.views) == 2
        assert account.going() == []


async def test_within_ten_seconds() -> None:
    """Caught: one cancel after the other."""
    unknowns = Unknowns(settle=500.0)
    async with Account(lasting(5000), latency=(8,), unknowns=unknowns) as account:
        task = begin(account)
        await anyio.sleep(100)
        task.cancel()
        began = account.service.now
        await asyncio.wait([task])
        assert account.service.now - began <= 10
        assert account.going() == []


async def test_those_that_run_do_not_wait_for_the_submit_under_way() -> None:
    """Caught: the jobs cancelled only after the rescue of the submit, 15 s later."""
    transport = ScriptedTransport(
        submit=[submit_reply("a"), Later(submit_reply("b"), after=5.9)],
        cancel=lambda seen: cancel_reply(seen.job_id),
        read=lambda seen: job_reply("running", job_id=seen.job_id),
    )
    async with connect(transport) as client:
        with anyio.move_on_after(1):
            await client.run_many(searches(1, 1))
    assert [(seen.at, seen.job_id) for seen in transport.of("cancel")] == [
        (1.0, "a"),
        (5.9, "b"),
    ]


@pytest.mark.parametrize("answer", [reply(503), reply(422), reply(404), HANG])
async def test_what_could_not_be_cancelled_is_an_orphan(
    answer: WireReply | Later,
) -> None:
    """Caught: the error of a cancel dropped."""
    transport = ScriptedTransport(
        submit=[submit_reply("a"), submit_reply("b"), HANG],
        cancel=[answer],
        read=lambda seen: job_reply("running", job_id=seen.job_id),
    )
    async with connect(transport) as client:
        with anyio.move_on_after(20):
            await client.run_many(searches(1, 1))
        assert set(client.orphans) == {"a", "b"}
        assert transport.now <= 30


async def gone(
    script: ScriptedTransport, moment: float = 400, max_active: int = 1
) -> set[str]:
    """Cancel a batch of two then; name who was cancelled or is an orphan."""
    async with connect(script) as client:
        with anyio.move_on_after(moment):
            await client.run_many(
                searches(1, 1), max_active=max_active, job_timeout=100
            )
        return {seen.job_id for seen in script.of("cancel")} | set(client.orphans)


async def test_one_whose_reading_ended_in_an_error_is_not_forgotten() -> None:
    """Caught: only those cancelled that are still being read."""
    transport = ScriptedTransport(
        submit=[submit_reply("a"), submit_reply("b")],
        cancel=lambda seen: cancel_reply(seen.job_id),
        read=lambda seen: job_reply("running", job_id=seen.job_id),
    )
    assert await gone(transport, 200) == {"a", "b"}


async def test_an_id_out_of_a_broken_answer_is_not_forgotten() -> None:
    """Caught: a submit of unknown outcome taken for one without a job."""

    def read(seen: Seen) -> WireReply:
        return job_reply("running", job_id=seen.job_id)

    transport = ScriptedTransport(
        submit=[reply(200, b'{"job_id": "a", "st'), submit_reply("b")],
        cancel=lambda seen: cancel_reply(seen.job_id),
        read=read,
    )
    assert await gone(transport, 50, max_active=2) == {"a", "b"}


@pytest.mark.parametrize(
    "fault", [CompletesUnderCancel(times=9), StatusFault(on="cancel", times=3)]
)
async def test_a_fault_under_the_cancel(
    fault: CompletesUnderCancel | StatusFault,
) -> None:
    async with Account(lasting(5000), faults=[fault]) as account:
        await go_after(account, 30)
        assert account.going() == []
        assert account.client.orphans == ()


async def test_a_client_that_is_closed_meanwhile_says_so() -> None:
    """Caught: the batch's own task cancelled by the closing, and its caller with it."""
    async with Account(lasting(5000)) as account:
        task = begin(account)
        await anyio.sleep(30)
        await account.client.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await task
        assert forgotten(account) == set()


async def test_an_exception_that_is_not_ours_is_an_outcome() -> None:
    """Caught: an ExceptionGroup in place of the outcomes, the finished ones too."""

    def explode(seen: Seen) -> WireReply:
        if seen.job_id == "a":
            raise ZeroDivisionError(seen.job_id)
        return job_reply("completed", job_id=seen.job_id)

    transport = ScriptedTransport(
        submit=[submit_reply("a"), submit_reply("b")],
        cancel=lambda seen: cancel_reply(seen.job_id),
        read=explode,
    )
    async with connect(transport) as client:
        first, second = await client.run_many(searches(1, 1))
    assert isinstance(first.error, TransportError)
    assert "ZeroDivisionError" in str(first.error)
    assert second.result is not None
    assert [seen.job_id for seen in transport.of("cancel")] == ["a"]


async def test_a_submit_of_unknown_outcome_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: the outcome that reports it dropped without a word."""
    async with Account(lasting(9000)) as account:
        account.transport.fates.append(Fate.LOST)
        with anyio.move_on_after(10):
            await account.client.run_many(searches(70, 5))
        assert len(account.going()) == 1
    assert "may be billing up to 70 credits" in caplog.text
