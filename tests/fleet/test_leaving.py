"""Who leaves an iteration early leaves no task and no request behind."""

import asyncio
import gc

import anyio
import anyio.lowlevel
import pytest

from openfunnel_async import BulkJob, ConfigurationError
from tests.fleet.account import Account, Unanswered, lasting, search, searches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


class StopReadingError(Exception):
    """What the body of a loop raises."""


async def begin(account: Account) -> tuple[list[BulkJob], Unanswered]:
    """Submit a quick job and three slow ones; return the tasks that run by then."""
    jobs = [await account.client.submit(search(number)) for number in range(4)]
    return jobs, Unanswered.now()


def world() -> Account:
    return Account(lasting(20), lasting(9000))


async def test_a_break_inside_async_with() -> None:
    """Caught: `__aexit__` that leaves the waits to the collector."""
    async with world() as account:
        jobs, before = await begin(account)
        async with account.client.as_completed(jobs) as ended:
            async for _ in ended:
                break
        assert asyncio.all_tasks() <= before.tasks
        await before.check(account)
        assert len(account.going()) == 3


async def test_a_break_alone() -> None:
    """Caught: waits that hold the iteration, so that it never goes."""
    async with world() as account:
        jobs, before = await begin(account)
        gc.disable()
        try:
            async for _ in account.client.as_completed(jobs):
                break
            await before.check(account)
        finally:
            gc.enable()


@pytest.mark.parametrize("managed", [True, False])
async def test_an_exception_in_the_body(*, managed: bool) -> None:
    async def read(account: Account, jobs: list[BulkJob]) -> None:
        if managed:
            async with account.client.as_completed(jobs) as ended:
                async for _ in ended:
                    raise StopReadingError
        async for _ in account.client.as_completed(jobs):
            raise StopReadingError

    async with world() as account:
        jobs, before = await begin(account)
        with pytest.raises(StopReadingError):
            await read(account, jobs)
        await before.check(account)


@pytest.mark.parametrize("managed", [True, False])
async def test_a_cancelled_task(*, managed: bool) -> None:
    async def read(account: Account, jobs: list[BulkJob]) -> None:
        stream = account.client.as_completed(jobs)
        if managed:
            async with stream:
                async for _ in stream:
                    pass
        async for _ in stream:
            pass

    async with world() as account:
        jobs, before = await begin(account)
        reader = asyncio.create_task(read(account, jobs))
        await anyio.sleep(50)
        reader.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
        del reader
        await before.check(account)


async def test_a_scope_that_ends_in_the_middle_of_a_look() -> None:
    async with world() as account:
        jobs, before = await begin(account)
        with anyio.move_on_after(50.3):
            async for _ in account.client.as_completed(jobs):
                pass
        await before.check(account)


@pytest.mark.parametrize("between", range(8))
async def test_leaving_cancelled_twice(between: int) -> None:
    async def read(account: Account, jobs: list[BulkJob]) -> None:
        async with account.client.as_completed(jobs) as ended:
            async for _ in ended:
                pass

    async with world() as account:
        jobs, before = await begin(account)
        reader = asyncio.create_task(read(account, jobs))
        await anyio.sleep(50.1)
        reader.cancel()
        for _ in range(between):
            await anyio.lowlevel.checkpoint()
        reader.cancel()
        await asyncio.wait([reader])
        del reader
        await before.check(account)


async def test_wait_all_cancelled() -> None:
    async with world() as account:
        jobs, before = await begin(account)
        with anyio.move_on_after(50.3):
            await account.client.wait_all(jobs)
        await before.check(account)
        assert len(account.going()) == 3


async def test_an_iteration_that_never_began_leaves_nothing() -> None:
    async with world() as account:
        jobs, before = await begin(account)
        async with account.client.as_completed(jobs):
            pass
        await before.check(account)


async def test_after_its_end_an_iteration_begins_nothing() -> None:
    """Caught: waits made before it is asked whether anything is left."""
    async with world() as account:
        jobs, before = await begin(account)
        ended = account.client.as_completed(jobs)
        await ended.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(ended)
        await before.check(account)


async def test_two_readers_of_one_iteration_are_refused() -> None:
    async with world() as account:
        jobs, _ = await begin(account)
        async with account.client.as_completed(jobs) as ended:
            reader = asyncio.create_task(anext(ended))
            await anyio.lowlevel.checkpoint()
            with pytest.raises(anyio.BusyResourceError):
                await anext(ended)
            assert await reader is jobs[0]


async def test_the_handles_stay_usable() -> None:
    async with Account(lasting(20), lasting(200)) as account:
        jobs, _ = await begin(account)
        async for _ in account.client.as_completed(jobs):
            break
        assert (await jobs[3].wait_until_terminal()).status.value == "completed"


async def test_on_a_closed_client_nothing_is_begun() -> None:
    async with Account() as account:
        job = await account.client.submit(search())
        await account.client.aclose()
        sent = len(account.service.requests)
        with pytest.raises(ConfigurationError, match="closed"):
            await account.client.wait_all([job])
        # The second one hung once.
        completions = account.client.as_completed([job])
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="closed"):
                await anext(completions)
        with pytest.raises(ConfigurationError, match="closed"):
            await account.client.run_many(searches(5, 5))
        assert len(account.service.requests) == sent
