"""``run_worker()``: one process that submits and follows, with others beside it."""

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from openfunnel_async import Book, OpenFunnel
from openfunnel_async.book._postgres.deferring import NAMESPACE
from openfunnel_async.errors import BookError, ConfigurationError
from openfunnel_async.workers._balance import Balance
from openfunnel_async.workers._engine import EngineConnector, make_app, set_up_tables
from openfunnel_async.workers._runner import StepRunner, serve_in_background
from openfunnel_async.workers._tasks import QUEUES, SLICE, fill_blueprint

_logger = logging.getLogger("openfunnel_async")
_SWEEP_EVERY = 5.0
_POLL_EVERY = 1.0
# A submit under way is finished, and every statement has its time.
_FINISH_WITHIN = 10.0
_DRAIN_WITHIN = 20.0
_GIVE_UP_WITHIN = 5.0
_RESTART_AFTER = 1.0


async def run_worker(
    book: Book,
    client: OpenFunnel,
    *,
    concurrency: int = 1000,
    slice_seconds: float = SLICE,
    stop: asyncio.Event | None = None,
) -> None:
    """Submit and follow the searches of a Book until the process is to end.

    Any number of processes and machines do this with the same database. Each submits
    one search at a time, and follows its fair share of the jobs. One that was killed
    leaves its share to the others, within the time of a lease (a minute).

    It returns after SIGTERM, or when ``stop`` is set: a submit under way is finished,
    the other workers follow the jobs, which continue also if there are none.

    Args:
        book: A Book on PostgreSQL. Procrastinate's tables are made in its database if
            they are missing.
        client: Submits and follows; it should have the same Book.
        concurrency: The most jobs that this process follows at a time.
        slice_seconds: How long one task follows a job, at least 1. After it the job may
            go to another worker.
        stop: Ends the worker when it is set; then SIGTERM is not handled here.

    Raises:
        ConfigurationError: The Book is not on PostgreSQL, or an argument is invalid.
        BookError: The database was away for too long, or is not fit for it. A
            supervisor should start the process again.

    Cancellation: as after SIGTERM, within about 20 seconds.
    """
    if concurrency < 1 or not slice_seconds >= 1:
        raise ConfigurationError("concurrency and slice_seconds must be at least 1")
    runner = StepRunner(client.book_steps(book), slice_seconds)
    conninfo = runner.steps.conninfo
    await set_up_tables(conninfo)
    connector = EngineConnector(conninfo)
    async with _stopping(stop) as stopped, serve_in_background(runner.steps) as serving:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        balance = Balance(connector, runner, name, concurrency)
        gates = {QUEUES[0]: runner.may_submit, QUEUES[1]: balance.may_take}
        app = make_app(connector, gates)

        async def find_runner() -> StepRunner:
            return runner

        tasks = fill_blueprint(find_runner, sweeps=False)
        app.add_tasks_from(tasks, namespace=NAMESPACE)
        await _open(app)
        try:
            worker = _Worker(app, connector, runner, balance, name)
            await worker.run(concurrency, stopped, serving)
        finally:
            with anyio.CancelScope(shield=True):
                await _close(app, connector)


async def _open(app: App) -> None:
    """Open the connections of the engine.

    Raises:
        BookError: The database cannot be reached any more.
    """
    try:
        await app.open_async()
    except (ConnectorException, PoolTimeout) as exc:
        raise BookError(f"the database of the worker failed: {exc}") from exc


@asynccontextmanager
async def _stopping(stop: asyncio.Event | None) -> AsyncGenerator[asyncio.Event]:
    """Yield what is set when the worker is to end: by the caller, or by SIGTERM."""
    if stop is not None or threading.current_thread() is not threading.main_thread():
        yield stop or asyncio.Event()
        return
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    # Windows has no such handlers.
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    try:
        yield stop
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)


class _Worker:
    """The tasks of one worker."""

    def __init__(
        self,
        app: App,
        connector: EngineConnector,
        runner: StepRunner,
        balance: Balance,
        name: str,
    ) -> None:
        self._app = app
        self._connector = connector
        self._runner = runner
        self._balance = balance
        self._name = name
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._engines: list[asyncio.Task[None]] = []

    async def run(
        self, concurrency: int, stopped: asyncio.Event, serving: "asyncio.Task[None]"
    ) -> None:
        """Work until somebody stops it, or until something of it fails.

        Raises:
            BookError: The database was away for too long.
        """
        await self._balance.refresh()
        self._loops = [_start(self._balance_for_ever()), _start(self._sweep_for_ever())]
        self._engines = [
            _start(self._keep_engine(QUEUES[0], 1)),
            _start(self._keep_engine(QUEUES[1], concurrency)),
        ]
        stop = _start(_wait_for(stopped))
        watched = {stop, serving, *self._loops, *self._engines}
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            failed = [task for task in watched if task.done() and _failed(task)]
            with anyio.CancelScope(shield=True):
                await self._drain(is_away=bool(failed))
        for task in failed:
            _raise(task)

    async def _keep_engine(self, queue: str, concurrency: int) -> None:
        """Run the engine on a queue; again if it ends by itself."""
        while not self._stopping.is_set():
            try:
                await self._app.run_worker_async(
                    queues=[queue],
                    name=self._name,
                    concurrency=concurrency,
                    fetch_job_polling_interval=_POLL_EVERY,
                    shutdown_graceful_timeout=_FINISH_WITHIN,
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
            except ConnectorException as exc:
                if self._stopping.is_set():
                    return
                _logger.warning("the engine of %s is restarted: %r", queue, exc)
            await asyncio.sleep(_RESTART_AFTER)

    async def _balance_for_ever(self) -> None:
        while True:
            await self._balance.wait()
            await self._balance.refresh()

    async def _sweep_for_ever(self) -> None:
        """Sweep now and then; how long the database may be away, others decide."""
        while True:
            try:
                await self._runner.sweep(self._app.job_manager)
            except (BookError, ConnectorException) as exc:
                _logger.warning("a sweep failed, and is repeated: %s", exc)
            await asyncio.sleep(_SWEEP_EVERY * random.uniform(0.7, 1.3))

    async def _drain(self, *, is_away: bool) -> None:
        """End the slices, then the engine; with a database that is away, at once."""
        self._stopping.set()
        if is_away:
            self._connector.give_up()
        for task in self._loops:
            task.cancel()
        self._runner.stop()
        for task in self._engines:
            task.cancel()
        left = {*self._loops, *self._engines}
        if await _wait(left, _GIVE_UP_WITHIN if is_away else _DRAIN_WITHIN):
            self._connector.give_up()
            for task in left:
                task.cancel()
            await _wait(left, _GIVE_UP_WITHIN)
        with contextlib.suppress(TimeoutError, ConnectorException):
            async with asyncio.timeout(_GIVE_UP_WITHIN):
                await self._balance.leave()


def _start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.create_task(work)


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def _wait(tasks: "set[asyncio.Task[None]]", seconds: float) -> bool:
    """Wait for tasks; return whether some of them are not done in time."""
    _, left = await asyncio.wait(tasks, timeout=seconds)
    return bool(left)


def _failed(task: "asyncio.Task[None]") -> bool:
    return not task.cancelled() and task.exception() is not None


def _raise(task: "asyncio.Task[None]") -> None:
    """Raise the error of a task, as one of the Book.

    Raises:
        BookError: The database does not work.
    """
    try:
        task.result()
    except ConnectorException as exc:
        cause = exc.__cause__ or exc
        raise BookError(f"the database of the worker failed: {cause}") from exc


async def _close(app: App, connector: EngineConnector) -> None:
    """Close the connections; those that do not answer are severed."""
    closing = _start(app.close_async())
    if await _wait({closing}, _GIVE_UP_WITHIN):
        connector.give_up()
        await _wait({closing}, _GIVE_UP_WITHIN)
