"""Steps that use a handle: look, wait, cancel, read."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Literal

import anyio

from openfunnel_async import (
    BulkJob,
    Company,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobPage,
    JobSnapshot,
    OpenFunnelError,
    PageStream,
    RowStream,
    WaitTimeoutError,
)
from tests.storm.diary import Step
from tests.storm.dice import Dice
from tests.storm.notes import CancelOfTerminal, Held, Reading, ReadingKind, Wait
from tests.storm.stage import Stage

Stream = RowStream | PageStream
OnTimeout = Literal["leave", "cancel"]
_ON_TIMEOUT: tuple[OnTimeout, ...] = ("leave", "leave", "cancel")
HandleStep = Callable[[Stage, Dice, Step, Held], Awaitable[None]]


async def poll(stage: Stage, _dice: Dice, _step: Step, held: Held) -> None:
    """Look once."""
    stage.keep_snapshot(held, await held.job.poll())


async def fetch(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read the first page, and perhaps those that follow it."""
    reading = _reading(stage, step, held, "fetch", follow=False)
    reading.skipped = 0
    page = await held.job.fetch_page()
    reading.rows += page.rows
    while page.next_cursor is not None and dice.chance(0.7):
        page = await held.job.fetch_page(page.next_cursor)
        reading.rows += page.rows
    if page.next_cursor is None:
        reading.end = "normal"


async def wait(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Wait for the end, for as long as it takes or not."""
    timeout = _timeout(dice)
    on_timeout: OnTimeout = dice.choice(_ON_TIMEOUT)
    step.words += f" timeout {timeout} then {on_timeout}"
    told: list[JobSnapshot] = []
    if on_timeout == "leave":
        stage.evidence.waits.append(Wait(step, held, timeout, is_for_status=True))
    snapshot = await held.job.wait_until_terminal(
        timeout=timeout,
        on_timeout=on_timeout,
        on_progress=told.append if dice.chance(0.3) else None,
    )
    stage.keep_snapshot(held, snapshot)
    step.outcome = snapshot.status


async def cancel(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Cancel, perhaps several at once."""
    waits, callers = dice.chance(0.5), dice.choice([1, 1, 2, 3])
    timeout = dice.draw({60.0: 3, None: 2, dice.quarters(12): 1})
    step.words += f" wait {waits} timeout {timeout} by {callers}"

    stage.evidence.waits.append(Wait(step, held, timeout))

    async def ask() -> None:
        time, is_terminal = asyncio.get_running_loop().time, held.job.is_terminal
        began = time()
        stage.keep_receipt(held, await held.job.cancel(wait=waits, timeout=timeout))
        if is_terminal:
            call = CancelOfTerminal(step, held.job.id, began, time())
            stage.evidence.cancels_of_terminal.append(call)

    await _together(stage, step, [ask() for _ in range(callers)])


async def read_rows(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read rows to the end, or leave after some of them."""
    reading = _reading(stage, step, held, "rows", follow=dice.chance(0.8))
    most = dice.draw({10_000: 3, dice.randint(1, 150): 2})
    async with held.job.rows(follow=reading.follow) as stream:
        await _read(reading, stream, most)


async def read_in_pieces(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read rows with pauses, the waits for more broken off now and then."""
    reading = _reading(stage, step, held, "rows", follow=True)
    async with held.job.rows() as stream:
        for _ in range(dice.randint(1, 6)):
            with anyio.move_on_after(dice.quarters(20)):
                await _read(reading, stream, dice.randint(1, 120))
            await anyio.sleep(dice.quarters(6))
        if dice.chance(0.6):
            await _read(reading, stream, 10_000)


async def read_twice(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read several streams of one handle at the same time."""
    readings = [
        _reading(stage, step, held, "rows", follow=True),
        _reading(stage, step, held, "rows", follow=True),
        _reading(stage, step, held, "pages", follow=True),
    ]
    streams: list[Stream] = [held.job.rows(), held.job.rows(), held.job.pages()]
    most = dice.draw({10_000: 2, 20: 1})
    work = [_read(r, s, most) for r, s in zip(readings, streams, strict=True)]
    await _together(stage, step, work)


async def read_pages(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read pages to the end, or leave after one."""
    reading = _reading(stage, step, held, "pages", follow=dice.chance(0.8))
    async with held.job.pages(follow=reading.follow) as stream:
        await _read(reading, stream, dice.choice([1, 100, 100]))


async def resume(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Read some rows, and go on with another handle from where that ended."""
    first = _reading(stage, step, held, "rows", follow=True)
    async with held.job.rows() as stream:
        await _read(first, stream, dice.randint(1, 150))
        checkpoint = stream.checkpoint()
    place = str(checkpoint) if dice.chance(0.5) else checkpoint
    skipped = first.skipped + len(first.rows)
    resumed = stage.client.resume(place)
    again = stage.hold(resumed, skipped=skipped)
    second = _reading(stage, step, again, "rows", follow=True)
    if dice.chance(0.5):
        await _read(second, again.job.rows(), 10_000)
    else:
        second.kind = "pages"
        await _read(second, again.job.pages(), 10_000)


async def take(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Take as many rows as are needed, which ends the job."""
    reading = _reading(stage, step, held, "take", follow=True)
    reading.most, reading.hosted = dice.randint(1, 120), dice.chance(0.5)
    where = _is_hosted if reading.hosted else None
    step.words += f" {reading.most}"
    try:
        got = await held.job.take(reading.most, where=where, timeout=_timeout(dice))
    except JobError as exc:
        reading.rows += exc.rows
        raise
    reading.rows += got.rows
    reading.end = "normal"
    stage.keep_receipt(held, got.receipt)


def _is_hosted(company: Company) -> bool:
    return bool(company.domain)


async def result(stage: Stage, dice: Dice, step: Step, held: Held) -> None:
    """Ask for all rows at once."""
    reading = _reading(stage, step, held, "result", follow=True)
    timeout, partial_ok = _timeout(dice), dice.chance(0.5)
    step.words += f" timeout {timeout} partial_ok {partial_ok}"
    reading.partial_ok = partial_ok
    stage.evidence.waits.append(Wait(step, held, timeout))
    try:
        got = await held.job.result(timeout=timeout, partial_ok=partial_ok)
    except (JobFailedError, JobCancelledError, WaitTimeoutError) as exc:
        reading.rows += exc.rows
        if isinstance(exc, JobFailedError):
            reading.end = "failed"
        elif isinstance(exc, JobCancelledError):
            reading.end = "cancelled"
        raise
    reading.rows += got.rows
    reading.manifest, reading.status = got.manifest, got.status
    reading.end = "normal"
    step.outcome = f"{len(got.rows)} rows, {got.status}"


HANDLE_STEPS: dict[str, tuple[float, HandleStep]] = {
    "poll": (1.5, poll),
    "fetch": (0.7, fetch),
    "wait": (2.5, wait),
    "cancel": (3.0, cancel),
    "rows": (2.0, read_rows),
    "pieces": (1.0, read_in_pieces),
    "streams": (0.7, read_twice),
    "pages": (1.0, read_pages),
    "result": (1.5, result),
    "resume": (1.0, resume),
    "take": (1.0, take),
}

# Whose reads are all of the one handle they were given.
ONE_HANDLE = frozenset(HANDLE_STEPS) - {"resume"}


def _timeout(dice: Dice) -> float | None:
    return dice.draw({None: 3, dice.quarters(60): 3, 0.0: 0.5})


def _reading(
    stage: Stage, step: Step, held: Held, kind: ReadingKind, *, follow: bool
) -> Reading:
    job: BulkJob = held.job
    written = stage.evidence.service.jobs[job.id].rows_written
    reading = Reading(job.id, kind, step, follow, written)
    reading.skipped = held.skipped
    stage.evidence.readings.append(reading)
    return reading


async def _together(
    stage: Stage, step: Step, work: Iterable[Coroutine[Any, Any, None]]
) -> None:
    """Do it all at the same time, and note what goes wrong with each."""

    async def one(part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except OpenFunnelError as exc:
            stage.complain(step, exc)

    async with asyncio.TaskGroup() as group:
        for part in work:
            group.create_task(one(part))


async def _read(reading: Reading, stream: Stream, most: int) -> None:
    """Take up to so many rows or pages, and note how the stream ended."""
    try:
        for _ in range(most):
            found: Company | JobPage = await anext(stream)
            if isinstance(found, Company):
                reading.rows.append(found)
            else:
                reading.rows += found.rows
                reading.page_sizes.append(len(found.rows))
    except StopAsyncIteration:
        reading.end = "normal"
    except JobFailedError:
        reading.end = "failed"
        raise
    finally:
        if isinstance(stream, RowStream):
            reading.stated = stream.delivered
