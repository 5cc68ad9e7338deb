"""A transport that plays a script, and the replies that scripts are made of.

No socket and no loop of its own: in virtual time an hour of polling takes no time.

    transport = ScriptedTransport(
        submit=[submit_reply()],
        read=[reply(503), job_reply("running"), job_reply("completed")],
        cancel=lambda seen: cancel_reply() if seen.at < 60 else reply(409),
    )
    async with connect(transport) as client:
        ...
    assert transport.count("read") == 3

The last step of a list stands for all that follow. Every request is kept in `seen`
with the seconds from `connect` to its arrival.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import anyio
import anyio.lowlevel
import attrs

from openfunnel_async import OpenFunnel, TransportError, WireReply, WireRequest

__all__ = [
    "HANG",
    "JOB",
    "KEY",
    "Later",
    "ScriptedTransport",
    "Seen",
    "broken",
    "cancel_reply",
    "connect",
    "job_reply",
    "manifest",
    "reply",
    "row",
    "rows",
    "submit_reply",
    "unsent",
]

KEY = "of_" + "5ec2e7" * 10 + "beef"
JOB = "job-1"

_JOBS = "/api/v1/account/search-lookalikes-bulk"
_DAY = 86_400.0
NO_ROWS: list[object] = []

Kind = Literal["submit", "read", "cancel", "balance"]


@attrs.frozen
class Seen:
    """A request and the moment it arrived."""

    at: float
    kind: Kind
    request: WireRequest

    @property
    def cursor(self) -> str | None:
        return dict(self.request.query).get("cursor")

    @property
    def job_id(self) -> str:
        return self.request.path.removeprefix(f"{_JOBS}/").removesuffix("/cancel")


@attrs.frozen
class Later:
    """A step that takes its time.

    Attributes:
        step: What comes in the end.
        after: Seconds between the request's arrival and its answer.
        connecting: Seconds before anything is sent; it is reported to the client.
        tidying: Seconds that a cancelled exchange takes to be gone.
    """

    step: "WireReply | TransportError"
    after: float = 0.0
    connecting: float = 0.0
    tidying: float = 0.0


Step = WireReply | TransportError | Later
Route = Sequence[Step] | Callable[[Seen], Step]


class ScriptedTransport:
    """Answer each kind of request from its list of steps or its function."""

    def __init__(
        self,
        *,
        submit: Route = (),
        read: Route = (),
        cancel: Route = (),
        balance: Route = (),
    ) -> None:
        self._routes: dict[Kind, Route] = {
            "submit": submit,
            "read": read,
            "cancel": cancel,
            "balance": balance,
        }
        self.seen: list[Seen] = []
        self.began = 0.0
        self.in_flight = 0
        self.closings = 0

    @property
    def now(self) -> float:
        """Seconds since `connect`."""
        return anyio.current_time() - self.began

    def of(self, kind: Kind) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == kind]

    def count(self, kind: Kind) -> int:
        return len(self.of(kind))

    def times(self, kind: Kind) -> list[float]:
        return [seen.at for seen in self.of(kind)]

    def cursors(self) -> list[str | None]:
        return [seen.cursor for seen in self.of("read")]

    async def send(self, request: WireRequest, /) -> WireReply:
        # Every real transport needs it, and a bad query must not get this far.
        assert request.url.startswith(request.origin)
        kind = _kind(request)
        if isinstance(self._peek(kind), Later):
            return await self._send_slowly(kind, request)
        step = self._arrived(kind, request)
        # Others get their turn while a request is under way, as on a network.
        await anyio.lowlevel.checkpoint()
        return _outcome(step)

    async def aclose(self) -> None:
        self.closings += 1

    def _peek(self, kind: Kind) -> Step | None:
        route = self._routes[kind]
        if callable(route) or not route:
            return None
        return route[min(self.count(kind), len(route) - 1)]

    def _arrived(self, kind: Kind, request: WireRequest) -> Step:
        step = self._peek(kind)
        seen = Seen(self.now, kind, request)
        self.seen.append(seen)
        route = self._routes[kind]
        if callable(route):
            step = route(seen)
            assert not isinstance(step, Later), "a function's steps are immediate"
        assert step is not None, f"nothing is scripted for a {kind}"
        return step

    async def _send_slowly(self, kind: Kind, request: WireRequest) -> WireReply:
        later = self._peek(kind)
        assert isinstance(later, Later)
        self.in_flight += 1
        try:
            if later.connecting:
                request.progress.waiting()
                await anyio.sleep(later.connecting)
                request.progress.sent()
            self._arrived(kind, request)
            await anyio.sleep(later.after)
        finally:
            if later.tidying:
                # In a task of its own: no cancellation, of any kind, is to cut it.
                tidied = asyncio.create_task(asyncio.sleep(later.tidying))
                while not tidied.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([tidied])
            self.in_flight -= 1
        return _outcome(later.step)


def _kind(request: WireRequest) -> Kind:
    if request.path.endswith("/cancel"):
        return "cancel"
    if request.path.endswith("/credits/balance"):
        return "balance"
    return "submit" if request.path == _JOBS else "read"


def _outcome(step: Step) -> WireReply:
    if isinstance(step, TransportError):
        # A fresh one each time: a raised error collects tracebacks.
        raise type(step)(*step.args)
    assert isinstance(step, WireReply)
    return step


def connect(transport: ScriptedTransport, **options: Any) -> OpenFunnel:
    """Return a client that speaks through the transport, and start its clock."""
    transport.began = anyio.current_time()
    return OpenFunnel(
        KEY, base_url="https://api.example", transport=transport, **options
    )


def reply(
    status_code: int = 200,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> WireReply:
    """Build a reply; a body that is not bytes goes out as JSON, None as nothing."""
    if body is None:
        raw = b""
    else:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(status_code=status_code, headers=headers or {}, body=raw)


def submit_reply(job_id: object = JOB, **more: object) -> WireReply:
    """Build what an accepted submit answers."""
    return reply(200, {"job_id": job_id, "message": "ok", "status": "pending", **more})


def cancel_reply(job_id: str = JOB, **more: object) -> WireReply:
    """Build what an accepted cancel answers."""
    body = {"job_id": job_id, "message": "stopping", "status": "cancelling", **more}
    return reply(200, body)


def job_reply(  # noqa: PLR0913 -- the fields of the answer, all by default
    status: str = "running",
    *,
    rows: object = NO_ROWS,
    page: str | None = "page_0000",
    next_cursor: object = None,
    manifest: object = None,
    job_id: str = JOB,
    **more: object,
) -> WireReply:
    """Build what a read of a job answers."""
    body: dict[str, object] = {
        "job_id": job_id,
        "status": status,
        "rows": rows,
        "page": page,
        "next_cursor": next_cursor,
        "manifest": manifest,
        **more,
    }
    return reply(200, body)


def manifest(count: int, **more: object) -> dict[str, object]:
    """Build the manifest of a job that delivered N rows."""
    return {"count": count, "credits_consumed": count, **more}


def row(number: int, **more: object) -> dict[str, object]:
    """Build one row; its number is in its name."""
    return {"name": f"Company {number}", "domain": f"c{number}.example", **more}


def rows(start: int, stop: int) -> list[dict[str, object]]:
    """Build the rows from `start` up to but not including `stop`."""
    return [row(number) for number in range(start, stop)]


def unsent(message: str = "no connection could be made") -> TransportError:
    """Build the failure of an exchange of which nothing was sent."""
    return TransportError(message, False)


def broken(message: str = "the connection broke") -> TransportError:
    """Build the failure of an exchange that may have had its effect."""
    return TransportError(message, True)


# An answer that never comes.
HANG = Later(reply(), after=_DAY)
