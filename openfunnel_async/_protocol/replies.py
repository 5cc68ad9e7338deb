"""What the replies about jobs and credits mean: pure functions.

Each returns a value, or raises the error that the reply means. What a 409 to a cancel
means is decided in ``read_cancel`` only.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar, cast

from openfunnel_async._protocol.codec import (
    JobAnswer,
    check_rows,
    decode,
    decode_quickly,
    exact_rows,
    has_exact_manifest,
    job_answer,
    structure,
    whole,
)
from openfunnel_async._protocol.error_replies import description, failure
from openfunnel_async._transport.wire import WireReply
from openfunnel_async._values.checks import is_job_id, is_unicode
from openfunnel_async._values.models import CreditBalance
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import (
    InvalidResponseError,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)

T = TypeVar("T")
_READABLE_ID = re.compile(rb'"job_id"\s*:\s*"([A-Za-z0-9._~-]{1,128})"')
_REFUSED = 4


class Submitted(NamedTuple):
    """The reply to a submit: the id, and the limit if the reply repeats it."""

    job_id: str
    requested_limit: int | None


class CancelAnswer(NamedTuple):
    """The reply to a cancel.

    Attributes:
        accepted: False for a 409: the job is already completed, failed or cancelled,
            and the answer does not state which (docs/reference/contract.md, "Cancel").
        message: The service's message in an acceptance, if any.
        is_confirmed: Whether an acceptance names this job. An empty 2xx does not, nor
            does JSON about something else: it may not be the service's answer.
    """

    accepted: bool
    message: str | None = None
    is_confirmed: bool = True


def read_submitted(search: LookalikeSearch, reply: WireReply) -> Submitted:
    """Read the reply to a submit.

    Raises:
        SubmitOutcomeUnknownError: A job may be running.
        APIError: The service refused; there is no job.
    """
    if not reply.is_success:
        raise _refused_submit(search, reply)
    try:
        answer = _object(reply)
    except InvalidResponseError as exc:
        fault = str(exc)
    else:
        job_id, limit = answer.get("job_id"), answer.get("requested_limit")
        if isinstance(job_id, str) and is_job_id(job_id):
            return Submitted(job_id=job_id, requested_limit=whole(limit) or None)
        fault = "the answer's $.job_id is not an id"
    raise _unknown(search, fault, reply)


def _refused_submit(search: LookalikeSearch, reply: WireReply) -> OpenFunnelError:
    """Return the error that a reply outside 2xx to a submit means."""
    error = failure(reply)
    family = reply.status_code // 100
    if family == _REFUSED and reply.status_code != HTTPStatus.REQUEST_TIMEOUT:
        return error
    return _unknown(search, str(error), None)


def lost_submit(
    search: LookalikeSearch, why: str, partial: WireReply | None
) -> SubmitOutcomeUnknownError:
    """Return the error of a submit that was sent and got no complete reply."""
    return _unknown(search, why, partial)


def _unknown(
    search: LookalikeSearch, why: str, reply: WireReply | None
) -> SubmitOutcomeUnknownError:
    """Return the error of a submit whose answer could not be read."""
    if reply is None or not reply.is_success:
        return unknown_submit(search, why, None)
    # An HTML page is a login form or a proxy's page: it proves no job.
    exists = not reply.body.lstrip().startswith(b"<")
    job_id = _salvage_id(reply.body)
    return unknown_submit(search, why, job_id, accepted=True, exists=exists)


def unknown_submit(
    search: LookalikeSearch,
    why: str,
    job_id: str | None,
    *,
    accepted: bool = False,
    exists: bool = False,
) -> SubmitOutcomeUnknownError:
    """Return the error of a submit that was sent and whose outcome is unknown."""
    accepted = accepted or job_id is not None
    if job_id is not None:
        advice = f"the job {job_id} exists and bills; attach to it and cancel it"
    elif exists:
        advice = "a job exists and bills, its id is lost; watch the credit balance"
    else:
        advice = "a job may be running and billing; watch the credit balance"
    msg = f"the outcome of the submit is unknown ({why}); {advice}"
    return SubmitOutcomeUnknownError(msg, search, accepted, job_id, search.limit)


def _salvage_id(body: bytes) -> str | None:
    """Return the id in a broken body, or None unless there is exactly one."""
    found = {match.decode() for match in _READABLE_ID.findall(body)}
    job_id = found.pop() if len(found) == 1 else None
    return job_id if is_job_id(job_id) else None


def _begins_as_json(reply: WireReply) -> bool:
    return reply.body.lstrip()[:1] in {b"{", b"["}


def _json(reply: WireReply) -> object:
    return cast("object", _decoded(reply, decode))


def _decoded(reply: WireReply, read: Callable[[bytes], T]) -> T:
    """Decode the body; the error describes a body that does not begin as JSON does."""
    try:
        return read(reply.body)
    except InvalidResponseError:
        if _begins_as_json(reply):
            raise
    raise InvalidResponseError(description(reply), "$", False)


def _object(reply: WireReply) -> dict[str, Any]:
    return _as_object(_json(reply))


def _as_object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise InvalidResponseError("the answer must be a JSON object", "$")
    return cast("dict[str, Any]", answer)


def read_cancel(job_id: str, reply: WireReply) -> CancelAnswer:
    """Read the reply to a cancel.

    Raises:
        InvalidResponseError: A 2xx that is not JSON, such as a login page: the service
            did not write it, so the cancel may not have arrived.
        APIError: The service neither accepted the cancel nor answered 409.
    """
    if reply.status_code == HTTPStatus.CONFLICT:
        return CancelAnswer(accepted=False)
    if not reply.is_success:
        raise failure(reply, job_id=job_id)
    answer = _json(reply) if reply.body.strip() else None
    fields = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
    if fields.get("job_id") != job_id:
        return CancelAnswer(accepted=True, is_confirmed=False)
    message = fields.get("message")
    message = message if isinstance(message, str) else None
    return CancelAnswer(accepted=True, message=message)


def read_balance(reply: WireReply) -> CreditBalance:
    """Read the account's credits."""
    if not reply.is_success:
        raise failure(reply)
    return structure(_object(reply), CreditBalance)


def read_status(job_id: str, reply: WireReply) -> JobAnswer:
    """Read the status of a job; the rows of the answer are not built."""
    fields, answer, _ = _read_answer(job_id, reply)
    # The fields of the page must be valid here, too.
    for key in ("page", "next_cursor"):
        if fields.get(key) is not None:
            _label(fields, key)
    if fields.get("rows") != []:
        _rows(fields, answer.status)
    return answer


def read_page(job_id: str, cursor: str | None, reply: WireReply) -> JobAnswer:
    """Read the status of a job and one page of its rows."""
    fields, answer, is_exact = _read_answer(job_id, reply)
    answer.label = _label(fields, "page")
    answer.next_cursor = _label(fields, "next_cursor")
    rows = _rows(fields, answer.status)
    if None not in (cursor, answer.label) and answer.label != cursor:
        msg = "the answer is not the page that was requested"
        raise InvalidResponseError(msg, "$.page")
    answer.raw_rows = check_rows(rows)
    if not is_exact:
        answer.raw_rows, answer.rows_are_checked = exact_rows(
            answer.raw_rows, lambda: check_rows(_object(reply)["rows"])
        )
    return answer


def _read_answer(
    job_id: str, reply: WireReply
) -> tuple[dict[str, Any], JobAnswer, bool]:
    """Return the fields of an answer about a job, and what it states about the job.

    The third says whether the rows among the fields are exact, see ``Decoded``.
    """
    if not reply.is_success:
        raise failure(reply, job_id=job_id)
    fields, is_exact = _decoded(reply, decode_quickly)
    fields = _as_object(fields)
    if not (is_exact or has_exact_manifest(fields)):
        fields, is_exact = _object(reply), True
    answer = job_answer(fields)
    if answer.job_id != job_id:
        msg = "the answer is not about the job that was requested"
        raise InvalidResponseError(msg, "$.job_id")
    return fields, answer, is_exact


def _label(answer: dict[str, Any], key: str) -> str | None:
    """Return the label of a page; it must be text that can be sent as a cursor."""
    label = answer.get(key)
    if label is None or (type(label) is str and label and is_unicode(label)):
        return label
    path = f"$.{key}"
    raise InvalidResponseError(f"the answer's {path} must be a label or null", path)


def _rows(answer: dict[str, Any], status: JobStatus) -> list[object]:
    rows = answer.get("rows", [])
    if rows is None and status in {JobStatus.PENDING, JobStatus.UNKNOWN}:
        # It is unknown what a pending job answers here: docs/reference/contract.md,
        # "Read".
        return []
    if not isinstance(rows, list):
        raise InvalidResponseError("the answer's $.rows must be a list", "$.rows")
    return cast("list[object]", rows)
