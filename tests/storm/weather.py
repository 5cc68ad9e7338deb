"""The way to the service: a `Transport` on which each exchange meets its fate."""

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
from tests.storm.dealer import Fates
from tests.storm.diary import CALL, CURRENT, Diary, Exchange
from tests.storm.evidence import Evidence
from tests.storm.fates import SILENCE, Break, Fate
from tests.support.sandbox_transport import ORIGIN

_KEY_HEADER = "x-api-key"
MOST_EXCHANGES = 20_000
_TOO_MANY = 429


@attrs.define(eq=False)
class Weather:
    """Carries requests to a `Service` in the same process, as far as they get.

    Attributes:
        service: The far end, on the loop's time.
        fates: What becomes of exchanges.
        evidence: Where everything is written down.
        in_flight: Exchanges under way.
        closed: How often it was closed.
        last_arrival: When the last request arrives that its client gave up on.
    """

    service: Service
    fates: Fates
    evidence: Evidence
    in_flight: int = 0
    closed: int = 0
    last_arrival: float = 0.0
    is_calm: bool = False

    @property
    def _diary(self) -> Diary:
        return self.evidence.diary

    async def send(self, request: WireRequest, /) -> WireReply:
        """Carry one request there and its reply back, or meet its fate."""
        exchange = self._noted(request)
        self.evidence.look_around()
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        try:
            return await self._carry(exchange, request)
        except Exception as exc:
            exchange.end = f"broke: {exc}"
            raise
        except asyncio.CancelledError:
            exchange.end = "was given up"
            self._outlive(exchange, request)
            raise
        finally:
            exchange.ended_at = loop.time()
            self.in_flight -= 1

    async def aclose(self) -> None:
        """Count the closing; there is nothing to let go of."""
        self.closed += 1

    async def _carry(self, exchange: Exchange, request: WireRequest) -> WireReply:
        fate, loop = exchange.fate, asyncio.get_running_loop()
        reports = self.evidence.schedule.reports and not fate.is_silent
        if exchange.number >= MOST_EXCHANGES:
            # Whoever floods the service is left waiting; the judge counts.
            await asyncio.sleep(SILENCE)
        if reports:
            request.progress.waiting()
        await asyncio.sleep(fate.connect)
        if self.closed:
            raise ConfigurationError("the transport is closed")
        if fate.broken is Break.REFUSED:
            raise TransportError("nobody listens", False)
        if fate.foreign is not None and fate.when == "before":
            raise fate.foreign()
        if reports:
            request.progress.sent()
        exchange.sent_at = loop.time()
        await asyncio.sleep(fate.there)
        if fate.broken is Break.CUT_BEFORE:
            raise TransportError("the connection was reset", True)
        if fate.foreign is not None and not fate.outlives:
            raise fate.foreign()
        reply = self._arrive(exchange, request)
        await asyncio.sleep(fate.back)
        if fate.foreign is not None:
            raise fate.foreign()
        if fate.broken is Break.NO_REPLY:
            exchange.end = "answered with no reply"
            return cast("WireReply", reply)
        if fate.broken is Break.LOST or isinstance(reply.delivery, Dropped):
            raise TransportError("the answer was lost", True)
        body = reply.body
        if fate.mangle is not None and reply.status // 100 == 2:
            body = fate.mangle(body)
        wire = WireReply(
            status_code=reply.status,
            headers={**reply.headers, **fate.headers},
            body=body,
        )
        if fate.broken in {Break.CUT_REPLY, Break.STUCK_REPLY}:
            part = body[: int(len(body) * fate.kept)]
            request.progress.partial = attrs.evolve(wire, body=part)
            await asyncio.sleep(SILENCE if fate.broken is Break.STUCK_REPLY else 0)
            raise TransportError("the answer broke off", True)
        exchange.heard = True
        exchange.asked_by_limit = _asked_by_limit(fate, reply)
        exchange.end = f"answered {reply.status}"
        return wire

    def _arrive(self, exchange: Exchange, request: WireRequest) -> SandboxReply:
        """Let the service see the request, with at most this fault."""
        exchange.arrived_at = asyncio.get_running_loop().time()
        fault = exchange.fate.fault
        self.service.faults[:] = [] if fault is None else [fault]
        reply = self.service.handle(_arrived(request))
        exchange.status = reply.status
        return reply

    def _outlive(self, exchange: Exchange, request: WireRequest) -> None:
        """Let a request that was sent arrive although nobody waits for its answer."""
        fate, loop = exchange.fate, asyncio.get_running_loop()
        doomed = exchange.arrived_at is not None or fate.broken is Break.CUT_BEFORE
        if exchange.sent_at is None or doomed or not fate.outlives:
            return
        arrival = exchange.sent_at + fate.there
        self.last_arrival = max(self.last_arrival, arrival)
        self.evidence.late += 1
        loop.call_at(arrival, self._arrive, exchange, request)

    def _noted(self, request: WireRequest) -> Exchange:
        kind, job_id = _meant(request)
        exchange = Exchange(
            number=len(self._diary.exchanges),
            step=CURRENT.get(),
            task=_task_name(),
            kind=kind,
            call=CALL.get(),
            query=request.query,
            job_id=job_id,
            tag=json.loads(request.body)["query"] if request.body else None,
            fate=self._fate(kind),
            began=asyncio.get_running_loop().time(),
        )
        self._diary.exchanges.append(exchange)
        self._look_for_the_key(request)
        return exchange

    def _fate(self, kind: Kind) -> Fate:
        if self.is_calm:
            return Fate()
        now = asyncio.get_running_loop().time()
        for spell in self.evidence.schedule.spells:
            if spell.begins <= now < spell.ends:
                return self.fates.in_outage(spell.kind)
        return self.fates.deal(kind)

    def _look_for_the_key(self, request: WireRequest) -> None:
        """Note a key that is missing, wrong, or anywhere but in its header."""
        key, headers = self.service.api_key, request.headers
        told = self.evidence.key_faults
        if request.origin != ORIGIN:
            told.append(f"a request went to {request.origin}")
        if headers.get(_KEY_HEADER) != key:
            told.append("a request went without the key")
        rest = [v for name, v in headers.items() if name.lower() != _KEY_HEADER]
        if any(key in text for text in [*rest, request.url, repr(request)]) or (
            key.encode() in (request.body or b"")
        ):
            told.append(f"the key stands in {request.method} {request.path}")


def _asked_by_limit(fate: Fate, reply: SandboxReply) -> float | None:
    """Return the seconds that the service's rate limit asked to wait."""
    is_own = reply.status == _TOO_MANY and not isinstance(fate.fault, StatusFault)
    said = reply.headers.get("retry-after") if is_own else None
    return None if said is None else float(said)


def _task_name() -> str:
    task = asyncio.current_task()
    return "" if task is None else task.get_name()


def _meant(request: WireRequest) -> tuple[Kind, str | None]:
    """Tell the operation and the job that a request names."""
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
