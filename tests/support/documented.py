"""What the contract knows of: the requests that may be made, and no others."""

import re
from collections.abc import Iterable

from openfunnel_async.sandbox import SeenRequest

__all__ = ["JOBS", "strangers"]

JOBS = "/api/v1/account/search-lookalikes-bulk"
_DOCUMENTED = re.compile(
    rf"POST {JOBS}|GET {JOBS}/[0-9a-f-]{{36}}|POST {JOBS}/[0-9a-f-]{{36}}/cancel"
    r"|GET /api/v1/credits/balance"
)


def strangers(seen: Iterable[SeenRequest], *origins: str) -> list[SeenRequest]:
    """Return the requests to another path or origin, or without the right key."""
    return [
        request
        for request in seen
        if _DOCUMENTED.fullmatch(f"{request.method} {request.path}") is None
        or f"http://{dict(request.headers)['host']}" not in origins
        or request.key != "right"
    ]
