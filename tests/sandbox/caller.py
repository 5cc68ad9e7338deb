"""A caller of the service without sockets, who accepts nothing off the contract."""

import json
from typing import Any

import attrs

from openfunnel_async.sandbox import Kind, SandboxReply, SandboxRequest, Service
from tests.sandbox.contract import violations

JOBS = "/api/v1/account/search-lookalikes-bulk"


@attrs.frozen
class Answer:
    """A reply with its body read."""

    status: int
    body: Any
    reply: SandboxReply


@attrs.define
class Caller:
    """Asks a service, and holds each answer against the contract.

    Attributes:
        service: The service asked.
        key: The key sent, None for none.
        believes: Whether answers are checked against the contract; not while a fault
            puts them outside it.
    """

    service: Service
    key: str | None = attrs.field(
        default=attrs.Factory(lambda self: self.service.api_key, takes_self=True)
    )
    believes: bool = True

    def submit(self, **fields: object) -> Answer:
        return self.post("submit", JOBS, {"query": "voice ai", **fields})

    def start(self, *, limit: int = 250, **fields: object) -> str:
        """Submit a search that is taken, and give the job's id."""
        answer = self.submit(limit=limit, **fields)
        assert answer.status < 300
        return str(answer.body["job_id"])

    def read(self, job_id: str, cursor: str | None = None, **query: str) -> Answer:
        pairs = dict(query) if cursor is None else {"cursor": cursor, **query}
        request = self._request("GET", f"{JOBS}/{job_id}", query=tuple(pairs.items()))
        return self.ask("read", request)

    def read_all(self, job_id: str) -> list[dict[str, object]]:
        """Read every written page, one cursor after the other."""
        rows: list[dict[str, object]] = []
        cursor: str | None = None
        while True:
            page = self.read(job_id, cursor).body
            rows += page["rows"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    def cancel(self, job_id: str) -> Answer:
        return self.ask("cancel", self._request("POST", f"{JOBS}/{job_id}/cancel"))

    def balance(self) -> Answer:
        return self.ask("balance", self._request("GET", "/api/v1/credits/balance"))

    def sign_up(self, **fields: object) -> Answer:
        return self.post("sign-up", "/api/v1/agent/sign-up", fields)

    def verify(self, **fields: object) -> Answer:
        return self.post("verify", "/api/v1/agent/verify", fields)

    def post(self, kind: Kind, path: str, body: object) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(kind, self._request("POST", path, body=data))

    def ask(self, kind: Kind, request: SandboxRequest) -> Answer:
        reply = self.service.handle(request)
        if not self.believes:
            return Answer(reply.status, reply.body, reply)
        assert list(violations(kind, reply)) == []
        return Answer(reply.status, json.loads(reply.body or b"null"), reply)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> SandboxRequest:
        headers = {} if self.key is None else {"x-api-key": self.key}
        if body:
            headers["content-type"] = "application/json"
        return SandboxRequest(
            method=method, path=path, query=query, headers=headers, body=body
        )


def by_hand(**options: Any) -> Caller:
    """Call a service whose clock only moves by hand."""
    return Caller(Service(speed=0, **options))
