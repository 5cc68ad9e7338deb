"""Which operation of contract/openapi.yaml a method and a path mean."""

from __future__ import annotations

from urllib.parse import unquote

import attrs

from ._messages import Kind, SandboxReply, json_reply

_JOBS = ("api", "v1", "account", "search-lookalikes-bulk")
_FIXED: dict[tuple[str, ...], tuple[str, Kind]] = {
    _JOBS: ("POST", "submit"),
    ("api", "v1", "credits", "balance"): ("GET", "balance"),
    ("api", "v1", "agent", "sign-up"): ("POST", "sign-up"),
    ("api", "v1", "agent", "verify"): ("POST", "verify"),
}


@attrs.frozen(kw_only=True)
class Route:
    """Where a request goes.

    Attributes:
        kind: The operation, ``other`` where there is none.
        job_id: The job its path names, decoded, or None.
        allowed: The only method the path takes, or None for an unknown path.
    """

    kind: Kind = "other"
    job_id: str | None = None
    allowed: str | None = None


def find(method: str, path: str) -> Route:
    """Find the operation; a slash inside an encoded job id does not split it."""
    allowed, kind, job_id = _operation(path)
    if method != allowed:
        return Route(job_id=job_id, allowed=allowed)
    return Route(kind=kind, job_id=job_id, allowed=allowed)


def astray(route: Route) -> SandboxReply:
    """Answer a request that means no operation: 405 on a known path, else 404."""
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
