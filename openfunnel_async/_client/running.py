"""A job for the length of a block."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

from openfunnel_async._client.background import BackgroundTasks
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._values.search import LookalikeSearch

OnExit = Literal["cancel_on_error", "cancel", "leave"]
Submit = Callable[[LookalikeSearch], Awaitable[BulkJob]]


@asynccontextmanager
async def run_block(
    submit: Submit,
    background: BackgroundTasks,
    search: LookalikeSearch,
    on_exit: OnExit,
) -> AsyncGenerator[BulkJob]:
    """Submit the search for a block; see ``OpenFunnel.running``."""
    job = await submit(search)
    try:
        yield job
    except GeneratorExit:
        # The block was never left: its context manager was dropped.
        raise
    except BaseException:
        # Also a cancellation, KeyboardInterrupt and SystemExit: each is raised again.
        if on_exit != "leave" and not job.is_terminal:
            await background.cancel_for_caller(job)
        raise
    if on_exit == "cancel" and not job.is_terminal:
        error = await background.cancel_for_caller(job)
        if error is not None:
            raise error
