"""Plans exchanges: which of them have a fault, and which fault."""

import errno
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import attrs

from openfunnel_async.sandbox import (
    CompletesUnderCancel,
    EditedAnswer,
    EmptyAnswer,
    Fault,
    GatewayPage,
    Kind,
    LoginPage,
    OtherJob,
    StaleRead,
    StatusFault,
    UnfinishedManifest,
    UnknownStatus,
    VanishedJob,
)
from tests.storm.exchange_plans import SILENCE, BodyEdit, Break, ExchangePlan, When
from tests.storm.random_choices import RandomChoices
from tests.storm.schedule import Outage

_FAULTS: dict[str, float] = {
    "refused": 3,
    "cut before": 2,
    "lost": 3,
    "cut reply": 2,
    "stuck reply": 1.5,
    "slow": 4,
    "429": 4,
    "408": 1,
    "5xx": 4,
    "3xx": 0.7,
    "4xx": 0.7,
    "not json": 2,
    "cut json": 1,
    "wrong shape": 2,
    "foreign": 3,
    "no reply": 0.7,
    "login page": 0.7,
}
_READ_FAULTS: dict[str, float] = {
    "unknown word": 3,
    "stale": 4,
    "vanished": 1,
    "gateway page": 1,
    "odd fields": 2,
    "unfinished manifest": 4,
}
_CANCEL_FAULTS: dict[str, float] = {
    "completes under cancel": 6,
    "false 409": 7,
    "empty answer": 3,
    "other job": 3,
    "vanished": 2,
    "gateway page": 2,
}
FAULTS_BY_KIND: dict[str, dict[str, float]] = {
    "submit": _FAULTS,
    "read": _FAULTS | _READ_FAULTS,
    "cancel": _FAULTS | _CANCEL_FAULTS,
    "balance": _FAULTS,
}
_FALSE_SUCCESSES = {"login page", "empty answer", "other job"}
_DAMAGED = {"not json", "cut json", "wrong shape"}
# A service that is wrong about a cancel repeats that for some time.
_PERSISTENT = {"false 409", "empty answer", "other job", "login page", "vanished"}
_BREAKS = {
    "refused": Break.REFUSED,
    "cut before": Break.CUT_BEFORE,
    "lost": Break.LOST,
    "cut reply": Break.CUT_REPLY,
    "stuck reply": Break.STUCK_REPLY,
    "no reply": Break.NO_REPLY,
}
_SANDBOX_FAULTS: dict[str, Fault] = {
    "unknown word": UnknownStatus(word="resting"),
    "stale": StaleRead(),
    "completes under cancel": CompletesUnderCancel(),
}
_NOT_JSON = (
    b"",
    b"<html>Bad gateway</html>",
    b"\xff\xfe\x00",
    b'{"job_id": NaN}',
    b"[" * 3000,
    b'{"job_id": "',
)
_WRONG_FIELDS: dict[str, tuple[dict[str, object], ...]] = {
    "submit": ({"job_id": None}, {"job_id": 7}, {"job_id": "../x"}, {"job_id": ""}),
    "read": (
        {"job_id": "another"},
        {"status": 7},
        {"status": None},
        {"manifest": []},
        {"next_cursor": 5, "manifest": 5},
    ),
    "cancel": ({"status": 5}, {"message": None}, {"job_id": 4}),
    "balance": ({"credits_used": "few"}, {"credits_left": None}),
}
# Informative fields may have any type; the rows can still be read.
_ODD_FIELDS: tuple[dict[str, object], ...] = (
    {"progress_message": {"stage": "rerank", "done": 3}},
    {"progress_message": ["a", "b"], "processed": 12.0},
    {"processed": "many"},
    {"processed": -1},
    {"processed": None, "progress_message": 4},
    {"page_size": "100", "error_message": {"code": 3}},
)
# Exceptions of other libraries; some can only come before the first byte.
_FOREIGN: tuple[Callable[[], Exception], ...] = (
    partial(RuntimeError, "Session is closed"),
    partial(TypeError, "'NoneType' object is not callable"),
    partial(MemoryError),
    partial(ExceptionGroup, "several", [ValueError("one"), OSError("another")]),
    partial(KeyError, "connector"),
)
_FOREIGN_BEFORE: tuple[Callable[[], Exception], ...] = (
    partial(RuntimeError, "can't start new thread"),
    partial(OSError, errno.EMFILE, "Too many open files"),
    partial(OSError, errno.ENFILE, "Too many open files in system"),
)
_USUAL_SECONDS = (0, 1, 2, 5, 20, 45)
_LONG_SECONDS = (61, 600, 86_400, 10**12)
_INVALID_SECONDS = (
    "soon",
    "-5",
    "nan",
    "inf",
    "1e999",
    "",
    "Wed, 99 Foo",
    "0x10",
    ";",
    "9" * 400,
)
_REFUSALS = (400, 401, 402, 403, 404, 422)


class PlanGenerator:
    """Plans the exchanges of one schedule."""

    def __init__(
        self, rng: RandomChoices, fault_rate: float, latency: float, key: str
    ) -> None:
        self._rng = rng
        self._fault_rate = fault_rate
        self._latency = latency
        self._key = key
        self._persistent: ExchangePlan | None = None

    def plan_exchange(self, kind: Kind) -> ExchangePlan:
        """Plan an exchange of this kind."""
        rng = self._rng
        usual = ExchangePlan(
            connect_seconds=rng.seconds(self._latency) if rng.chance(0.5) else 0.0,
            request_seconds=rng.seconds(self._latency),
            reply_seconds=rng.seconds(self._latency),
            arrives_anyway=rng.chance(0.7),
        )
        if kind == "cancel" and self._persistent is not None and rng.chance(0.7):
            return self._persistent
        if not rng.chance(self._fault_rate):
            return usual
        name = rng.weighted(FAULTS_BY_KIND[kind])
        plan = attrs.evolve(self._with_fault(name, kind, usual), name=name)
        if kind == "cancel":
            self._persistent = plan if name in _PERSISTENT else None
        return plan

    def in_outage(self, kind: Outage) -> ExchangePlan:
        """Return the plan of every exchange in an outage."""
        match kind:
            case "outage: refused":
                return ExchangePlan(
                    name=kind, connect_seconds=0.25, connection_break=Break.REFUSED
                )
            case "outage: silent":
                return ExchangePlan(
                    name=kind, request_seconds=SILENCE, arrives_anyway=False
                )
            case "outage: 503":
                return ExchangePlan(
                    name=kind, request_seconds=0.25, fault=StatusFault(status=503)
                )
            case "outage: lost":
                return ExchangePlan(
                    name=kind, request_seconds=0.25, connection_break=Break.LOST
                )

    def _with_fault(self, name: str, kind: Kind, usual: ExchangePlan) -> ExchangePlan:
        rng = self._rng
        if name in _BREAKS:
            return attrs.evolve(
                usual, connection_break=_BREAKS[name], kept_share=rng.random()
            )
        if name in _SANDBOX_FAULTS:
            return attrs.evolve(usual, fault=_SANDBOX_FAULTS[name])
        faults: dict[str, Callable[[], Fault]] = {
            "vanished": self._vanished,
            "gateway page": self._gateway_page,
            "odd fields": self._odd_fields,
            "unfinished manifest": self._incomplete_manifest,
        }
        if name in faults:
            return attrs.evolve(usual, fault=faults[name]())
        if name in _FALSE_SUCCESSES | _DAMAGED:
            return self._misleading(name, kind, usual)
        others = {"slow": self._delayed, "foreign": self._with_foreign_exception}
        return others.get(name, partial(self._with_status, name))(usual)

    def _with_foreign_exception(self, usual: ExchangePlan) -> ExchangePlan:
        """Raise an exception of another library, before or after the first byte."""
        rng = self._rng
        when: When = rng.choice(["before", "before", "after"])
        kinds = _FOREIGN + (_FOREIGN_BEFORE if when == "before" else ())
        return attrs.evolve(
            usual,
            make_exception=rng.choice(kinds),
            when=when,
            is_silent=rng.chance(0.3),
            arrives_anyway=rng.chance(0.5),
        )

    def _false_success(self, name: str) -> Fault:
        """Answer 2xx with a body that states nothing about this job."""
        rng = self._rng
        processed = rng.chance(0.4)
        match name:
            case "empty answer":
                status = rng.choice([200, 202, 204])
                return EmptyAnswer(status=status, processed=processed)
            case "other job" if rng.chance(0.3):
                return OtherJob(job_id=None, processed=processed)
            case "other job":
                return OtherJob(processed=processed)
            case _:
                return LoginPage()

    def _vanished(self) -> Fault:
        """Answer 404 for a job that a read has stated."""
        return VanishedJob(page=self._rng.choice(["json", "html", "text"]))

    def _odd_fields(self) -> Fault:
        """Give informative fields an unexpected type."""
        return EditedAnswer(
            on="read", edit=partial(_with_fields_of, self._rng.choice(_ODD_FIELDS))
        )

    def _gateway_page(self) -> Fault:
        """Answer with the error page of a gateway."""
        rng = self._rng
        text = rng.choice([None, "default backend - 404"])
        return GatewayPage(
            status=rng.choice([404, 404, 502, 503, 504]),
            text=text,
            processed=rng.chance(0.3),
        )

    def _incomplete_manifest(self) -> Fault:
        """Answer reads of a terminal job with an incomplete manifest."""
        gaps = {"no bill": 4, "null": 2, "absent": 2, "bill": 1.5, "count": 0.5}
        match self._rng.weighted(gaps):
            case "no bill":
                return UnfinishedManifest()
            case "null":
                nulls = ("credits_consumed", "count")
                return UnfinishedManifest(missing=(), nulls=nulls)
            case "absent":
                return UnfinishedManifest(absent=True)
            case "bill":
                return UnfinishedManifest(missing=(), billed_short_by=1)
            case _:
                return UnfinishedManifest(missing=(), count_short_by=-1)

    def _delayed(self, usual: ExchangePlan) -> ExchangePlan:
        seconds = self._rng.seconds(40)
        match self._rng.choice(["connect", "there", "back"]):
            case "connect":
                return attrs.evolve(usual, connect_seconds=seconds)
            case "there":
                return attrs.evolve(usual, request_seconds=seconds)
            case _:
                return attrs.evolve(usual, reply_seconds=seconds)

    def _misleading(self, name: str, kind: Kind, usual: ExchangePlan) -> ExchangePlan:
        rng = self._rng
        usual = attrs.evolve(usual, is_misleading=True)
        if name in _FALSE_SUCCESSES:
            return attrs.evolve(usual, fault=self._false_success(name))
        edits: dict[str, BodyEdit] = {
            "not json": partial(_replaced, rng.choice(_NOT_JSON)),
            "cut json": partial(_cut_off, rng.random()),
            "wrong shape": partial(_with_fields, rng.choice(_WRONG_FIELDS[kind])),
        }
        return attrs.evolve(usual, edit_body=edits[name])

    def _with_status(self, name: str, usual: ExchangePlan) -> ExchangePlan:
        """Answer with a status code; a refusal has no effect."""
        rng = self._rng
        processed = rng.chance(0.5)
        body: object = rng.choice([None, b"", b"<html>", self._echoed_key()])
        retry_after: float | None = None
        headers: dict[str, str] = {}
        match name:
            case "429":
                status, processed = 429, False
            case "408":
                status = 408
            case "3xx":
                status = rng.choice([301, 302, 307, 308])
                headers["location"] = "https://elsewhere.example/"
            case "4xx":
                status, processed = rng.choice(_REFUSALS), False
            case "false 409":
                status, processed = 409, False
            case _:
                status = rng.choice([500, 502, 503, 504])
        if name in {"429", "5xx"}:
            retry_after, more, body = self._retry_after(body)
            headers |= more
        fault = StatusFault(status=status, body=body, processed=processed)
        return attrs.evolve(
            usual, fault=fault, headers=headers, retry_after=retry_after
        )

    def _retry_after(self, body: object) -> tuple[float | None, dict[str, str], object]:
        """Draw a Retry-After: its seconds if they are valid, headers, body."""
        rng = self._rng
        seconds = rng.choice(_LONG_SECONDS if rng.chance(0.15) else _USUAL_SECONDS)
        match rng.weighted({"none": 3, "header": 4, "body": 1, "date": 1, "absurd": 2}):
            case "header":
                return float(seconds), {"retry-after": str(seconds)}, body
            case "body":
                said = {"details": {"retry_after_seconds": seconds}}
                return float(seconds), {}, said
            case "date":
                then = f"Tue, 06 Oct 2026 10:00:{rng.choice(_USUAL_SECONDS):02} GMT"
                now = "Tue, 06 Oct 2026 10:00:00 GMT"
                retry_after = float(then[-6:-4])
                return retry_after, {"retry-after": then, "date": now}, body
            case "absurd":
                return None, {"retry-after": rng.choice(_INVALID_SECONDS)}, body
            case _:
                return None, {}, body

    def _echoed_key(self) -> object:
        """Return the body of a service that repeats the key."""
        where = {"loc": ["header", "X-API-Key"], "type": "value_error"}
        said = {"msg": f"not {self._key}", "input": self._key}
        return {"detail": [where | said], "key": self._key}


def _replaced(said: bytes, _body: bytes) -> bytes:
    return said


def _with_fields_of(odd: Mapping[str, object], body: dict[str, Any]) -> dict[str, Any]:
    return body | dict(odd)


def _cut_off(kept_share: float, body: bytes) -> bytes:
    return body[: int(len(body) * kept_share)]


def _with_fields(wrong: Mapping[str, object], body: bytes) -> bytes:
    answer = cast("dict[str, Any]", json.loads(body))
    return json.dumps(answer | dict(wrong)).encode()
