"""The two steps that an engine dispatches, on both databases and over real sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from openfunnel_async import Book, LookalikeSearch, OpenFunnel, PollPolicy
from openfunnel_async.book import BookSteps, EntryState, Step, StepAction
from openfunnel_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio
OFTEN = PollPolicy(shortest=0.02, longest=0.1)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=300) as started:
        yield started


@pytest.fixture
async def client(address: str, sandbox: Sandbox) -> AsyncIterator[OpenFunnel]:
    key, url = sandbox.api_key, sandbox.base_url
    book = Book.connect(address)
    async with OpenFunnel(key, base_url=url, book=book, polling=OFTEN) as opened:
        yield opened


@pytest.fixture
async def steps(client: OpenFunnel) -> AsyncIterator[BookSteps]:
    served = client.book_steps()
    async with served.serving():
        yield served


def searches(number: int, limit: int = 100) -> list[LookalikeSearch]:
    return [LookalikeSearch(query=f"voice {n}", limit=limit) for n in range(number)]


async def test_a_search_is_submitted_and_followed_to_its_bill(
    client: OpenFunnel, steps: BookSteps, sandbox: Sandbox
) -> None:
    batch = await client.batch("q4", searches(1))
    (due,) = await steps.sweep()
    assert due.action is StepAction.SUBMIT
    follow = await steps.submit_one(due.key)
    assert follow == Step(due.key, StepAction.FOLLOW)
    # Again, early or late: nothing is sent.
    assert await steps.submit_one(due.key) == follow
    done = await steps.follow_slice(due.key)
    assert done.action is StepAction.DONE
    assert await steps.follow_slice(due.key) == done
    assert await steps.sweep() == []
    report = await batch.report()
    assert (report.settled, report.rows) == (1, report.spent)
    assert len(sandbox.jobs) == 1


async def test_a_slice_ends_in_time_and_another_continues(
    client: OpenFunnel, steps: BookSteps
) -> None:
    batch = await client.batch("q4", searches(1, 400))
    (due,) = await steps.sweep()
    step = await steps.submit_one(due.key)
    slices = 0
    while step.action is StepAction.FOLLOW:
        step = await steps.follow_slice(due.key, seconds=0.05)
        slices += 1
    assert slices > 1
    (entry,) = await batch.searches()
    assert entry.state is EntryState.SETTLED
    assert entry.rows == entry.billed


async def test_the_same_step_at_the_same_time_is_done_once(
    client: OpenFunnel, steps: BookSteps, sandbox: Sandbox
) -> None:
    batch = await client.batch("q4", searches(1))
    (due,) = await steps.sweep()
    await asyncio.gather(*(steps.submit_one(due.key) for _ in range(6)))
    assert len(sandbox.jobs) == 1
    found = await asyncio.gather(*(steps.follow_slice(due.key) for _ in range(6)))
    assert {step.action for step in found} == {StepAction.DONE}
    (entry,) = await batch.searches()
    assert entry.state is EntryState.SETTLED


async def test_what_does_not_fit_waits_for_a_bill(
    client: OpenFunnel, steps: BookSteps, sandbox: Sandbox
) -> None:
    batch = await client.batch("q4", searches(2, 60), max_credits=100)
    keys = [entry.key for entry in await batch.searches()]
    await steps.submit_one(keys[0])
    assert (await steps.submit_one(keys[1])).action is StepAction.DONE
    assert len(sandbox.jobs) == 1
    await steps.follow_slice(keys[0])
    await steps.submit_one(keys[1])
    second = (await batch.searches())[1]
    # The first one billed less than 40, or this one never fits.
    assert second.state in {EntryState.SUBMITTED, EntryState.SKIPPED}


async def test_a_cancelled_batch_ends_in_the_steps_that_follow_it(
    client: OpenFunnel, steps: BookSteps
) -> None:
    batch = await client.batch("q4", searches(1, 10_000))
    (due,) = await steps.sweep()
    await steps.submit_one(due.key)
    following = asyncio.create_task(steps.follow_slice(due.key))
    await asyncio.sleep(0.3)
    await batch.cancel()
    assert (await asyncio.wait_for(following, 30)).action is StepAction.DONE
    (entry,) = await batch.searches()
    assert (entry.state, entry.status) == (EntryState.SETTLED, "cancelled")


async def test_a_cancelled_slice_gives_its_lease_back(
    client: OpenFunnel, steps: BookSteps, sandbox: Sandbox
) -> None:
    await client.batch("q4", searches(1, 2_000))
    (due,) = await steps.sweep()
    await steps.submit_one(due.key)
    following = asyncio.create_task(steps.follow_slice(due.key))
    await asyncio.sleep(0.3)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert [step.action for step in await steps.sweep()] == [StepAction.FOLLOW]
    assert (await steps.follow_slice(due.key)).action is StepAction.DONE
    assert len(sandbox.jobs) == 1


async def test_a_refused_key_stops_the_submits_of_this_process(
    address: str, sandbox: Sandbox
) -> None:
    """Caught: a thousand requests with a key that was revoked."""
    book = Book.connect(address)
    async with OpenFunnel("wrong-key", base_url=sandbox.base_url, book=book) as client:
        batch = await client.batch("q4", searches(20))
        steps = client.book_steps()
        async with steps.serving():
            keys = [entry.key for entry in await batch.searches()]
            found = [await steps.submit_one(key) for key in keys]
        assert all(step.action is StepAction.SUBMIT for step in found)
        assert min(step.after for step in found) > 30
        assert len(sandbox.requests) == 1
        assert (await batch.report()).planned == 20
