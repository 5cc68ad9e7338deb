"""Each request of the API, without any I/O.

What may be repeated follows from a call's kind (design: Money and truth); what the
replies mean, ``_answers`` says.
"""

import enum
from collections.abc import Callable
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
from openfunnel_async._transport.wire import Headers, WireReply, WireRequest
from openfunnel_async._values.models import CreditBalance
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.errors import OpenFunnelError

T = TypeVar("T")
_JOBS = "/api/v1/account/search-lookalikes-bulk"
_BALANCE = "/api/v1/credits/balance"
_ACCEPT = Headers({"accept": "application/json"})
# A cache on the way must not answer a poll with what was true a minute ago.
_ACCEPT_ANEW = Headers({"accept": "application/json", "cache-control": "no-cache"})
_ACCEPT_AND_SEND = Headers(
    {"accept": "application/json", "content-type": "application/json"}
)


class Kind(enum.Enum):
    """What a request does to money, which decides what may be repeated."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    READ = "read"


class Call(NamedTuple, Generic[T]):
    """A request and how to read what comes of it.

    Attributes:
        kind: Decides what may be repeated.
        request: The request, still without the key.
        read: Turns a reply into a value, or raises the error that it means.
        lost: From why, and what had come, to the error to raise when a sent request
            got no complete reply; without it the failure itself is raised.
    """

    kind: Kind
    request: WireRequest
    read: Callable[[WireReply], T]
    lost: Callable[[str, WireReply | None], OpenFunnelError] | None = None


class Endpoints:
    """Build the calls of one service address."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

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
        return Call(
            kind=Kind.SUBMIT,
            request=request,
            read=partial(read_submitted, search),
            lost=partial(lost_submit, search),
        )

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
        request = WireRequest(
            method="POST",
            origin=self._origin,
            path=f"{_JOBS}/{job_id}/cancel",
            headers=_ACCEPT,
            fresh_connection=True,
        )
        read = partial(read_cancel, job_id)
        return Call(kind=Kind.CANCEL, request=request, read=read)

    def balance(self) -> Call[CreditBalance]:
        """Read the account's credits."""
        return self._get(_BALANCE, read_balance)

    def _get(
        self,
        path: str,
        read: Callable[[WireReply], T],
        query: tuple[tuple[str, str], ...] = (),
    ) -> Call[T]:
        request = WireRequest(
            method="GET",
            origin=self._origin,
            path=path,
            query=query,
            headers=_ACCEPT_ANEW,
        )
        return Call(kind=Kind.READ, request=request, read=read)


def _search_body(search: LookalikeSearch) -> dict[str, object]:
    """Return the fields that were set, and only those."""
    fields = attrs.asdict(search)
    return {name: value for name, value in fields.items() if value not in (None, ())}
