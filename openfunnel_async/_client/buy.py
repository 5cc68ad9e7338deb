"""``buy()``: one search from start to end, for programs that are not asynchronous.

The asynchronous client runs on an event loop in a thread of its own. The calling thread
waits for it; what ends that wait (Ctrl-C) cancels the job there first.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from functools import partial
from inspect import iscoroutinefunction
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, cast

from openfunnel_async._client.client import OpenFunnel
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._protocol.event_emitter import OnEvent
from openfunnel_async._transport.network import CaFile
from openfunnel_async._transport.wire import Transport
from openfunnel_async._values.checks import check_timeout, check_whole
from openfunnel_async._values.models import Company
from openfunnel_async._values.policies import PollPolicy, RetryPolicy
from openfunnel_async._values.results import BulkResult
from openfunnel_async._values.search import MAX_LIMIT, LookalikeSearch
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import ConfigurationError, WaitTimeoutError

if TYPE_CHECKING:
    from openfunnel_async.book._book import Book

T = TypeVar("T")
Where = Callable[[Company], bool]
# A wait without an end cannot be interrupted on Windows.
_LONGEST_WAIT = 0.5


class ClientOptions(TypedDict, total=False):
    """The arguments of ``OpenFunnel``."""

    api_key: str | None
    base_url: str | None
    request_timeout: float
    retry: RetryPolicy
    polling: PollPolicy
    wait_timeout: float | None
    max_polls_per_second: float | None
    read_ahead: int
    transport: Transport | None
    proxy: str | None
    ca_file: CaFile | None
    headers: Mapping[str, str] | None
    insecure_http: bool
    on_event: OnEvent | None
    book: "Book | None"
    budget: str | None


def buy(
    search: LookalikeSearch,
    *,
    enough: int | None = None,
    where: Where | None = None,
    timeout: float | EllipsisType | None = ...,
    **client_options: Unpack[ClientOptions],
) -> BulkResult:
    """Run one search and return its companies, without ``async``.

    Submits the search, waits for the job and reads its rows. It works in a script, and
    in a notebook or another place where an event loop runs already; it blocks that
    loop, so inside of a coroutine write this instead::

        async with OpenFunnel() as client, client.running(search) as job:
            result = await job.result()     # or: await job.take(enough, where=where)

    That form is also the way to show rows while the job runs and to run many jobs.

    Whatever ends it early cancels the job: an error, the end of the time, an exception
    of ``where``, and Ctrl-C, which waits until the cancel is sent, 30 s at most. A
    second Ctrl-C does not wait; the cancel then continues while the interpreter ends.

    Args:
        search: What to submit. Each company that is delivered bills one credit.
        enough: Stop the job when that many companies match, as ``BulkJob.take()``; by
            default the result has all of them.
        where: Which companies count, a plain function; all by default. It runs in the
            other thread, where an event loop runs: Django refuses its ORM there. The
            others are billed, too, and are not in the result.
        timeout: Total seconds after the submit; ``wait_timeout`` of the client by
            default, None for ever.
        **client_options: The arguments of ``OpenFunnel``. ``where``, ``on_event`` and
            ``transport`` are called in the other thread.

    Returns:
        The rows, and the manifest with the bill. With ``enough`` the status may be
        ``cancelled``.

    Raises:
        ConfigurationError: An argument is invalid; nothing was sent.
        WaitTimeoutError: The time has passed; the rows read are on the error, and the
            message says whether the job was cancelled.
        OpenFunnelError: As ``OpenFunnel.submit()``, ``BulkJob.result()`` and
            ``BulkJob.take()``.
    """
    try:
        _check(enough, where, timeout)
        client = OpenFunnel(**client_options)
    finally:
        # No frame of a traceback keeps the key.
        cast("dict[str, object]", client_options).clear()
    if where is not None and enough is None:
        enough = MAX_LIMIT
    return _LoopThread(partial(_buy, client, search, enough, where, timeout)).run()


buy.__module__ = "openfunnel_async"


def _check(enough: object, where: object, timeout: float | EllipsisType | None) -> None:
    """Refuse invalid arguments before anything is sent."""
    if enough is not None:
        check_whole("enough", enough, 1)
    if where is not None and (not callable(where) or iscoroutinefunction(where)):
        raise ConfigurationError("where must be a plain function of a company")
    check_timeout(timeout)


async def _buy(
    client: OpenFunnel,
    search: LookalikeSearch,
    enough: int | None,
    where: Where | None,
    timeout: float | EllipsisType | None,  # noqa: ASYNC109 -- a total
) -> BulkResult:
    """Submit, read and close; a job that is not terminal at the end is cancelled."""
    job: BulkJob | None = None
    async with client:
        try:
            async with client.running(search) as job:
                return await _read(job, enough, where, timeout)
        except WaitTimeoutError as exc:
            if job is None:
                raise
            raise _timeout_error(job, exc) from None


async def _read(
    job: BulkJob,
    enough: int | None,
    where: Where | None,
    timeout: float | EllipsisType | None,  # noqa: ASYNC109 -- a total
) -> BulkResult:
    if enough is None:
        return await job.result(timeout=timeout)
    taken = await job.take(enough, where=where, timeout=timeout)
    manifest = None if job.snapshot is None else job.snapshot.manifest
    return BulkResult(status=taken.status, rows=taken.rows, manifest=manifest)


def _timeout_error(job: BulkJob, exc: WaitTimeoutError) -> WaitTimeoutError:
    """Say what became of the job, which the wait itself has left running."""
    fate = f"its cancel was not accepted (it is {job.status}), and it may bill"
    if job.is_terminal or job.status is JobStatus.CANCELLING:
        fate = f"it was cancelled and is {job.status} now"
    msg = f"job {job.id} did not deliver in time: {fate}"
    return WaitTimeoutError(msg, job.id, job.snapshot, exc.rows)


class _LoopThread(Generic[T]):
    """Runs a coroutine in a thread of its own, on a new event loop.

    Args:
        make: Makes the coroutine, in the thread.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self._outcome: Future[T] = Future()
        self._has_begun = False
        self._is_stopped = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        # No daemon: the end of the interpreter waits for a cancel under way.
        self._thread = threading.Thread(target=self._run, name="openfunnel_async.buy")

    def run(self) -> T:
        """Return what the coroutine returns, or raise what it raises.

        An exception that ends the wait, such as a KeyboardInterrupt, cancels the
        coroutine and is raised when that has ended.
        """
        try:
            self._thread.start()
            self._wait()
        except BaseException:
            # Ctrl-C above all: the job is cancelled, and the exception raised again.
            self._stop()
            if self._has_begun:
                self._wait()
            raise
        self._thread.join()
        return self._outcome.result()

    def _wait(self) -> None:
        """Wait for the outcome.

        Not by join(): in Python 3.11 an interrupted join() takes the thread for ended,
        and the interpreter does not wait for it any more.
        """
        while not self._outcome.done():
            wait([self._outcome], _LONGEST_WAIT)

    def _stop(self) -> None:
        """Cancel the coroutine, also one that begins at the same moment."""
        self._is_stopped = True
        if self._running is not None:
            loop, task = self._running
            # The loop is closed when the coroutine has ended.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        self._has_begun = True
        try:
            with asyncio.Runner() as runner:
                result = runner.run(self._main())
        except BaseException as exc:  # noqa: BLE001 -- raised in the calling thread
            self._outcome.set_exception(exc)
        else:
            self._outcome.set_result(result)

    async def _main(self) -> T:
        task = asyncio.current_task()
        if task is not None:
            self._running = asyncio.get_running_loop(), task
        if self._is_stopped:
            raise asyncio.CancelledError
        return await self._make()
