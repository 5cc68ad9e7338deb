"""Who may ask for what: from a route to its operation, the key looked at first."""

from __future__ import annotations

import attrs

from ._accounts import Account
from ._evidence import KEY_HEADER
from ._jobs import JobState
from ._messages import Issue, SandboxReply, SandboxRequest, invalid, json_reply
from ._operations import Operations
from ._routes import Route, astray


@attrs.frozen(kw_only=True)
class Visit:
    """One request with everything that is known on its arrival.

    Attributes:
        request: What arrived.
        route: Where it goes.
        account: Whose key it carries, None for no key or a wrong one.
        moment: Sandbox time.
    """

    request: SandboxRequest
    route: Route
    account: Account | None
    moment: float


def answer(
    operations: Operations, visit: Visit, shown: JobState | None
) -> SandboxReply:
    """Let a request take effect; a read shows ``shown`` in place of now."""
    match visit.route.kind:
        case "other":
            return astray(visit.route)
        case "sign-up":
            return operations.sign_up(visit.request, visit.moment)
        case "verify":
            return operations.verify(visit.request, visit.moment)
        case _ if visit.account is None:
            return _turned_away(visit.request, operations.unknowns.wrong_key_status)
        case _:
            return _serve(operations, visit, visit.account, shown)


def _serve(
    operations: Operations, visit: Visit, account: Account, shown: JobState | None
) -> SandboxReply:
    request, moment, job_id = visit.request, visit.moment, visit.route.job_id or ""
    match visit.route.kind:
        case "submit":
            return operations.submit(account, request, moment)
        case "cancel":
            return operations.cancel(account, job_id, moment)
        case "balance":
            return operations.balance(account)
        case _:
            return operations.read(account, job_id, request, moment, shown)


def _turned_away(request: SandboxRequest, wrong_key_status: int) -> SandboxReply:
    """Refuse a missing or a wrong key; contract/facts.md, "Access"."""
    key = request.headers.get(KEY_HEADER)
    if key:
        detail = "This API key is not known."
        return json_reply(wrong_key_status, {"detail": detail})
    loc, msg = ("header", "X-API-Key"), "Field required"
    return invalid([Issue(type="missing", loc=loc, msg=msg, input=key)])
