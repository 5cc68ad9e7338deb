"""A service that says the key back, in every place an answer has."""

import hashlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from openfunnel_async import (
    JobPage,
    OpenFunnel,
    OpenFunnelError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
)
from tests.support import leftovers
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.leaks import Secret, behind
from tests.support.raw_server import RawServer, Said, Then, said
from tests.support.stage import Asked
from tests.wire.clients import JOB_ID, SEARCH
from tests.wire.test_decision_table import KINDS

pytestmark = pytest.mark.anyio
nothing_left = leftovers.nothing_young_left

SECRET = Secret("of_" + hashlib.sha256(b"opens nothing").hexdigest())
KEY = SECRET.text
# Stands for the key in what is to become JSON; see `written`.
ECHO = "<echo>"
CUT = 500

REFUSALS: dict[str, object] = {
    "detail": {"detail": f"bad key {ECHO}"},
    "nested": {"detail": {"why": [{"header": ECHO}]}},
    "a name": {"detail": {ECHO: "is bad", f"x-{ECHO}": [ECHO]}},
    "issue": {"detail": [{"loc": ["header", ECHO], "msg": ECHO, "type": ECHO}]},
    "input": {"detail": [{"loc": [], "msg": "m", "type": "t", "input": ECHO}]},
    "not in detail": {"error": ECHO, "error_code": f"CREDITS_EXCEEDED {ECHO}"},
    "a text": ECHO,
    "a list": [ECHO, [ECHO]],
    **{
        f"cut after {CUT - start}": {"detail": "x" * start + ECHO}
        for start in (CUT - 66, CUT - 40, CUT - 13, CUT - 1)
    },
}
ENVELOPES: dict[str, dict[str, object]] = {
    "status": {"status": ECHO},
    "message": {"message": ECHO},
    "progress": {"progress_message": f"at {ECHO}"},
    "error": {"error_message": ECHO, "status": "failed"},
    "manifest": {"status": "completed", "manifest": {"derived_query": ECHO}},
    "seeds": {"status": "completed", "manifest": {"resolved_seed_domains": [ECHO]}},
    "page": {"page": ECHO},
    "cursor": {"next_cursor": ECHO},
    "row": {"rows": [{"name": ECHO, "industries": [ECHO]}]},
    "row's extra": {"rows": [{ECHO: ECHO, "name": 5}]},
    "another job": {"job_id": ECHO},
    "a wrong type": {"manifest": {"count": ECHO}},
}


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


def plain(value: object) -> str:
    return json.dumps(value).replace(ECHO, KEY)


def escaped(value: object) -> str:
    return json.dumps(value).replace(ECHO, SECRET.escaped)


WRITTEN = pytest.mark.parametrize("written", [plain, escaped])
Write = Callable[[object], str]


async def answered(kind: Asked, answer: Said) -> list[object]:
    """Ask, and return everything that the caller has from then on."""
    async with (
        RawServer(answer, answer) as server,
        OpenFunnel(
            KEY,
            base_url=server.base_url,
            retry=RetryPolicy(attempts=1),
            request_timeout=10,
        ) as client,
    ):
        job = client.job(JOB_ID)
        held: list[object] = []
        try:
            if kind == "submit":
                job = await client.submit(SEARCH)
            elif kind == "cancel":
                held.append(await job.cancel())
            else:
                held += [await job.poll(), await job.fetch_page()]
        except OpenFunnelError as exc:
            held.append(exc)
            assert SECRET.leaks_of(exc) == []  # noqa: PT017 -- or no error at all
        return [*held, *behind(job), str(job.checkpoint())]


def leaks(held: list[object]) -> list[str]:
    shown = [f"{each!r} {each}" for each in held if not isinstance(each, str)]
    return [text for text in shown if SECRET.shows_in(text)]


@WRITTEN
@pytest.mark.parametrize("body", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("status", [302, 400, 401, 422, 503])
async def test_a_refusal_that_says_it_back(
    status: int, body: object, written: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: the key hidden after the cut, and only before the decoding."""
    caplog.set_level("DEBUG")
    for kind in KINDS:
        answer = said(written(body), status=f"{status} No")
        assert leaks(await answered(kind, answer)) == []
    assert SECRET.leaks_in(caplog.records) == []


@pytest.mark.parametrize("start", [0, CUT - 66, CUT - 40, CUT - 1])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_of_html_that_says_it_back(kind: Asked, start: int) -> None:
    html = "<".ljust(start, "x") + KEY
    assert leaks(await answered(kind, said(html, status="502 Bad Gateway"))) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_head_that_says_it_back(
    kind: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    headers = {"X-Api-Key": KEY, "Retry-After": KEY, "Location": f"/?key={KEY}"}
    answer = said(status=f"429 {KEY}", headers=headers)
    assert leaks(await answered(kind, answer)) == []
    assert SECRET.leaks_in(caplog.records) == []


@WRITTEN
@pytest.mark.parametrize("fields", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_says_it_back(
    kind: Asked,
    fields: dict[str, Any],
    written: Write,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    envelope = {"job_id": JOB_ID, "status": "running", **fields}
    held = await answered(kind, said(written(envelope)))
    assert leaks(held) == []
    assert SECRET.leaks_in(caplog.records) == []


@pytest.mark.parametrize("then", ["close", "wait"])
async def test_a_broken_answer_that_names_a_new_job_like_the_key(then: Then) -> None:
    """Caught: the id looked for in a body from which the key was not taken."""
    answer = said(plain({"job_id": ECHO, "x": ""}), length=500, then=then)
    held = await answered("submit", answer)
    assert isinstance(held[0], SubmitOutcomeUnknownError)
    assert leaks(held) == []


@WRITTEN
async def test_a_new_job_that_is_named_like_the_key(written: Write) -> None:
    held = await answered("submit", said(written({"job_id": ECHO})))
    assert isinstance(held[0], SubmitOutcomeUnknownError)
    assert held[0].accepted
    assert held[0].job_id is None


async def test_a_page_with_rows_is_still_delivered() -> None:
    """What the hiding is compared with: the rest of the answer is as it was."""
    row = {"name": ECHO, "domain": "a.example"}
    envelope = {"job_id": JOB_ID, "status": "running", "rows": [row]}
    held = await answered("read", said(plain(envelope)))
    (page,) = [each for each in held if isinstance(each, JobPage)]
    assert page.rows[0].domain == "a.example"
    assert not SECRET.shows_in(pickle.dumps(page).decode("latin-1"))
