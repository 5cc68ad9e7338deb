"""``OpenFunnel``: the client that holds the key, the connections and the policies."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, Unpack

from openfunnel_async._client.background import BackgroundTasks
from openfunnel_async._client.book_access import BookAccess
from openfunnel_async._client.book_jobs import BookJobs, make_fingerprint
from openfunnel_async._client.completions import Completions, distinct, wait_all
from openfunnel_async._client.credit_cap import (
    CreditCap,
    check_covered,
    check_searches,
    worst_case,
)
from openfunnel_async._client.extra_headers import hide_headers, read_headers
from openfunnel_async._client.handles import Handles
from openfunnel_async._client.options import HandleOptions, HandleSettings
from openfunnel_async._client.running import OnExit, run_block
from openfunnel_async._client.settings import (
    read_address,
    read_key,
)
from openfunnel_async._client.submit import Submitter
from openfunnel_async._client.transports import open_transport
from openfunnel_async._job.event_loop import LoopGuard
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._job.poll_limiter import poll_limiter
from openfunnel_async._job.resources import KnownJobs, ReadAheadPlaces, Resources
from openfunnel_async._job.shielded import wait_shielded
from openfunnel_async._job.starts import RequestStarts
from openfunnel_async._protocol.endpoints import Endpoints
from openfunnel_async._protocol.event_emitter import (
    EventEmitter,
    OnEvent,
    check_on_event,
)
from openfunnel_async._protocol.retry_loop import Caller
from openfunnel_async._transport.hidden_text import hide_text
from openfunnel_async._transport.network import CaFile
from openfunnel_async._transport.wire import Transport
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.checks import (
    check_job_id,
    check_kind,
    check_seconds,
    check_timeout,
    check_whole,
)
from openfunnel_async._values.models import CreditBalance, JobSnapshot
from openfunnel_async._values.policies import PollPolicy, RetryPolicy
from openfunnel_async._values.search import MAX_LIMIT, LookalikeSearch
from openfunnel_async.errors import ConfigurationError, OpenFunnelError

if TYPE_CHECKING:
    from openfunnel_async._client.run_many import JobOutcome
    from openfunnel_async.book._batch import Batch
    from openfunnel_async.book._book import Book
    from openfunnel_async.book._steps import BookSteps


class OpenFunnel:
    """A client for bulk lookalike jobs; one serves a whole program.

    An async context manager; without it, call ``aclose()``. Leaving it leaves jobs
    running: cancel what should stop.

    A client belongs to the event loop it was first used on. Its use on another loop or
    thread, in a forked process or after that loop was closed is a
    ``ConfigurationError``, before anything is sent.

    Args:
        api_key: The key; ``OPENFUNNEL_API_KEY`` by default. A ``.env`` file is not
            read: docs/reference/client.md, "The key in a .env file".
        base_url: ``https://HOST[:PORT][/PATH]``, or http to a loopback address;
            ``OPENFUNNEL_BASE_URL`` or the service by default. The path is put before
            that of each request.
        request_timeout: Seconds for one exchange, connecting included.
        retry: What is repeated, and for how long.
        polling: How waits are paced.
        wait_timeout: Total seconds of a wait by default; None for ever.
        max_polls_per_second: One limit for the polls of all handles; the job that was
            not polled for longest and is nearest its finish comes first.
        read_ahead: Most pages of finished jobs to read ahead at a time, 1-64, for all
            streams together; each stream may read its own next page besides.
        transport: Another way to carry requests; closed with the client.
        proxy: ``http://`` or ``https://[USER:PASSWORD@]HOST[:PORT]``;
            ``OPENFUNNEL_PROXY`` by default. All requests go through it, those to an
            https address by CONNECT.
        ca_file: A PEM file with private CAs, which are trusted besides those of the
            system; ``OPENFUNNEL_CA_FILE`` by default.
        headers: Headers that each request gets besides the client's own.
        insecure_http: Whether ``base_url`` may be http to any host, which sends the
            key in clear text; also ``OPENFUNNEL_INSECURE_HTTP=1``.
        on_event: Called with each ``Event``, on the event loop, so it must not block.
            What it raises is logged once and ignored.
        book: Where ``batch()`` and ``submit(once=)`` write; closed with the client.
        budget: A budget of the Book (``Book.set_budget()``), under which every submit
            of this client is reserved, also those of ``run_many()`` and ``running()``.

    Raises:
        ConfigurationError: An argument is invalid, or ``proxy`` or ``ca_file`` was
            passed with a ``transport``, which has its own. Nothing was sent.
    """

    __module__ = "openfunnel_async"

    # A traceback with locals shows a client that was refused half-way.
    _address = "without an address"

    def __init__(  # noqa: PLR0913 -- all but the key by name, each with a default
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        request_timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
        polling: PollPolicy = PollPolicy(),  # noqa: B008 -- frozen
        wait_timeout: float | None = 3600.0,
        max_polls_per_second: float | None = None,
        read_ahead: int = 8,
        transport: Transport | None = None,
        proxy: str | None = None,
        ca_file: CaFile | None = None,
        headers: Mapping[str, str] | None = None,
        insecure_http: bool = False,
        on_event: OnEvent | None = None,
        book: "Book | None" = None,
        budget: str | None = None,
    ) -> None:
        api_key, proxy = hide_text(api_key), hide_text(proxy)
        headers = hide_headers(headers)
        key = read_key(api_key)
        address = read_address(base_url, key, insecure_http=insecure_http)
        self._address = str(address)
        extra = read_headers(headers)
        retry = check_kind("retry", retry, RetryPolicy)
        seconds = check_seconds("request_timeout", request_timeout, above_zero=True)
        limiter = poll_limiter(max_polls_per_second)
        settings = HandleSettings.checked(
            polling=polling,
            wait_timeout=wait_timeout,
            read_ahead=read_ahead,
            emitter=EventEmitter(
                check_on_event(on_event),
                on_settled=None if book is None else self._note_settled,
            ),
        )
        self._book = BookAccess(book, budget)
        self._fingerprint = make_fingerprint(key)
        self._transport = open_transport(transport, proxy, ca_file)
        self._background = BackgroundTasks()
        self._resources = Resources(
            caller=Caller(self._transport, key, retry, seconds, settings.emitter),
            endpoints=Endpoints(address.origin, address.prefix, extra),
            retry=retry,
            poll_limiter=limiter,
            start_idle_task=self._background.start_idle_task,
            known_jobs=KnownJobs(),
            places=ReadAheadPlaces(settings.read_ahead),
            starts=RequestStarts(),
            loop_guard=LoopGuard(),
            cancel_in_background=self._background.cancel_in_background,
        )
        self._use(settings)
        self._owns_connections = True
        self._closing: asyncio.Task[None] | None = None

    def _use(self, settings: HandleSettings) -> None:
        """Make handles with these settings from now on."""
        self._settings = settings
        self._handles = Handles(
            self._resources,
            settings.polling,
            wait_timeout=settings.wait_timeout,
            read_ahead=settings.read_ahead,
        )
        self._submitter = Submitter(self._resources, self._background, self._handles)
        self._book_jobs = BookJobs(
            self._resources,
            self._background,
            self._handles,
            self._submitter,
            fingerprint=self._fingerprint,
            budget=self._book.budget,
        )

    def __repr__(self) -> str:
        return f"<OpenFunnel {self._address}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an OpenFunnel client is not pickled or copied; make one where it is used"
        )

    def with_options(self, **options: Unpack[HandleOptions]) -> Self:
        """Return a client with other options that shares everything else, without I/O.

        Both use the same key, connections and limits: ``max_polls_per_second``, the
        retries, the delay after a 429. They have the same ``orphans``. To close the new
        one closes nothing; to close the first one closes both.

        Args:
            **options: ``polling``, ``wait_timeout``, ``read_ahead`` and ``on_event`` as
                for the client; those that are not given stay as they are. A new
                ``read_ahead`` is a number of pages of its own. ``label`` is a text that
                the events of the new client carry.

        Raises:
            ConfigurationError: An option is invalid, or belongs to what is shared, such
                as ``api_key`` or ``retry``.
        """
        has_own_places = "read_ahead" in options
        settings = self._settings.changed(options)
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        resources = self._resources._replace(
            caller=self._resources.caller.with_emitter(settings.emitter)
        )
        if has_own_places:
            places = ReadAheadPlaces(settings.read_ahead)
            resources = resources._replace(places=places)
        other._resources = resources  # noqa: SLF001 -- of the same class
        other._owns_connections = False  # noqa: SLF001 -- of the same class
        other._use(settings)  # noqa: SLF001 -- of the same class
        return other

    @property
    def orphans(self) -> tuple[str, ...]:
        """Ids of jobs whose submitting task was cancelled and which are not cancelled.

        They may be billing. Attach with ``job()`` and cancel them.
        """
        return self._background.orphans

    async def submit(
        self, search: LookalikeSearch, *, once: str | None = None
    ) -> BulkJob:
        """Start a job. It bills one credit for each company it delivers.

        Sent at most once over a fresh connection, and again only if nothing was
        sent before, or after a 429.

        Args:
            search: What to submit.
            once: A key of your own, such as the id of an order. The first call with it
                submits; later ones, also those of other processes, return a handle of
                the same job, or raise the ``SubmitOutcomeUnknownError`` again. It needs
                a ``book``.

        Raises:
            ConfigurationError: The search or ``once`` is invalid, or the key belongs to
                another search; nothing was sent.
            SubmitOutcomeUnknownError: It was sent and a job may be running.
            BookError: The Book cannot be written; nothing was sent.
            InsufficientCreditsError: Too few credits; no job was made.
            RequestRejectedError: The service refused the search; no job was made.
            AuthenticationError: The key was not accepted; no job was made.
            RateLimitedError: Too many requests; no job was made.
            TransportError: Nothing was sent; no job was made.
            APIError: The service answered with another refusal; no job was made.

        Cancellation: a submit that was sent is read to its end within 5 s and the
        job it made is cancelled, before the cancellation goes through; an id that
        could not be cancelled is in ``orphans``. With ``once`` the job continues, and
        its id is in the Book.
        """
        self._resources.loop_guard.check()
        if not isinstance(search, LookalikeSearch):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
            raise ConfigurationError("submit() takes a LookalikeSearch")
        if once is not None:
            return await self._book.submit_once(self._book_jobs, search, once)
        return await self._submit(search)

    async def _submit(
        self,
        search: LookalikeSearch,
        *,
        patience: float | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> BulkJob:
        """Start a job, under the budget of the client if it has one."""
        if self._book.budget is None:
            submit = self._submitter.submit
            return await submit(search, patience=patience, is_wanted=is_wanted)
        return await self._book.submit_budgeted(
            self._book_jobs, search, self._background.cancel_for_caller
        )

    def job(self, job_id: str, *, limit: int | None = None) -> BulkJob:
        """Attach to a job by its id, without I/O.

        Args:
            job_id: What ``BulkJob.id`` was.
            limit: The job's limit, where known: it makes the pace better and lets
                a receipt state what a cancel avoided.

        Raises:
            ConfigurationError: The id or the limit is invalid.
        """
        if limit is not None:
            limit = check_whole("limit", limit, 1, MAX_LIMIT)
        known = self._background.find_orphan(check_job_id(job_id))
        start = JobCheckpoint(job_id=job_id, limit=limit)
        return known if known is not None else self._handles.attached(start)

    def resume(self, checkpoint: JobCheckpoint | str) -> BulkJob:
        """Attach to a job at a place in its rows, without I/O.

        Its streams, ``result()`` and ``take()`` continue with the very next row.

        Args:
            checkpoint: What ``checkpoint()`` of a job or a stream returned, or its
                ``str()``.

        Raises:
            ConfigurationError: Not a checkpoint, or one of a newer version.
        """
        if not isinstance(checkpoint, JobCheckpoint):
            checkpoint = JobCheckpoint.parse(checkpoint)
        return self._handles.attached(checkpoint)

    def running(
        self, search: LookalikeSearch, *, on_exit: OnExit = "cancel_on_error"
    ) -> AbstractAsyncContextManager[BulkJob]:
        """Submit at the start of a block, and cancel at its end if that is wanted.

        Args:
            search: What to submit.
            on_exit: ``"cancel_on_error"`` cancels the job if the block raises or is
                cancelled, ``"cancel"`` always, ``"leave"`` never.

        Raises:
            ConfigurationError: ``on_exit`` is none of the three; nothing was sent.
            OpenFunnelError: As ``submit()``; on a way out without an error also
                what kept the job from being cancelled.

        Cancellation: the job is cancelled on the way out, shielded, within 10 s; an
        id that could not be cancelled is in ``orphans``.
        """
        if on_exit not in ("cancel_on_error", "cancel", "leave"):
            msg = "on_exit must be 'cancel_on_error', 'cancel' or 'leave'"
            raise ConfigurationError(msg)
        return run_block(self.submit, self._background, search, on_exit)

    async def credit_balance(self) -> CreditBalance:
        """Read the account's credits, which is free.

        Raises:
            AuthenticationError: The key was not accepted.
            TransportError: No answer after the policy's attempts.
            APIError: The service answered with another error.
            InvalidResponseError: An answer that cannot be trusted, twice.

        Cancellation: leaves nothing behind.
        """
        self._resources.loop_guard.check()
        return await self._resources.caller.call(self._resources.endpoints.balance())

    def as_completed(
        self,
        jobs: Iterable[BulkJob],
        *,
        timeout: float | EllipsisType | None = ...,
    ) -> Completions:
        """Yield every handle once, in the order in which they end.

        A handle whose job could not be read is yielded as well. At the end of the time
        the handles that are left are yielded. In both cases ``job.error`` says why.

        Args:
            jobs: Handles; one given twice comes out once.
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.

        Raises:
            ConfigurationError: Something among the jobs is not a handle.

        Cancellation: leaving early, also by a ``break``, ends the waits that are
        left; the jobs continue.
        """
        seconds = check_timeout(timeout, self._handles.wait_timeout)
        return self._completions(jobs, seconds)

    async def wait_all(
        self,
        jobs: Iterable[BulkJob],
        *,
        timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
    ) -> dict[str, JobSnapshot | OpenFunnelError]:
        """Wait for all handles and say of each id how it stands.

        Args:
            jobs: Handles.
            timeout: Total seconds; the client's ``wait_timeout`` by default, None
                for ever.

        Returns:
            For each id the terminal answer, or the error that ended its wait, which is
            a ``WaitTimeoutError`` for those still going.

        Raises:
            ConfigurationError: Something among the jobs is not a handle.

        Cancellation: the jobs continue and no task is left.
        """
        self._resources.loop_guard.check()
        seconds = check_timeout(timeout, self._handles.wait_timeout)
        return await wait_all(self._completions(jobs, seconds))

    def _completions(
        self, jobs: Iterable[BulkJob], seconds: float | None
    ) -> Completions:
        return Completions(
            distinct(jobs),
            seconds,
            self._background.start_idle_task,
            self._resources.loop_guard,
        )

    async def run_many(  # noqa: PLR0913 -- all by name, each with a default
        self,
        searches: Iterable[LookalikeSearch],
        *,
        max_active: int = 8,
        max_credits: float | None = None,
        on_error: Literal["collect", "cancel_rest"] = "collect",
        check_balance: bool = False,
        job_timeout: float | None = None,
    ) -> "list[JobOutcome]":
        """Run many searches, a few jobs at a time, and collect their rows.

        The cap is a reservation: a job is submitted only if what was billed, what
        the running ones may still bill up to their limits, and its own limit fit
        under it. A search waits while running jobs may give room back.

        All rows are in memory, and the list is forgotten when the process ends. For
        long lists use ``batch()``, whose rows and submits are in a Book.

        Args:
            searches: The searches; under a cap each needs a ``limit``.
            max_active: Most jobs that may be running at a time, at least 1. A job
                that could not be read or cancelled counts until its cancel is
                accepted.
            max_credits: Most credits to spend in all; None for no cap.
            on_error: ``"collect"`` continues, ``"cancel_rest"`` cancels the others
                and submits no more once something fails.
            check_balance: Whether to check the worst case against the account's
                credits before anything is sent.
            job_timeout: Most seconds for one job, after which it is cancelled and its
                outcome is a ``WaitTimeoutError`` with the rows; None for no limit. The
                client's ``wait_timeout`` does not count here.

        Returns:
            The outcomes, in the order of the searches. A search that no longer fits
            has a ``CreditCapError``, and nothing was sent for it.

        Raises:
            ConfigurationError: An argument is invalid; nothing was sent.
            CreditCapError: The balance does not cover the worst case; nothing was sent.
            OpenFunnelError: As ``credit_balance()``, with ``check_balance``.

        Cancellation: its jobs are cancelled, shielded, within 10 s; what could not
        be cancelled is in ``orphans``.
        """
        from openfunnel_async._client.run_many import ManySearches  # noqa: PLC0415 -- many programs run no batch

        self._resources.loop_guard.check()
        wanted = check_searches(searches, max_credits)
        max_active = check_whole("max_active", max_active, 1)
        if on_error not in ("collect", "cancel_rest"):
            raise ConfigurationError("on_error must be 'collect' or 'cancel_rest'")
        if check_balance:
            worst = worst_case(wanted, max_credits)
            check_covered(worst, (await self.credit_balance()).credits_left)
        patience = self._resources.retry.outage
        run = ManySearches(
            partial(self._submit, patience=patience),
            self._handles.submitted,
            self._background,
            CreditCap(max_credits),
            max_active=max_active,
            cancel_rest=on_error == "cancel_rest",
            job_timeout=check_timeout(job_timeout),
            patience=patience,
        )
        return await run.run(wanted)

    async def batch(  # noqa: PLR0913 -- all but two by name, each with a default
        self,
        name: str,
        searches: Iterable[LookalikeSearch] | None = None,
        *,
        max_credits: float | None = None,
        distinct: int | None = None,
        reuse_days: float | None = None,
        labels: Iterable[str | None] | None = None,
    ) -> "Batch":
        """Plan a batch in the Book, or find it there; nothing is sent.

        The same name with the same searches, in any order, is the same batch. Searches
        that ``Batch.extend()`` has added may be missing in the list.

        Args:
            name: Its name in the Book, at most 200 characters.
            searches: Its searches; None for a batch that is in the Book.
            max_credits: Most credits to spend in all, also over several runs. Each
                search then needs a ``limit``. None leaves the cap of a batch that is in
                the Book as it is; another number replaces it.
            distinct: Stop at this many companies that the Book did not know, over all
                searches: nothing more is submitted, and running jobs are cancelled and
                read to their end. A cancel lags, so a few more are billed.
            reuse_days: A search that is identical to one that was settled in so few
                days is answered from the Book, for 0 credits.
            labels: A name of your own for each search, which its entry shows.

        Raises:
            ConfigurationError: There is no Book, an argument is invalid, or the Book
                has other searches under this name. Nothing was changed.
            OtherAccountError: The Book belongs to another API key.
            BookError: The Book cannot be read or written.

        Cancellation: the batch may be planned or not; calling again is safe.
        """
        return await self._book.open_batch(
            self._book_jobs,
            name,
            searches,
            max_credits=max_credits,
            distinct=distinct,
            reuse_days=reuse_days,
            labels=labels,
        )

    def book_steps(self, book: "Book | None" = None) -> "BookSteps":
        """Return the two steps of a search, for an engine that dispatches them.

        Args:
            book: The Book; None for that of this client.

        Raises:
            ConfigurationError: There is no Book.
        """
        return self._book.make_steps(self._book_jobs, book)

    def _note_settled(self, job_id: str, facts: Mapping[str, Any]) -> None:
        self._book.note_settled(job_id, facts, self._background.start_background_task)

    async def aclose(self) -> None:
        """Close the connections and the Book; jobs continue.

        Calling again does nothing.

        Waits for 20 s at most for submits and cancels whose callers were cancelled. On
        a client that ``with_options()`` returned it does nothing.

        Cancellation: the closing is finished first.
        """
        if not self._owns_connections:
            return
        if self._closing is not None and self._closing.done():
            self._closing.result()
            return
        self._resources.loop_guard.check_if_used()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        try:
            await wait_shielded([self._closing])
        except asyncio.CancelledError:
            await wait_shielded([self._closing])
            raise
        self._closing.result()

    async def _close(self) -> None:
        await self._background.aclose()
        self._resources.caller.close()
        try:
            await self._transport.aclose()
        finally:
            await self._book.aclose()

    async def __aenter__(self) -> Self:
        self._resources.loop_guard.check()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()
