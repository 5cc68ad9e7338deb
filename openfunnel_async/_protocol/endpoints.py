"""Each request of the API, and how its reply is read; no I/O.

A call's kind decides what may be repeated: docs/explanation/money-and-cancellation.md,
"What may be repeated".
"""

import enum
from collections.abc import Callable, Mapping
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import attrs

from openfunnel_async._protocol.codec import JobAnswer, encode
from openfunnel_async._protocol.replies import (
    CancelAnswer,
    Submitted,
    lost_submit,
    read_balance,
    read_cancel,
    read_page,
    read_status,
    read_submitted,
)
from openfunnel_async._transport.wire import (
    Headers,
    WireReply,
    WireRequest,
)
from openfunnel_async._values.models import CreditBalance
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.errors import OpenFunnelError, TransportError

T = TypeVar("T")
_JOBS = "/api/v1/account/search-lookalikes-bulk"
_BALANCE = "/api/v1/credits/balance"
_ACCEPT = Headers({"accept": "application/json"})
# A cache between the client and the service must not answer a poll with an old status.
_ACCEPT_UNCACHED = Headers({"accept": "application/json", "cache-control": "no-cache"})
_ACCEPT_AND_SEND = Headers(
    {"accept": "application/json", "content-type": "application/json"}
)


class Kind(enum.StrEnum):
    """The effect of a request, which decides what may be repeated.

    A sign-up or a verification (``SIGN_UP``) costs nothing, but mails a code or uses
    one up.
    """

    SUBMIT = "submit"
    CANCEL = "cancel"
    READ = "read"
    SIGN_UP = "sign-up"


class Call(NamedTuple, Generic[T]):
    """A request, and how to read its reply.

    Attributes:
        kind: Decides what may be repeated.
        request: The request, still without the key.
        read: Turns a reply into a value, or raises the error that it means.
        lost: Returns the error to raise if a sent request got no complete reply. Its
            arguments are the failure, and the part of the reply that arrived. Without
            it the failure itself is raised.
    """

    kind: Kind
    request: WireRequest
    read: Callable[[WireReply], T]
    lost: Callable[[TransportError, WireReply | None], OpenFunnelError] | None = None


class Endpoints:
    """Build the calls of one service address."""

    def __init__(
        self, origin: str, prefix: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self._origin = origin
        self._prefix = prefix
        self._headers = Headers(headers or {})

    def submit(self, search: LookalikeSearch) -> Call[Submitted]:
        """Start a job: billed, and not idempotent."""

        def lost(failed: TransportError, reply: WireReply | None) -> OpenFunnelError:
            return lost_submit(search, str(failed), reply)

        request = self._post(_JOBS, _search_body(search))
        return Call(Kind.SUBMIT, request, partial(read_submitted, search), lost)

    def status(self, job_id: str) -> Call[JobAnswer]:
        """Read the status of the job; the rows of the answer are not built."""
        return self._get(f"{_JOBS}/{job_id}", partial(read_status, job_id))

    def page(self, job_id: str, cursor: str | None) -> Call[JobAnswer]:
        """Read the job's status and one page of its rows."""
        query = () if cursor is None else (("cursor", cursor),)
        read = partial(read_page, job_id, cursor)
        return self._get(f"{_JOBS}/{job_id}", read, query)

    def cancel(self, job_id: str) -> Call[CancelAnswer]:
        """Ask the job to stop at its next checkpoint."""
        request = self._post(f"{_JOBS}/{job_id}/cancel", None)
        return Call(Kind.CANCEL, request, partial(read_cancel, job_id))

    def balance(self) -> Call[CreditBalance]:
        """Read the account's credits."""
        return self._get(_BALANCE, read_balance)

    def _with_extra(self, headers: Headers) -> Headers:
        return Headers({**self._headers, **headers}) if self._headers else headers

    def _post(self, path: str, fields: dict[str, object] | None) -> WireRequest:
        """Return a request over a fresh connection, with a body if there are fields."""
        return WireRequest(
            method="POST",
            origin=self._origin,
            path=f"{self._prefix}{path}",
            headers=self._with_extra(_ACCEPT if fields is None else _ACCEPT_AND_SEND),
            body=None if fields is None else encode(fields),
            fresh_connection=True,
        )

    def _get(
        self,
        path: str,
        read: Callable[[WireReply], T],
        query: tuple[tuple[str, str], ...] = (),
    ) -> Call[T]:
        request = WireRequest(
            method="GET",
            origin=self._origin,
            path=f"{self._prefix}{path}",
            query=query,
            headers=self._with_extra(_ACCEPT_UNCACHED),
        )
        return Call(kind=Kind.READ, request=request, read=read)


def _search_body(search: LookalikeSearch) -> dict[str, object]:
    """Return the fields that were set, and only those."""
    fields = attrs.asdict(search, recurse=False)
    extra = fields.pop("extra")
    set_ = {name: value for name, value in fields.items() if value not in (None, ())}
    return {**set_, **extra}
