"""What may be repeated: every row of the table in docs, against real sockets.

The columns are what a submit, a cancel and a read make of a fault. Each cell is
tried twice: with a fault that passes after one request, and with one that stays.
"""

import errno
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    BulkJob,
    CancelConflictError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobNotFoundError,
    OpenFunnelError,
    RateLimitedError,
    RequestRejectedError,
    RequestTimeoutError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import (
    BodyFault,
    CutAfter,
    CutBody,
    EmptyAnswer,
    GatewayPage,
    LoginPage,
    LostAnswer,
    MalformedAnswer,
    OtherJob,
    OversizedBody,
    Redirect,
    ResetAfter,
    ResetConnection,
    SlowAnswer,
    StatusFault,
    TrickledBody,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.stage import (
    ATTEMPTS,
    Asked,
    Stage,
    Strike,
    fault,
    foreign,
    plan,
    stage_for,
)

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left


@attrs.frozen
class Cell:
    """What becomes of one kind of request.

    Attributes:
        error: What is raised; None where the call succeeds all the same.
        requests: Requests at the server under a fault that stays.
        fields: What the error says.
        until_time: Whether it is repeated until its time has passed: the requests
            are then the fewest.
    """

    error: type[OpenFunnelError] | None
    requests: int
    fields: dict[str, Any]
    until_time: bool = False

    @property
    def recovers(self) -> bool:
        """Whether the call succeeds once the fault has passed."""
        return self.error is None or self.requests > 1


def retried(
    error: type[OpenFunnelError], requests: int = ATTEMPTS, **fields: Any
) -> Cell:
    return Cell(error, requests, fields)


def at_once(error: type[OpenFunnelError], **fields: Any) -> Cell:
    return Cell(error, 1, fields)


def unknown(*, accepted: bool = False, named: bool = False) -> Cell:
    fields = {"accepted": accepted, "max_exposure": 250, "named": named}
    return at_once(SubmitOutcomeUnknownError, **fields)


ACCEPTED = Cell(None, 1, {})
# A cancel is the one request that stops a spend.
UNTIL_TIME = Cell(WaitTimeoutError, 2, {}, until_time=True)
# Its answer cannot be read, the second is a 409, and a read says "cancelling".
FOUND_OUT = Cell(None, 2, {})
UNKNOWN = unknown()
EXISTS = unknown(accepted=True)
NAMED = unknown(accepted=True, named=True)
BROKEN = retried(TransportError, request_sent=True)
# aiohttp itself repeats a GET, once, whose connection ended without an answer.
BROKEN_GET = retried(TransportError, 2 * ATTEMPTS, request_sent=True)
LATE = retried(RequestTimeoutError, request_sent=True)
UNREADABLE = retried(InvalidResponseError, 2, path="$")
LIMITED = retried(RateLimitedError, status_code=429)
# At the end of its time it waits, or is asked to wait for longer than is left.
LIMITED_AT_LAST = Cell(OpenFunnelError, 2, {}, until_time=True)
LIMITS = [LIMITED, UNTIL_TIME, LIMITED]


def server_error(status: int) -> Cell:
    return retried(ServerError, status_code=status)


def refusal(error: type[APIError], status: int) -> list[Cell]:
    return [at_once(error, status_code=status, detail="Sandbox fault")] * 3


def status(code: int, **options: Any) -> Strike:
    return fault(StatusFault, status=code, **options)


def poor(nested: object) -> Strike:
    return status(400, body={"detail": nested})


NOT_SENT_AGAIN = [UNKNOWN, UNTIL_TIME, BROKEN_GET]
NO_HTTP = [UNKNOWN, UNTIL_TIME, BROKEN]
UNREAD = [NAMED, FOUND_OUT, UNREADABLE]
CUT_SHORT = [NAMED, UNTIL_TIME, BROKEN]
NOT_JSON = [EXISTS, UNTIL_TIME, UNREADABLE]
# JSON, or nothing at all: a read says whether the cancel was accepted.
NOT_ABOUT_THE_JOB = [EXISTS, ACCEPTED, UNREADABLE]
MOVED = [UNKNOWN, *[at_once(APIError, status_code=307)] * 2]
POOR = refusal(InsufficientCreditsError, 402)
NO_CREDITS = {"error_code": "CREDITS_EXCEEDED"}
OTHER = retried(InvalidResponseError, 2, path="$.job_id")
ELSE_404 = [
    at_once(APIError, status_code=404),
    UNTIL_TIME,
    retried(JobNotFoundError, status_code=404),
]
NEVER_SENT = [
    retried(TransportError, request_sent=False),
    UNTIL_TIME,
    retried(TransportError, request_sent=False),
]
no_thread = partial(RuntimeError, "can't start new thread")
no_descriptor = partial(OSError, errno.EMFILE, "Too many open files")
closed_session = partial(RuntimeError, "Session is closed")
several = partial(ExceptionGroup, "several", [ValueError("one"), OSError("two")])
ELSEWHERE = "http://127.0.0.1:1/"

TABLE: dict[str, tuple[Strike, Sequence[Cell | None]]] = {
    # fault: (how it strikes, [submit, cancel, read]); None where nobody could know
    "reset, first byte": (plan(ResetAfter(sent=0)), NOT_SENT_AGAIN),
    "reset, request half sent": (plan(ResetAfter(sent=50)), NOT_SENT_AGAIN),
    "closed, request half sent": (plan(CutAfter(sent=50)), NOT_SENT_AGAIN),
    "reset, headers sent": (fault(ResetConnection, after="headers"), NOT_SENT_AGAIN),
    "reset, request sent": (fault(ResetConnection), NOT_SENT_AGAIN),
    "closed, request sent": (fault(LostAnswer), NOT_SENT_AGAIN),
    "reset, first byte of answer": (plan(ResetAfter(received=0)), NOT_SENT_AGAIN),
    "reset, in status line": (plan(ResetAfter(received=9)), NOT_SENT_AGAIN),
    "closed, in status line": (plan(CutAfter(received=9)), NOT_SENT_AGAIN),
    "timed out, no answer": (fault(SlowAnswer, delay=60), [UNKNOWN, UNTIL_TIME, LATE]),
    "timed out, half an answer": (fault(TrickledBody, pause=2),
                                  [EXISTS, UNTIL_TIME, LATE]),
    "closed, in body": (fault(CutBody, keep=0.9), CUT_SHORT),
    "closed, in job_id": (fault(CutBody, keep=0.1), [EXISTS, UNTIL_TIME, BROKEN]),
    "reset, in body": (fault(CutBody, reset=True, keep=0.9), CUT_SHORT),
    "no status line": (fault(MalformedAnswer), NO_HTTP),
    "no header": (fault(MalformedAnswer, kind="header"), NO_HTTP),
    "no chunk": (fault(MalformedAnswer, kind="chunk"), NO_HTTP),
    "no head at all": (fault(MalformedAnswer, kind="http09"), NO_HTTP),
    "2xx, HTML": (fault(BodyFault, body=b"<html>"), NOT_JSON),
    "2xx, a list": (fault(BodyFault, body=b"[]"), NOT_ABOUT_THE_JOB),
    "2xx, nothing": (fault(BodyFault, body=b"", status=202), NOT_ABOUT_THE_JOB),
    "2xx, login page": (fault(LoginPage), [EXISTS, UNTIL_TIME, UNREADABLE]),
    "2xx, empty, in vain": (fault(EmptyAnswer), [EXISTS, UNTIL_TIME, UNREADABLE]),
    "204, empty": (fault(EmptyAnswer, status=204, processed=True), NOT_ABOUT_THE_JOB),
    "2xx, other job": (fault(OtherJob), [ACCEPTED, ACCEPTED, OTHER]),
    "2xx, no job": (fault(OtherJob, job_id=None), [EXISTS, ACCEPTED, OTHER]),
    "2xx, other job, in vain": (fault(OtherJob, processed=False),
                                [None, UNTIL_TIME, OTHER]),
    "2xx, no job, in vain": (fault(OtherJob, job_id=None, processed=False),
                             [EXISTS, UNTIL_TIME, OTHER]),
    "2xx, 9 MB": (fault(OversizedBody, megabytes=9), UNREAD),
    "2xx, cut unseen": (fault(CutBody, framed=False, keep=0.9),
                        UNREAD),
    "2xx, gzip cut": (fault(CutBody, framed=False, gzip=True, keep=0.9),
                      UNREAD),
    "429": (status(429), LIMITS),
    "429, wait a little": (status(429, retry_after=2),
                           [LIMITED, LIMITED_AT_LAST, LIMITED]),
    "429, wait long": (status(429, retry_after=61),
                       [at_once(RateLimitedError, retry_after=61.0)] * 3),
    "408": (status(408), [UNKNOWN, UNTIL_TIME, retried(APIError, status_code=408)]),
    "500": (status(500), [UNKNOWN, UNTIL_TIME, server_error(500)]),
    "502, HTML": (status(502, body=b"<html>"),
                  [UNKNOWN, UNTIL_TIME, server_error(502)]),
    "503": (status(503), [UNKNOWN, UNTIL_TIME, server_error(503)]),
    "503, yet processed": (status(503, processed=True),
                           [UNKNOWN, UNTIL_TIME, server_error(503)]),
    "3xx": (fault(Redirect, location=ELSEWHERE, status=307), MOVED),
    "400": (status(400), refusal(RequestRejectedError, 400)),
    "400, no credits": (poor(NO_CREDITS), [at_once(InsufficientCreditsError)] * 3),
    "401": (status(401), refusal(AuthenticationError, 401)),
    "402": (status(402), POOR),
    "403": (status(403), refusal(AuthenticationError, 403)),
    "404": (status(404), [at_once(APIError, status_code=404),
                          *[at_once(JobNotFoundError, status_code=404)] * 2]),
    "404, HTML": (fault(GatewayPage, status=404), ELSE_404),
    "404, text": (fault(GatewayPage, status=404, text="default backend - 404"),
                  ELSE_404),
    "403, HTML": (fault(GatewayPage, status=403),
                  [at_once(AuthenticationError, status_code=403)] * 3),
    "504, HTML, yet processed": (fault(GatewayPage, status=504, processed=True),
                                 [UNKNOWN, UNTIL_TIME, server_error(504)]),
    "409": (status(409), [at_once(APIError, status_code=409),
                          retried(CancelConflictError, 2),
                          at_once(APIError, status_code=409)]),
    "418": (status(418), refusal(APIError, 418)),
    "422": (status(422), refusal(RequestRejectedError, 422)),
    "any exception, before": (foreign(no_thread, "before"), NEVER_SENT),
    "no descriptor, before": (foreign(no_descriptor, "before"), NEVER_SENT),
    "any exception, after": (foreign(TypeError, "after"), NO_HTTP),
    "a closed session, after": (foreign(closed_session, "after"), NO_HTTP),
    "several, after": (foreign(several, "after"), NO_HTTP),
    "any exception, unreported": (foreign(MemoryError, "unreported"), NO_HTTP),
    "a timeout of its own": (foreign(TimeoutError, "after"), NO_HTTP),
    "no reply": (foreign(TypeError, "returned"), NO_HTTP),
}  # fmt: skip

KINDS: tuple[Asked, ...] = ("submit", "cancel", "read")
CELLS = pytest.mark.parametrize(
    ("strike", "kind", "cell"),
    [
        pytest.param(strike, kind, cell, id=f"{kind}-{name}")
        for name, (strike, cells) in TABLE.items()
        for kind, cell in zip(KINDS, cells, strict=True)
        if cell is not None
    ],
)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


async def assert_it_fails(stage: Stage, kind: Asked, cell: Cell) -> None:
    assert cell.error is not None
    with pytest.raises(OpenFunnelError) as caught:
        await stage.ask(kind)
    error = caught.value
    if cell.until_time:
        assert isinstance(error, cell.error)
    else:
        assert type(error) is cell.error
    told = vars(error) | {"named": getattr(error, "job_id", None) in stage.sandbox.jobs}
    assert {name: told[name] for name in cell.fields} == cell.fields


@CELLS
async def test_a_fault_that_stays(strike: Strike, kind: Asked, cell: Cell) -> None:
    """Caught: 5xx of a submit retried; 408 of a submit final; unread 2xx thrice."""
    async with stage_for(strike, kind) as stage:
        if cell.error is None:
            await stage.ask(kind)
        else:
            await assert_it_fails(stage, kind, cell)
        if cell.until_time:
            assert stage.requests >= cell.requests
        else:
            assert stage.requests == cell.requests
        assert stage.made <= 1


@CELLS
async def test_a_fault_that_passes(strike: Strike, kind: Asked, cell: Cell) -> None:
    """Caught: a submit that is sent again after a reset; no retry after a 408."""
    async with stage_for(strike, kind, times=1) as stage:
        if not cell.recovers:
            await assert_it_fails(stage, kind, cell)
            assert stage.requests == 1
            return
        answer = await stage.ask(kind)
        # The proxy counts connections, and a cancel may be followed by a read.
        seen = [request.kind for request in stage.sandbox.requests]
        read_after = kind == "cancel" and stage.proxied and "read" in seen
        assert stage.requests == min(cell.requests, 2) + read_after
        assert stage.made == isinstance(answer, BulkJob)
