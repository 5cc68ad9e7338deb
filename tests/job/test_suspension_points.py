"""A cancellation at every suspension point of every operation, in virtual time.

Each test makes up to three hundred trials, all of a few milliseconds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from openfunnel_async.sandbox import BodyFault, LostAnswer, StatusFault
from tests.support.operations import (
    cancel,
    cancel_and_wait,
    cancel_soon,
    close,
    collect,
    collect_soon,
    fetch_page,
    look_at_the_balance,
    poll,
    read_finished_rows,
    read_rows,
    run_many,
    somehow,
    submit,
    submit_for_a_block,
    take,
    take_soon,
    wait,
    wait_a_little,
    wait_all,
    wait_and_cancel,
    wait_for_bad_news,
    wait_for_news,
    wait_for_one_after_the_other,
)
from tests.support.steps import STEPPED
from tests.support.struck import (
    SEARCH,
    WAYS,
    Operation,
    VirtualTrial,
    Way,
    assert_it_came_out,
    every_trial,
    in_virtual_time,
)
from tests.support.virtual_time import AnyioBackend

pytestmark = pytest.mark.anyio

TRIED = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return STEPPED


def trials(
    operation: Operation,
    way: Way,
    prepare: Callable[[VirtualTrial], object] = lambda _: None,
) -> AsyncIterator[VirtualTrial]:
    return every_trial(operation, way, prepare, in_virtual_time)


async def assert_nothing_is_left(trial: VirtualTrial, way: Way) -> None:
    if way.startswith("twice"):
        # The second one hits the clean-up, which has cancelled the rest by then.
        for _ in range(3):
            await asyncio.sleep(0)
    else:
        assert trial.behind == 0
    assert trial.left == (0, 0)


@TRIED
@pytest.mark.parametrize(
    "operation",
    [poll, fetch_page, look_at_the_balance, wait, wait_for_news, cancel,
     cancel_and_wait, collect, wait_all, wait_for_one_after_the_other],
)  # fmt: skip
async def test_what_a_handle_does(operation: Operation, way: Way) -> None:
    """Caught: the last who leaves a shared wait not waiting for its end."""
    async for trial in trials(operation, way):
        assert_it_came_out(trial, way)
        await assert_nothing_is_left(trial, way)
        # The handle is as good as ever.
        await trial.job.poll()
        assert (await trial.job.wait_until_terminal()).is_terminal
        await assert_nothing_is_left(trial, way)


@TRIED
@pytest.mark.parametrize("operation", [wait_and_cancel, take])
async def test_what_cancels_on_leaving_finishes_its_cancel(
    operation: Operation, way: Way
) -> None:
    """Caught: the background cancel dropped with the caller's task."""
    async for trial in trials(operation, way):
        assert_it_came_out(trial, way)
        await trial.job.poll()
        assert (await trial.job.wait_until_terminal()).is_terminal
        await trial.client.aclose()
        assert trial.left == (0, 0)
        assert trial.client.orphans == ()


def busy(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(status=503, times=2))


def busy_for_long(trial: VirtualTrial) -> None:
    """Ask for more patience than there is."""
    trial.service.faults.append(StatusFault(status=429, retry_after=30, times=99))


def unbelieved(trial: VirtualTrial) -> None:
    trial.service.faults.append(BodyFault(body=b"[]", times=99))


@TRIED
@pytest.mark.parametrize("prepare", [busy, busy_for_long, unbelieved])
@pytest.mark.parametrize(
    "operation",
    [poll, wait_for_bad_news, wait_a_little, cancel_soon, take_soon, collect_soon],
)
async def test_what_fails_anyway(
    operation: Operation, way: Way, prepare: Callable[[VirtualTrial], None]
) -> None:
    """Caught: a cancellation lost that came while an error was on its way."""
    async for trial in trials(somehow(operation), way, prepare):
        assert_it_came_out(trial, way)
        if operation is take_soon or operation is cancel_soon:
            # Their cancel continues in the background until the client is closed.
            await trial.client.aclose()
            assert trial.left == (0, 0)
        else:
            await assert_nothing_is_left(trial, way)


@TRIED
@pytest.mark.parametrize("operation", [read_rows, read_finished_rows])
async def test_a_stream_goes_on_with_the_very_next_row(
    operation: Operation, way: Way
) -> None:
    """Caught: a page taken off the way before it was awaited; `used` set too soon."""
    async for trial in trials(operation, way):
        assert_it_came_out(trial, way)
        await read_rows(trial)
        assert trial.names == trial.truth
        await trial.stream.aclose()
        assert trial.left == (0, 0)


def nothing(_: VirtualTrial) -> None:
    pass


def lost(trial: VirtualTrial) -> None:
    trial.service.faults.append(LostAnswer(on="submit"))


def late(trial: VirtualTrial) -> None:
    """Let the request arrive after six seconds, and its answer after as many."""
    trial.transport.latency = lambda: 12.0


def failing(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(on="submit", processed=True))


def refused(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(on="submit", status=422))


def limited(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(on="submit", status=429, retry_after=1))


def not_cancellable(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(on="cancel", times=99))


def not_visible(trial: VirtualTrial) -> None:
    trial.service.faults.append(StatusFault(on="cancel", status=404, times=2))


PREPARED = pytest.mark.parametrize(
    "prepare",
    [nothing, lost, late, failing, refused, limited, not_cancellable, not_visible],
)


@TRIED
@PREPARED
@pytest.mark.parametrize("operation", [submit, submit_for_a_block])
async def test_a_submit_leaves_no_job_that_nobody_knows_of(
    operation: Operation, way: Way, prepare: Callable[[VirtualTrial], None]
) -> None:
    """Caught: no rescue; a rescue in the caller's own task; an orphan forgotten."""
    async for trial in trials(somehow(operation), way, prepare):
        assert_it_came_out(trial, way)
        await trial.client.aclose()
        assert trial.unaccounted == []
        assert trial.left == (0, 0)
        assert len(trial.service.jobs) <= 2


@PREPARED
@pytest.mark.parametrize("way", ["once", "scope", "wait_for"])
async def test_a_submit_is_seen_to_before_its_cancellation_goes_through(
    way: Way, prepare: Callable[[VirtualTrial], None]
) -> None:
    """Caught: the rescue left to itself, in the background."""
    async for trial in trials(somehow(submit), way, prepare):
        # A cancel that takes too long continues in the background, as an orphan.
        assert trial.left == (0, 0) or trial.client.orphans
        assert trial.unaccounted == []


@TRIED
@pytest.mark.parametrize("prepare", [nothing, lost, not_cancellable])
async def test_a_batch_leaves_no_job_that_nobody_knows_of(
    way: Way, prepare: Callable[[VirtualTrial], None]
) -> None:
    """Caught: a batch that lets its jobs run on."""
    async for trial in trials(run_many, way, prepare):
        assert_it_came_out(trial, way)
        await trial.client.aclose()
        assert trial.unaccounted == []
        assert trial.left == (0, 0)
        assert len(trial.service.jobs) <= 4


@TRIED
async def test_another_submit_is_made_after_it(way: Way) -> None:
    async for trial in trials(submit, way):
        job = await trial.client.submit(SEARCH)
        assert job.id in trial.service.jobs
        assert (await job.cancel()).accepted


@TRIED
async def test_a_closing_is_finished_first(way: Way) -> None:
    """Caught: `aclose` without its shield."""
    async for trial in trials(close, way):
        assert_it_came_out(trial, way)
        await trial.client.aclose()
        assert (trial.left, trial.transport.closed) == ((0, 0), 1)
