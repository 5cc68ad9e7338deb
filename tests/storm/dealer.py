"""Deals fates: who comes to harm in a schedule's weather, and how."""

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
from tests.storm.dice import Dice
from tests.storm.fates import SILENCE, Break, Fate, Mangle, When
from tests.storm.schedule import Outage

_HARMS: dict[str, float] = {
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
_OF_READS: dict[str, float] = {
    "unknown word": 3,
    "stale": 4,
    "vanished": 1,
    "gateway page": 1,
    "odd fields": 2,
    "unfinished manifest": 4,
}
_OF_CANCELS: dict[str, float] = {
    "completes under cancel": 6,
    "false 409": 7,
    "empty answer": 3,
    "other job": 3,
    "vanished": 2,
    "gateway page": 2,
}
HARMS_BY_KIND: dict[str, dict[str, float]] = {
    "submit": _HARMS,
    "read": _HARMS | _OF_READS,
    "cancel": _HARMS | _OF_CANCELS,
    "balance": _HARMS,
}
_LIES = {"login page", "empty answer", "other job"}
_SPOILS = {"not json", "cut json", "wrong shape"}
# A service that is wrong about a cancel is so for a while.
_STUBBORN = {"false 409", "empty answer", "other job", "login page", "vanished"}
_BREAKS = {
    "refused": Break.REFUSED,
    "cut before": Break.CUT_BEFORE,
    "lost": Break.LOST,
    "cut reply": Break.CUT_REPLY,
    "stuck reply": Break.STUCK_REPLY,
    "no reply": Break.NO_REPLY,
}
_FAULTS: dict[str, Fault] = {
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
_WRONG: dict[str, tuple[dict[str, object], ...]] = {
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
# What only informs may have any type; the rows stay readable.
_ODD: tuple[dict[str, object], ...] = (
    {"progress_message": {"stage": "rerank", "done": 3}},
    {"progress_message": ["a", "b"], "processed": 12.0},
    {"processed": "many"},
    {"processed": -1},
    {"processed": None, "progress_message": 4},
    {"page_size": "100", "error_message": {"code": 3}},
)
# Before the first byte leaves, and after; some can only come before.
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
_SANE = (0, 1, 2, 5, 20, 45)
_TOO_LONG = (61, 600, 86_400, 10**12)
_ABSURD = (
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


class Fates:
    """Deals fates, in one schedule's weather."""

    def __init__(self, dice: Dice, harm: float, slowness: float, key: str) -> None:
        self._dice = dice
        self._harm = harm
        self._slowness = slowness
        self._key = key
        self._stubborn: Fate | None = None

    def deal(self, kind: Kind) -> Fate:
        """Deal the fate of a request of this kind."""
        dice = self._dice
        usual = Fate(
            connect=dice.quarters(self._slowness) if dice.chance(0.5) else 0.0,
            there=dice.quarters(self._slowness),
            back=dice.quarters(self._slowness),
            outlives=dice.chance(0.7),
        )
        if kind == "cancel" and self._stubborn is not None and dice.chance(0.7):
            return self._stubborn
        if not dice.chance(self._harm):
            return usual
        name = dice.draw(HARMS_BY_KIND[kind])
        fate = attrs.evolve(self._harmed(name, kind, usual), name=name)
        if kind == "cancel":
            self._stubborn = fate if name in _STUBBORN else None
        return fate

    def in_outage(self, kind: Outage) -> Fate:
        """Give the fate of every request in an outage."""
        match kind:
            case "outage: refused":
                return Fate(name=kind, connect=0.25, broken=Break.REFUSED)
            case "outage: silent":
                return Fate(name=kind, there=SILENCE, outlives=False)
            case "outage: 503":
                return Fate(name=kind, there=0.25, fault=StatusFault(status=503))
            case "outage: lost":
                return Fate(name=kind, there=0.25, broken=Break.LOST)

    def _harmed(self, name: str, kind: Kind, usual: Fate) -> Fate:
        dice = self._dice
        if name in _BREAKS:
            return attrs.evolve(usual, broken=_BREAKS[name], kept=dice.random())
        if name in _FAULTS:
            return attrs.evolve(usual, fault=_FAULTS[name])
        faults: dict[str, Callable[[], Fault]] = {
            "vanished": self._vanished,
            "gateway page": self._page,
            "odd fields": self._odd,
            "unfinished manifest": self._gap,
        }
        if name in faults:
            return attrs.evolve(usual, fault=faults[name]())
        if name in _LIES | _SPOILS:
            return self._spoiled(name, kind, usual)
        others = {"slow": self._slowed, "foreign": self._foreign}
        return others.get(name, partial(self._refused, name))(usual)

    def _foreign(self, usual: Fate) -> Fate:
        """Raise what is not the client's own, before or after something was sent."""
        dice = self._dice
        when: When = dice.choice(["before", "before", "after"])
        kinds = _FOREIGN + (_FOREIGN_BEFORE if when == "before" else ())
        return attrs.evolve(
            usual,
            foreign=dice.choice(kinds),
            when=when,
            is_silent=dice.chance(0.3),
            outlives=dice.chance(0.5),
        )

    def _lie(self, name: str) -> Fault:
        """Answer 2xx with something that says nothing of this job."""
        dice = self._dice
        processed = dice.chance(0.4)
        match name:
            case "empty answer":
                status = dice.choice([200, 202, 204])
                return EmptyAnswer(status=status, processed=processed)
            case "other job" if dice.chance(0.3):
                return OtherJob(job_id=None, processed=processed)
            case "other job":
                return OtherJob(processed=processed)
            case _:
                return LoginPage()

    def _vanished(self) -> Fault:
        """Answer 404 for a job that a read has shown."""
        return VanishedJob(page=self._dice.choice(["json", "html", "text"]))

    def _odd(self) -> Fault:
        """Give fields that only inform a type that nobody expects."""
        return EditedAnswer(on="read", edit=partial(_edited, self._dice.choice(_ODD)))

    def _page(self) -> Fault:
        """Answer with the error page of a gateway."""
        dice = self._dice
        text = dice.choice([None, "default backend - 404"])
        return GatewayPage(
            status=dice.choice([404, 404, 502, 503, 504]),
            text=text,
            processed=dice.chance(0.3),
        )

    def _gap(self) -> Fault:
        """Answer reads of an ended job with a manifest that is not complete yet."""
        gaps = {"no bill": 4, "null": 2, "absent": 2, "bill": 1.5, "count": 0.5}
        match self._dice.draw(gaps):
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

    def _slowed(self, usual: Fate) -> Fate:
        seconds = self._dice.quarters(40)
        match self._dice.choice(["connect", "there", "back"]):
            case "connect":
                return attrs.evolve(usual, connect=seconds)
            case "there":
                return attrs.evolve(usual, there=seconds)
            case _:
                return attrs.evolve(usual, back=seconds)

    def _spoiled(self, name: str, kind: Kind, usual: Fate) -> Fate:
        dice = self._dice
        usual = attrs.evolve(usual, is_spoiled=True)
        if name in _LIES:
            return attrs.evolve(usual, fault=self._lie(name))
        mangles: dict[str, Mangle] = {
            "not json": partial(_instead, dice.choice(_NOT_JSON)),
            "cut json": partial(_cut, dice.random()),
            "wrong shape": partial(_with, dice.choice(_WRONG[kind])),
        }
        return attrs.evolve(usual, mangle=mangles[name])

    def _refused(self, name: str, usual: Fate) -> Fate:
        """Answer with a status; one that refuses had no effect."""
        dice = self._dice
        processed = dice.chance(0.5)
        body: object = dice.choice([None, b"", b"<html>", self._echo()])
        asked: float | None = None
        headers: dict[str, str] = {}
        match name:
            case "429":
                status, processed = 429, False
            case "408":
                status = 408
            case "3xx":
                status = dice.choice([301, 302, 307, 308])
                headers["location"] = "https://elsewhere.example/"
            case "4xx":
                status, processed = dice.choice(_REFUSALS), False
            case "false 409":
                status, processed = 409, False
            case _:
                status = dice.choice([500, 502, 503, 504])
        if name in {"429", "5xx"}:
            asked, more, body = self._retry_after(body)
            headers |= more
        fault = StatusFault(status=status, body=body, processed=processed)
        return attrs.evolve(usual, fault=fault, headers=headers, asked=asked)

    def _retry_after(self, body: object) -> tuple[float | None, dict[str, str], object]:
        """Deal what an answer asks for: seconds in good form, headers, body."""
        dice = self._dice
        seconds = dice.choice(_TOO_LONG if dice.chance(0.15) else _SANE)
        match dice.draw({"none": 3, "header": 4, "body": 1, "date": 1, "absurd": 2}):
            case "header":
                return float(seconds), {"retry-after": str(seconds)}, body
            case "body":
                said = {"details": {"retry_after_seconds": seconds}}
                return float(seconds), {}, said
            case "date":
                then = f"Tue, 06 Oct 2026 10:00:{dice.choice(_SANE):02} GMT"
                now = "Tue, 06 Oct 2026 10:00:00 GMT"
                asked = float(then[-6:-4])
                return asked, {"retry-after": then, "date": now}, body
            case "absurd":
                return None, {"retry-after": dice.choice(_ABSURD)}, body
            case _:
                return None, {}, body

    def _echo(self) -> object:
        """Give the body of a service that repeats what it was sent."""
        where = {"loc": ["header", "X-API-Key"], "type": "value_error"}
        said = {"msg": f"not {self._key}", "input": self._key}
        return {"detail": [where | said], "key": self._key}


def _instead(said: bytes, _body: bytes) -> bytes:
    return said


def _edited(odd: Mapping[str, object], body: dict[str, Any]) -> dict[str, Any]:
    return body | dict(odd)


def _cut(kept: float, body: bytes) -> bytes:
    return body[: int(len(body) * kept)]


def _with(wrong: Mapping[str, object], body: bytes) -> bytes:
    answer = cast("dict[str, Any]", json.loads(body))
    return json.dumps(answer | dict(wrong)).encode()
