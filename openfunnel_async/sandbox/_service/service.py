"""The whole service in memory, without a socket."""

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.accounts import Account, Accounts, derive_key
from openfunnel_async.sandbox._service.clock import Clock
from openfunnel_async.sandbox._service.companies import RowShape
from openfunnel_async.sandbox._service.evidence import (
    JobView,
    SeenRequest,
    record_request,
)
from openfunnel_async.sandbox._service.fault import Fault
from openfunnel_async.sandbox._service.job_lifetimes import JobLife, realistic_life
from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.ledger import Ledger
from openfunnel_async.sandbox._service.messages import (
    KEY_HEADER,
    Kind,
    SandboxReply,
    SandboxRequest,
)
from openfunnel_async.sandbox._service.operations import Operations
from openfunnel_async.sandbox._service.rate_limit import RateLimit, TokenBucket
from openfunnel_async.sandbox._service.routing import (
    RoutedRequest,
    find_route,
    serve_request,
)
from openfunnel_async.sandbox._service.sign_up import CodeSent, SignUps
from openfunnel_async.sandbox._service.unknowns import Unknowns

Plan = Callable[[int, int], JobLife]
"""Returns the plan of a job, given its number, from 0, and its limit."""


def _text_or_empty(key: str | None) -> str:
    return key or ""


def _check_finite(_: object, __: object, credits: float) -> None:  # noqa: A002 -- its name
    """Reject credits that JSON cannot represent."""
    if not math.isfinite(credits):
        raise ValueError(f"credits are a finite number, not {credits}")


def _copy_tuple(lives: Iterable[JobLife]) -> tuple[JobLife, ...]:
    return tuple(lives)


def _copy_list(faults: Iterable[Fault]) -> list[Fault]:
    return list(faults)


@attrs.frozen(kw_only=True)
class _Call:
    """The `Exchange` of one request."""

    kind: Kind
    moment: float
    job: Job | None
    _answer: Callable[[JobState | None], SandboxReply] = attrs.field(alias="answer")

    def serve(self, *, shown: JobState | None = None) -> SandboxReply:
        """Let the request take effect."""
        return self._answer(shown)


@attrs.define(eq=False, kw_only=True, repr=False)
class Service:
    """An OpenFunnel in memory: `handle` takes a request and returns the reply.

    It needs no event loop. The same options, and the same requests at the same times,
    give the same bytes.

    Attributes:
        speed: Sandbox seconds per second of ``clock``; at 0 only `advance` moves the
            time.
        seed: Determines companies, ids, plans of jobs, sign-up codes and the key; a
            value that is not text is converted to text.
        api_key: The first account's key; by default it is made from the seed.
        credits: Credits of each account at its start. They may be below 0, like a
            balance after a bill that was larger than the rest.
        row_shape: Whether rows have the six documented keys or the sixteen observed
            ones.
        faults: The faults, in order; may be changed at any time.
        rate_limit: The limit in requests per second, None for no limit; may be changed
            at any time.
        unknowns: The answers to the contract's open questions.
        lives: The plans of the first jobs, in the order of their submits.
        plan: Plans the jobs after those; by default `realistic_life`.
        clock: A monotonic clock in seconds, such as an event loop's ``time``.
        code_sent: Called with the address and the code of each sign-up, as no email
            is sent.
        requests: Every request that arrived, oldest first.
    """

    __module__ = "openfunnel_async.sandbox"

    speed: float = attrs.field(default=1.0, validator=validators.ge(0))
    seed: str = attrs.field(default="openfunnel", converter=str)
    api_key: str = attrs.field(default=None, converter=_text_or_empty)
    credits: float = attrs.field(default=50_000.0, validator=_check_finite)
    row_shape: RowShape = attrs.field(
        default="sixteen", validator=validators.in_(("six", "sixteen"))
    )
    faults: list[Fault] = attrs.field(factory=list[Fault], converter=_copy_list)
    rate_limit: RateLimit | None = None
    unknowns: Unknowns = attrs.field(factory=Unknowns)
    lives: tuple[JobLife, ...] = attrs.field(default=(), converter=_copy_tuple)
    plan: Plan | None = None
    clock: Callable[[], float] = time.monotonic
    code_sent: CodeSent | None = None
    requests: list[SeenRequest] = attrs.field(init=False, factory=list[SeenRequest])
    _bucket: TokenBucket = attrs.field(init=False, factory=TokenBucket)
    _time: Clock = attrs.field(init=False)
    _accounts: Accounts = attrs.field(init=False)
    _operations: Operations = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start the clock and open the first account."""
        self.api_key = self.api_key or derive_key(self.seed)
        self._time = Clock(speed=self.speed, source=self.clock)
        ledger = Ledger(total=float(self.credits))
        first = Account(key=self.api_key, ledger=ledger)
        self._accounts = Accounts(seed=self.seed, credits=ledger.total, first=first)
        self._operations = Operations(
            seed=self.seed,
            unknowns=self.unknowns,
            row_shape=self.row_shape,
            life_of=self._choose_life,
            sign_ups=SignUps(
                seed=self.seed,
                nesting=self.unknowns.error_nesting,
                key_of=self._accounts.key_of,
                code_sent=self.code_sent,
            ),
        )

    def __repr__(self) -> str:
        """Return the seed and the time, never the key."""
        name = type(self).__name__
        return f"<{name} seed={self.seed!r} time={self.now:.1f} s>"

    @property
    def now(self) -> float:
        """Return sandbox time, in seconds since the sandbox was made."""
        return self._time.now()

    def advance(self, seconds: float) -> None:
        """Move sandbox time forward, whatever its speed.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        self._time.advance(seconds)

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """Return the truth about every job, in the order of the submits."""
        moment = self._bill_ended_jobs()
        jobs = self._operations.jobs
        views = {
            id_: JobView(time=moment, job=job, ledger=account.ledger)
            for id_, (account, job) in jobs.items()
        }
        return MappingProxyType(views)

    @property
    def ledger(self) -> Ledger:
        """Return the first account's credits and bills."""
        self._bill_ended_jobs()
        return self._accounts.first.ledger

    @property
    def codes(self) -> Mapping[str, str]:
        """Return the sign-up codes that are not used yet, by address."""
        return MappingProxyType(self._operations.sign_ups.codes)

    def open_account(self, owner: str) -> str:
        """Open one more account, with its own credits, and return its key.

        Args:
            owner: Any name; the same name returns the same key.
        """
        return self._accounts.open(owner)

    def handle(self, request: SandboxRequest) -> SandboxReply:
        """Answer a request, and append it to `requests`."""
        routed = self._route_request(request)
        made = len(self._operations.jobs)
        reply = self._apply_faults(self._call(routed))
        job_id = next(islice(self._operations.jobs, made, None), routed.route.job_id)
        self.requests.append(record_request(routed, job_id, reply))
        return reply

    def _fault_ignores_body(self, request: SandboxRequest) -> bool:
        """Return whether a fault answers a request without its body."""
        call = self._call(self._route_request(request))
        fault = next((fault for fault in self.faults if fault.strikes(call)), None)
        return fault is not None and not fault.waits_for_body

    def _route_request(self, request: SandboxRequest) -> RoutedRequest:
        return RoutedRequest(
            request=request,
            route=find_route(request.method, request.path),
            account=self._accounts.find(request.headers.get(KEY_HEADER, "")),
            moment=self._bill_ended_jobs(),
        )

    def _call(self, routed: RoutedRequest) -> _Call:
        jobs = {} if routed.account is None else routed.account.jobs
        return _Call(
            kind=routed.route.kind,
            moment=routed.moment,
            job=jobs.get(routed.route.job_id or ""),
            answer=functools.partial(self._answer, routed),
        )

    def _answer(self, routed: RoutedRequest, shown: JobState | None) -> SandboxReply:
        """Let a request take effect, unless the rate limit rejects it."""
        if self.rate_limit is not None:
            kind, now = routed.route.kind, self.clock()
            if wait := self._bucket.take(self.rate_limit, kind, now):
                return self.rate_limit.refusal(wait)
        return serve_request(self._operations, routed, shown)

    def _apply_faults(self, call: _Call) -> SandboxReply:
        """Answer with the first fault that applies, else with the service."""
        for index, fault in enumerate(self.faults):
            if fault.strikes(call):
                rest = fault.used_once()
                self.faults[index : index + 1] = [] if rest is None else [rest]
                return fault.answer(call)
        return call.serve()

    def _bill_ended_jobs(self) -> float:
        """Bill every job that has ended, and return sandbox time."""
        moment = self._time.now()
        billed = self.unknowns.failed_rows_billed
        self._accounts.bill_ended_jobs(moment, failed_rows_billed=billed)
        return moment

    def _choose_life(self, number: int, limit: int) -> JobLife:
        if number < len(self.lives):
            return self.lives[number]
        if self.plan is not None:
            return self.plan(number, limit)
        return realistic_life(self.seed, number, limit)
