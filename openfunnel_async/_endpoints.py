"""Each request of the API and what its replies mean, without any I/O.

What may be repeated follows from a call's kind (design: Money and truth). What a
409 to a cancel means is said here and nowhere else.
"""

import enum
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Generic, TypeVar, cast

import attrs

from openfunnel_async._codec import companies, decode, encode, structure
from openfunnel_async._failures import Hide, failure
from openfunnel_async._invalid import is_job_id, is_unicode
from openfunnel_async._models import (
    CreditBalance,
    JobPage,
    JobSnapshot,
    LookalikeSearch,
    Manifest,
)
from openfunnel_async._status import JobStatus
from openfunnel_async._wire import CutReplyError, Headers, WireReply, WireRequest
from openfunnel_async.errors import (
    InvalidResponseError,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    TransportError,
)

T = TypeVar("T")
_JOBS = "/api/v1/account/search-lookalikes-bulk"
_BALANCE = "/api/v1/credits/balance"
_READABLE_ID = re.compile(rb'"job_id"\s*:\s*"([A-Za-z0-9._~-]{1,128})"')
_ACCEPT = Headers({"accept": "application/json"})
_ACCEPT_AND_SEND = Headers(
    {"accept": "application/json", "content-type": "application/json"}
)
_REFUSED = 4


class Kind(enum.Enum):
    """What a request does to money, which decides what may be repeated."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    READ = "read"


def _as_it_is(error: TransportError) -> OpenFunnelError:
    return error


@attrs.frozen(kw_only=True)
class Call(Generic[T]):
    """A request and how to read what comes of it.

    Attributes:
        kind: Decides what may be repeated.
        request: The request, still without the key.
        read: Turns a reply into a value, or raises the error that it means.
        lost: The error to raise when a sent request got no complete reply.
    """

    kind: Kind
    request: WireRequest
    read: Callable[[WireReply], T]
    lost: Callable[[TransportError], OpenFunnelError] = _as_it_is


@attrs.frozen(kw_only=True)
class Submitted:
    """What a submit's reply says: the id, and the limit where it is echoed."""

    job_id: str
    requested_limit: int | None


@attrs.frozen(kw_only=True)
class CancelAnswer:
    """What a cancel's reply says.

    ``accepted`` is False for a 409: the job is already completed, failed or
    cancelled, and the answer does not say which (facts.md, "Cancel").
    """

    accepted: bool
    message: str | None = None


@attrs.frozen(kw_only=True)
class _Envelope:
    """A job's answer without its rows."""

    job_id: str
    status: str
    manifest: Manifest | None = None
    error_message: str | None = None
    page: str | None = None
    next_cursor: str | None = None
    processed: int | None = None
    progress_message: str | None = None

    def snapshot(self, hide: Hide) -> JobSnapshot:
        """Return the status part; the service's own words may echo the key."""
        error, progress = self.error_message, self.progress_message
        return JobSnapshot(
            job_id=self.job_id,
            status=JobStatus.parse(self.status),
            raw_status=hide(self.status),
            manifest=self.manifest,
            error_message=None if error is None else hide(error),
            processed=self.processed,
            progress_message=None if progress is None else hide(progress),
        )


class Endpoints:
    """Build the calls of one service address."""

    def __init__(self, origin: str, hide: Hide) -> None:
        self._origin = origin
        self._hide = hide

    def submit(self, search: LookalikeSearch) -> Call[Submitted]:
        """Start a job: billed, and not idempotent."""
        request = WireRequest(
            method="POST",
            origin=self._origin,
            path=_JOBS,
            headers=_ACCEPT_AND_SEND,
            body=encode(_search_body(search)),
            fresh_connection=True,
        )

        def read(reply: WireReply) -> Submitted:
            if reply.is_success:
                return _read_submitted(search, reply)
            raise self._refused_submit(search, reply)

        def lost(error: TransportError) -> OpenFunnelError:
            reply = error.reply if isinstance(error, CutReplyError) else None
            return _unknown(search, str(error), reply)

        return Call(kind=Kind.SUBMIT, request=request, read=read, lost=lost)

    def _refused_submit(
        self, search: LookalikeSearch, reply: WireReply
    ) -> OpenFunnelError:
        """Return what a submit's reply outside 2xx means."""
        error = failure(reply, self._hide)
        family = reply.status_code // 100
        if family == _REFUSED and reply.status_code != HTTPStatus.REQUEST_TIMEOUT:
            return error
        return _unknown(search, str(error), None)

    def snapshot(self, job_id: str) -> Call[JobSnapshot]:
        """Read the job's status; its rows are left unbuilt."""

        def read(reply: WireReply) -> JobSnapshot:
            return self._envelope(reply, job_id)[0].snapshot(self._hide)

        return self._get(f"{_JOBS}/{job_id}", read)

    def page(self, job_id: str, cursor: str | None) -> Call[JobPage]:
        """Read the job's status and one page of its rows."""

        def read(reply: WireReply) -> JobPage:
            envelope, answer = self._envelope(reply, job_id)
            return _page(envelope, envelope.snapshot(self._hide), answer, cursor)

        query = () if cursor is None else (("cursor", cursor),)
        return self._get(f"{_JOBS}/{job_id}", read, query)

    def cancel(self, job_id: str) -> Call[CancelAnswer]:
        """Ask the job to stop at its next checkpoint."""

        def read(reply: WireReply) -> CancelAnswer:
            if reply.is_success:
                return CancelAnswer(accepted=True, message=self._said(reply))
            if reply.status_code == HTTPStatus.CONFLICT:
                return CancelAnswer(accepted=False)
            raise failure(reply, self._hide, job_id=job_id)

        request = WireRequest(
            method="POST",
            origin=self._origin,
            path=f"{_JOBS}/{job_id}/cancel",
            headers=_ACCEPT,
        )
        return Call(kind=Kind.CANCEL, request=request, read=read)

    def balance(self) -> Call[CreditBalance]:
        """Read the account's credits."""

        def read(reply: WireReply) -> CreditBalance:
            if not reply.is_success:
                raise failure(reply, self._hide)
            return structure(_object(reply), CreditBalance)

        return self._get(_BALANCE, read)

    def _get(
        self,
        path: str,
        read: Callable[[WireReply], T],
        query: tuple[tuple[str, str], ...] = (),
    ) -> Call[T]:
        request = WireRequest(
            method="GET", origin=self._origin, path=path, query=query, headers=_ACCEPT
        )
        return Call(kind=Kind.READ, request=request, read=read)

    def _envelope(
        self, reply: WireReply, job_id: str
    ) -> tuple[_Envelope, dict[str, Any]]:
        if not reply.is_success:
            raise failure(reply, self._hide, job_id=job_id)
        answer = _object(reply)
        envelope = structure(answer, _Envelope)
        if envelope.job_id != job_id:
            msg = "the answer is about another job than the one asked for"
            raise InvalidResponseError(msg, "$.job_id")
        return envelope, answer

    def _said(self, reply: WireReply) -> str | None:
        """Return the message of an accepted cancel, if its body has one."""
        try:
            message = _object(reply).get("message")
        except InvalidResponseError:
            return None
        return self._hide(message) if isinstance(message, str) else None


def _search_body(search: LookalikeSearch) -> dict[str, object]:
    """Return the fields that were set, and only those."""
    fields = attrs.asdict(search)
    return {name: value for name, value in fields.items() if value not in (None, ())}


def _read_submitted(search: LookalikeSearch, reply: WireReply) -> Submitted:
    try:
        answer = _object(reply)
    except InvalidResponseError as exc:
        fault = str(exc)
    else:
        job_id, limit = answer.get("job_id"), answer.get("requested_limit")
        if isinstance(job_id, str) and is_job_id(job_id):
            known = type(limit) is int and limit > 0
            return Submitted(job_id=job_id, requested_limit=limit if known else None)
        fault = "the answer's $.job_id is not an id"
    raise _unknown(search, fault, reply)


def _unknown(
    search: LookalikeSearch, why: str, reply: WireReply | None
) -> SubmitOutcomeUnknownError:
    """Say what is known of a submit whose answer could not be read."""
    accepted = reply is not None and reply.is_success
    job_id = _salvaged(reply.body) if reply is not None and accepted else None
    if job_id is not None:
        advice = f"the job {job_id} exists and bills; attach to it and cancel it"
    elif accepted:
        advice = "a job exists and bills, its id is lost; watch the credit balance"
    else:
        advice = "a job may be running and billing; watch the credit balance"
    msg = f"the outcome of the submit is not known ({why}); {advice}"
    return SubmitOutcomeUnknownError(msg, search, accepted, job_id, search.limit)


def _salvaged(body: bytes) -> str | None:
    """Return the one id that a broken body names, or None."""
    found = {match.decode() for match in _READABLE_ID.findall(body)}
    job_id = found.pop() if len(found) == 1 else None
    return job_id if is_job_id(job_id) else None


def _object(reply: WireReply) -> dict[str, Any]:
    answer = decode(reply.body)
    if not isinstance(answer, dict):
        raise InvalidResponseError("the answer must be a JSON object", "$")
    return cast("dict[str, Any]", answer)


def _page(
    envelope: _Envelope,
    snapshot: JobSnapshot,
    answer: dict[str, Any],
    cursor: str | None,
) -> JobPage:
    if None not in (cursor, envelope.page) and envelope.page != cursor:
        msg = "the answer is another page than the one asked for"
        raise InvalidResponseError(msg, "$.page")
    following = envelope.next_cursor
    if following is not None and not (following and is_unicode(following)):
        msg = "the answer's $.next_cursor is not a label that can be sent back"
        raise InvalidResponseError(msg, "$.next_cursor")
    return JobPage(
        snapshot=snapshot,
        label=envelope.page,
        rows=companies(_rows(answer, snapshot.status)),
        next_cursor=envelope.next_cursor,
    )


def _rows(answer: dict[str, Any], status: JobStatus) -> list[object]:
    rows = answer.get("rows", [])
    if rows is None and status in {JobStatus.PENDING, JobStatus.UNKNOWN}:
        # What a job that has not begun puts here is not known (facts.md, "Read").
        return []
    if not isinstance(rows, list):
        raise InvalidResponseError("the answer's $.rows must be a list", "$.rows")
    return cast("list[object]", rows)
