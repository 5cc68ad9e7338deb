"""Telling a waiter of each change."""

import asyncio

import anyio
import pytest

from openfunnel_async import JobSnapshot, PollPolicy, WaitTimeoutError
from tests.support.scripted import JOB, ScriptedTransport, connect, job_reply

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PACE = PollPolicy.fixed(10)
FIVE = [
    job_reply("pending"),
    job_reply("running"),
    job_reply("running"),
    job_reply("running", processed=5),
    job_reply("completed", processed=9),
]
TOLD = [("pending", None), ("running", None), ("running", 5), ("completed", 9)]


class Diary:
    """Keeps what is reported to it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int | None]] = []

    def note(self, snapshot: JobSnapshot) -> None:
        self.told.append((snapshot.status, snapshot.processed))

    async def note_slowly(self, snapshot: JobSnapshot) -> None:
        await anyio.sleep(25)
        self.note(snapshot)


async def test_every_change_is_told_once_and_the_end_too() -> None:
    """Caught: a listener called with each answer, changed or not."""
    diary = Diary()
    async with connect(ScriptedTransport(read=FIVE), polling=PACE) as client:
        await client.job(JOB).wait_until_terminal(on_progress=diary.note)
    assert diary.told == TOLD


async def test_a_slow_coroutine_is_awaited_and_misses_nothing() -> None:
    diary = Diary()
    async with connect(ScriptedTransport(read=FIVE), polling=PACE) as client:
        await client.job(JOB).wait_until_terminal(on_progress=diary.note_slowly)
    assert diary.told == TOLD


async def test_a_slow_listener_does_not_slow_the_looking() -> None:
    diary, transport = Diary(), ScriptedTransport(read=FIVE)
    async with connect(transport, polling=PACE) as client:
        await client.job(JOB).wait_until_terminal(on_progress=diary.note_slowly)
    assert transport.times("read") == [0.0, 10.0, 20.0, 30.0, 40.0]


async def test_one_who_comes_after_the_end_is_told_of_it() -> None:
    diary = Diary()
    async with connect(ScriptedTransport(read=FIVE[-1:])) as client:
        job = client.job(JOB)
        await job.poll()
        await job.wait_until_terminal(on_progress=diary.note)
    assert diary.told == TOLD[-1:]


async def test_what_it_raises_reaches_its_own_waiter_only() -> None:
    diary, transport = Diary(), ScriptedTransport(read=FIVE)

    def complain(snapshot: JobSnapshot) -> None:
        if snapshot.status == "running":
            raise LookupError("mine")

    async with connect(transport, polling=PACE) as client:
        job = client.job(JOB)
        failing = asyncio.create_task(job.wait_until_terminal(on_progress=complain))
        other = asyncio.create_task(job.wait_until_terminal(on_progress=diary.note))
        with pytest.raises(LookupError, match="mine"):
            await failing
        assert transport.now == pytest.approx(10)
        await other
        assert job.error is None
    assert diary.told == TOLD


async def test_one_who_leaves_does_not_silence_the_others() -> None:
    diary = Diary()
    async with connect(ScriptedTransport(read=FIVE), polling=PACE) as client:
        job = client.job(JOB)
        staying = asyncio.create_task(job.wait_until_terminal(on_progress=diary.note))
        await anyio.sleep(1)
        with pytest.raises(WaitTimeoutError):
            await job.wait_until_terminal(timeout=5, on_progress=print)
        await staying
    assert diary.told == TOLD


async def test_one_who_leaves_is_told_no_more() -> None:
    diary = Diary()
    async with connect(ScriptedTransport(read=FIVE), polling=PACE) as client:
        job = client.job(JOB)
        staying = asyncio.create_task(job.wait_until_terminal())
        with pytest.raises(WaitTimeoutError):
            await job.wait_until_terminal(timeout=15, on_progress=diary.note)
        await staying
    assert diary.told == TOLD[:2]


async def test_a_listener_does_not_outlast_the_timeout() -> None:
    async def dawdle(_snapshot: JobSnapshot) -> None:
        await anyio.sleep(3600)

    transport = ScriptedTransport(read=FIVE)
    async with connect(transport, polling=PACE) as client:
        with pytest.raises(WaitTimeoutError):
            await client.job(JOB).wait_until_terminal(timeout=20, on_progress=dawdle)
        assert transport.now == pytest.approx(20)
