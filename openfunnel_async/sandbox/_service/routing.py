"""Which operation a request means, and whether its key may use it."""

from urllib.parse import unquote

import attrs

from openfunnel_async.sandbox._service.accounts import Account
from openfunnel_async.sandbox._service.jobs import JobState
from openfunnel_async.sandbox._service.messages import (
    KEY_HEADER,
    Issue,
    Kind,
    SandboxReply,
    SandboxRequest,
    json_reply,
    validation_reply,
)
from openfunnel_async.sandbox._service.operations import Operations

_JOBS = ("api", "v1", "account", "search-lookalikes-bulk")
_FIXED: dict[tuple[str, ...], tuple[str, Kind]] = {
    _JOBS: ("POST", "submit"),
    ("api", "v1", "credits", "balance"): ("GET", "balance"),
    ("api", "v1", "agent", "sign-up"): ("POST", "sign-up"),
    ("api", "v1", "agent", "verify"): ("POST", "verify"),
}


@attrs.frozen(kw_only=True)
class Route:
    """The operation of a request.

    Attributes:
        kind: The operation; ``other`` if there is none.
        job_id: The job that the path names, decoded, or None.
        allowed: The only method of the path, or None for an unknown path.
    """

    kind: Kind = "other"
    job_id: str | None = None
    allowed: str | None = None


def find_route(method: str, path: str) -> Route:
    """Return the operation; an encoded slash is a part of a job id."""
    allowed, kind, job_id = _operation(path)
    if method != allowed:
        return Route(job_id=job_id, allowed=allowed)
    return Route(kind=kind, job_id=job_id, allowed=allowed)


def reject_unknown_route(route: Route) -> SandboxReply:
    """Answer a request without an operation: 405 on a known path, else 404."""
    if route.allowed is None:
        return json_reply(404, {"detail": "Not Found"})
    headers = {"allow": route.allowed}
    return json_reply(405, {"detail": "Method Not Allowed"}, headers=headers)


def _operation(path: str) -> tuple[str | None, Kind, str | None]:
    parts = tuple(unquote(part) for part in path.removeprefix("/").split("/"))
    if parts in _FIXED:
        return (*_FIXED[parts], None)
    if parts[: len(_JOBS)] != _JOBS:
        return (None, "other", None)
    match parts[len(_JOBS) :]:
        case (job_id,) if job_id:
            return ("GET", "read", job_id)
        case (job_id, "cancel") if job_id:
            return ("POST", "cancel", job_id)
        case _:
            return (None, "other", None)


@attrs.frozen(kw_only=True)
class RoutedRequest:
    """A request with its operation, account and time.

    Attributes:
        request: The request.
        route: Its operation.
        account: The account of its key, None without a key or for a wrong one.
        moment: Sandbox time of its arrival.
    """

    request: SandboxRequest
    route: Route
    account: Account | None
    moment: float


def serve_request(
    operations: Operations, routed: RoutedRequest, shown: JobState | None
) -> SandboxReply:
    """Let a request take effect; a read returns ``shown`` if it is given."""
    match routed.route.kind:
        case "other":
            return reject_unknown_route(routed.route)
        case "sign-up":
            return operations.sign_up(routed.request, routed.moment)
        case "verify":
            return operations.verify(routed.request, routed.moment)
        case _ if routed.account is None:
            return _reject_key(routed.request, operations.unknowns.wrong_key_status)
        case _:
            return _serve(operations, routed, routed.account, shown)


def _serve(
    operations: Operations,
    routed: RoutedRequest,
    account: Account,
    shown: JobState | None,
) -> SandboxReply:
    request, moment, job_id = routed.request, routed.moment, routed.route.job_id or ""
    match routed.route.kind:
        case "submit":
            return operations.submit(account, request, moment)
        case "cancel":
            return operations.cancel(account, job_id, moment)
        case "balance":
            return operations.balance(account)
        case _:
            return operations.read(account, job_id, request, moment, shown)


def _reject_key(request: SandboxRequest, wrong_key_status: int) -> SandboxReply:
    """Reject a missing or a wrong key; see docs/reference/contract.md, "Access"."""
    key = request.headers.get(KEY_HEADER)
    if key:
        detail = "This API key is not known."
        return json_reply(wrong_key_status, {"detail": detail})
    loc, msg = ("header", "X-API-Key"), "Field required"
    return validation_reply([Issue(type="missing", loc=loc, msg=msg, input=key)])
