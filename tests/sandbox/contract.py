"""The replies of a sandbox, checked against tests/contract/openapi.yaml."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from openfunnel_async.sandbox import Kind, SandboxReply

PATH = Path(__file__).parent.parent / "contract" / "openapi.yaml"

_JOBS = "/api/v1/account/search-lookalikes-bulk"
_OPERATIONS: dict[Kind, tuple[str, str]] = {
    "submit": (_JOBS, "post"),
    "read": (f"{_JOBS}/{{job_id}}", "get"),
    "cancel": (f"{_JOBS}/{{job_id}}/cancel", "post"),
    "balance": ("/api/v1/credits/balance", "get"),
    "sign-up": ("/api/v1/agent/sign-up", "post"),
    "verify": ("/api/v1/agent/verify", "post"),
}
_ONLY_IN_FACTS = {400, 401, 403}
"""Statuses that facts.md allows and openapi.yaml does not spell out."""


@cache
def document() -> dict[str, Any]:
    """Read the contract."""
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text("utf-8"))
    return loaded


def violations(kind: Kind, reply: SandboxReply) -> Iterator[str]:
    """List what of a reply the contract does not allow."""
    path, method = _OPERATIONS[kind]
    responses = document()["paths"][path][method]["responses"]
    # facts.md, "Submit": take any 2xx; it has the one described body.
    status = 200 if kind == "submit" and reply.status < 300 else reply.status
    response = responses.get(str(status))
    if response is None:
        if status not in _ONLY_IN_FACTS:
            yield f"{kind} does not answer {reply.status}"
    elif schema := _schema(response):
        for error in _validator(schema).iter_errors(json.loads(reply.body)):
            yield f"{kind} {reply.status} at {error.json_path}: {error.message}"


def _schema(response: dict[str, Any]) -> dict[str, Any] | None:
    if reference := response.get("$ref"):
        name = reference.rpartition("/")[2]
        response = document()["components"]["responses"][name]
    content = response.get("content", {})
    schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return schema


def _validator(schema: dict[str, Any]) -> Validator:
    # The references point into the document: it stands around the schema.
    return Draft202012Validator({**schema, "components": document()["components"]})
