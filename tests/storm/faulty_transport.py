"""A `Transport` to the sandbox that does to each exchange what its plan says."""

import asyncio
import json
from typing import cast

import attrs

from openfunnel_async import (
    ConfigurationError,
    TransportError,
    WireReply,
    WireRequest,
)
from openfunnel_async.sandbox import (
    Dropped,
    Kind,
    SandboxReply,
    SandboxRequest,
    Service,
    StatusFault,
)
from tests.storm.event_log import CURRENT_CALL, CURRENT_STEP, EventLog, Exchange
from tests.storm.evidence import Evidence
from tests.storm.exchange_plans import SILENCE, Break, ExchangePlan
from tests.storm.plan_generator import PlanGenerator
from tests.support.sandbox_transport import ORIGIN

_KEY_HEADER = "x-api-key"
MAX_EXCHANGES = 20_000
_TOO_MANY = 429


@attrs.define(eq=False)
class FaultyTransport:
    """Passes requests to a `Service` in the same process, with faults on the way.

    Attributes:
        service: The sandbox, on the loop's time.
        generator: Plans each exchange.
        evidence: Records the exchanges.
        in_flight: The number of exchanges under way.
        closed: How often it was closed.
        last_arrival: When the last request arrives whose client has stopped waiting.
        has_recovered: Whether all faults have ended.
    """

    service: Service
    generator: PlanGenerator
    evidence: Evidence
    in_flight: int = 0
    closed: int = 0
    last_arrival: float = 0.0
    has_recovered: bool = False

    @property
    def _event_log(self) -> EventLog:
        return self.evidence.event_log

    async def send(self, request: WireRequest, /) -> WireReply:
        """Pass one request and its reply, or fail as planned."""
        exchange = self._start_exchange(request)
        self.evidence.record_statuses()
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        try:
            return await self._carry(exchange, request)
        except Exception as exc:
            exchange.end = f"broke: {exc}"
            raise
        except asyncio.CancelledError:
            exchange.end = "was cancelled"
            self._deliver_later(exchange, request)
            raise
        finally:
            exchange.ended_at = loop.time()
            self.in_flight -= 1

    async def aclose(self) -> None:
        """Count the call; there is nothing to close."""
        self.closed += 1

    async def _carry(self, exchange: Exchange, request: WireRequest) -> WireReply:
        plan, loop = exchange.plan, asyncio.get_running_loop()
        reports = self.evidence.schedule.reports and not plan.is_silent
        if exchange.number >= MAX_EXCHANGES:
            # A client with too many requests waits; an invariant counts them.
            await asyncio.sleep(SILENCE)
        if reports:
            request.progress.waiting()
        await self._connect(plan)
        if reports:
            request.progress.sent()
        exchange.sent_at = loop.time()
        await asyncio.sleep(plan.request_seconds)
        _fail_before_arrival(plan)
        reply = self._arrive(exchange, request)
        await asyncio.sleep(plan.reply_seconds)
        if plan.make_exception is not None:
            raise plan.make_exception()
        if plan.connection_break is Break.NO_REPLY:
            exchange.end = "answered with no reply"
            return cast("WireReply", reply)
        if plan.connection_break is Break.LOST or isinstance(reply.delivery, Dropped):
            raise TransportError("the answer was lost", True)
        body = reply.body
        if plan.edit_body is not None and reply.status // 100 == 2:
            body = plan.edit_body(body)
        wire = WireReply(
            status_code=reply.status,
            headers={**reply.headers, **plan.headers},
            body=body,
        )
        if plan.connection_break in {Break.CUT_REPLY, Break.STUCK_REPLY}:
            part = body[: int(len(body) * plan.kept_share)]
            request.progress.partial = attrs.evolve(wire, body=part)
            await asyncio.sleep(
                SILENCE if plan.connection_break is Break.STUCK_REPLY else 0
            )
            raise TransportError("the answer broke off", True)
        exchange.is_received = True
        exchange.limit_retry_after = _limit_retry_after(plan, reply)
        exchange.end = f"answered {reply.status}"
        return wire

    async def _connect(self, plan: ExchangePlan) -> None:
        """Reach the service, or fail before anything is sent."""
        await asyncio.sleep(plan.connect_seconds)
        if self.closed:
            raise ConfigurationError("the transport is closed")
        if plan.connection_break is Break.REFUSED:
            raise TransportError("connection refused", False)
        if plan.make_exception is not None and plan.when == "before":
            raise plan.make_exception()

    def _arrive(self, exchange: Exchange, request: WireRequest) -> SandboxReply:
        """Let the service answer the request, with at most this fault."""
        exchange.arrived_at = asyncio.get_running_loop().time()
        fault = exchange.plan.fault
        self.service.faults[:] = [] if fault is None else [fault]
        reply = self.service.handle(_arrived(request))
        exchange.status = reply.status
        return reply

    def _deliver_later(self, exchange: Exchange, request: WireRequest) -> None:
        """Let a request that was sent arrive although the client has stopped."""
        plan, loop = exchange.plan, asyncio.get_running_loop()
        cannot_arrive = (
            exchange.arrived_at is not None or plan.connection_break is Break.CUT_BEFORE
        )
        if exchange.sent_at is None or cannot_arrive or not plan.arrives_anyway:
            return
        arrival = exchange.sent_at + plan.request_seconds
        self.last_arrival = max(self.last_arrival, arrival)
        self.evidence.late += 1
        loop.call_at(arrival, self._arrive, exchange, request)

    def _start_exchange(self, request: WireRequest) -> Exchange:
        kind, job_id = _meant(request)
        exchange = Exchange(
            number=len(self._event_log.exchanges),
            step=CURRENT_STEP.get(),
            task=_task_name(),
            kind=kind,
            call=CURRENT_CALL.get(),
            query=request.query,
            job_id=job_id,
            tag=json.loads(request.body)["query"] if request.body else None,
            plan=self._plan_of(kind),
            began=asyncio.get_running_loop().time(),
        )
        self._event_log.exchanges.append(exchange)
        self._check_key(request)
        return exchange

    def _plan_of(self, kind: Kind) -> ExchangePlan:
        if self.has_recovered:
            return ExchangePlan()
        now = asyncio.get_running_loop().time()
        for period in self.evidence.schedule.outages:
            if period.begins <= now < period.ends:
                return self.generator.in_outage(period.kind)
        return self.generator.plan_exchange(kind)

    def _check_key(self, request: WireRequest) -> None:
        """Record a key that is missing, wrong, or outside its header."""
        key, headers = self.service.api_key, request.headers
        faults = self.evidence.key_faults
        if request.origin != ORIGIN:
            faults.append(f"a request went to {request.origin}")
        if headers.get(_KEY_HEADER) != key:
            faults.append("a request went without the key")
        rest = [v for name, v in headers.items() if name.lower() != _KEY_HEADER]
        if any(key in text for text in [*rest, request.url, repr(request)]) or (
            key.encode() in (request.body or b"")
        ):
            faults.append(f"the key is in {request.method} {request.path}")


def _fail_before_arrival(plan: ExchangePlan) -> None:
    """Fail after something was sent, and before the service acts on it."""
    if plan.connection_break is Break.CUT_BEFORE:
        raise TransportError("the connection was reset", True)
    if plan.make_exception is not None and not plan.arrives_anyway:
        raise plan.make_exception()


def _limit_retry_after(plan: ExchangePlan, reply: SandboxReply) -> float | None:
    """Return the seconds that the rate limit of the service asked to wait."""
    is_own = reply.status == _TOO_MANY and not isinstance(plan.fault, StatusFault)
    said = reply.headers.get("retry-after") if is_own else None
    return None if said is None else float(said)


def _task_name() -> str:
    task = asyncio.current_task()
    return "" if task is None else task.get_name()


def _meant(request: WireRequest) -> tuple[Kind, str | None]:
    """Return the operation and the job that a request names."""
    parts = request.path.split("/")
    if parts[-1] == "balance":
        return "balance", None
    if parts[-1] == "cancel":
        return "cancel", parts[-2]
    if request.method == "POST":
        return "submit", None
    return "read", parts[-1]


def _arrived(request: WireRequest) -> SandboxRequest:
    return SandboxRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers={name.lower(): text for name, text in request.headers.items()},
        body=request.body or b"",
    )
