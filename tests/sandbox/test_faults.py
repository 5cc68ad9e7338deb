"""Faults: what each does, to which requests, and how often."""

import json

import pytest

from openfunnel_async.sandbox import (
    BodyFault,
    CompletesUnderCancel,
    Cut,
    CutBody,
    Delivery,
    Dropped,
    EditedAnswer,
    Fault,
    Garbled,
    JobLife,
    Late,
    LostAnswer,
    MalformedAnswer,
    OversizedBody,
    Paced,
    Padded,
    Redirect,
    ResetConnection,
    SandboxReply,
    SetCookie,
    SlowAnswer,
    StaleRead,
    StatusFault,
    TrickledBody,
    Unknowns,
    UnknownStatus,
    Whole,
)
from openfunnel_async.sandbox._faults.answers import edit_reply
from tests.sandbox.caller import Caller, by_hand

LIFE = JobLife(queue=2, first_page_after=5, seconds_per_page=10, closing=3)


def _with(*faults: Fault) -> Caller:
    caller = by_hand(lives=[LIFE], faults=faults)
    caller.believes = False
    return caller


def test_a_status_applies_as_often_as_its_times() -> None:
    """It failed with a fault that is never used up."""
    caller = _with(StatusFault(status=503, times=2))
    statuses = [caller.balance().status for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert caller.service.faults == []


def test_faults_strike_one_at_a_time_in_their_order() -> None:
    caller = _with(StatusFault(status=500), StatusFault(status=502))
    assert [caller.balance().status for _ in range(3)] == [500, 502, 200]


def test_a_fault_waits_for_its_kind_of_request() -> None:
    caller = _with(StatusFault(on="cancel"))
    assert caller.balance().status == 200
    assert caller.service.faults == [StatusFault(on="cancel")]


def test_faults_can_be_added_while_it_runs() -> None:
    caller = _with()
    caller.service.faults.append(StatusFault(status=429))
    assert caller.balance().status == 429


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [(None, None), (3, "3"), (0.5, "0.5"), ("Wed, 21 Oct 2015", "Wed, 21 Oct 2015")],
)
def test_a_status_may_carry_retry_after(
    retry_after: float | str | None, header: str | None
) -> None:
    caller = _with(StatusFault(status=429, retry_after=retry_after))
    assert caller.balance().reply.headers.get("retry-after") == header


def test_a_status_may_carry_several_retry_afters() -> None:
    caller = _with(StatusFault(status=429, retry_after=(1, "30")))
    lines = caller.balance().reply.header_lines
    found = [text for name, text in lines if name == "retry-after"]
    assert found == ["1", "30"]


def test_an_edited_answer_keeps_every_header() -> None:
    """Caught: an edit that drops a repeated header."""
    reply = SandboxReply(status=429, body=b"{}", repeated=(("retry-after", "9"),))
    assert edit_reply(reply, dict).repeated == reply.repeated


@pytest.mark.parametrize(
    ("body", "sent"),
    [(b"<html>", b"<html>"), ({"detail": "x"}, b'{"detail":"x"}'), (b"", b"")],
)
def test_a_status_may_carry_a_body(body: object, sent: bytes) -> None:
    assert _with(StatusFault(body=body)).balance().reply.body == sent


@pytest.mark.parametrize(("processed", "jobs"), [(False, 0), (True, 1)])
def test_a_status_may_hide_that_the_request_took_effect(
    processed: bool, jobs: int
) -> None:
    """It failed with processed left unread."""
    caller = _with(StatusFault(on="submit", processed=processed))
    assert caller.submit().status == 503
    assert len(caller.service.jobs) == jobs
    assert caller.service.requests[0].job_id == next(iter(caller.service.jobs), None)


def test_a_lost_answer_took_effect() -> None:
    caller = _with(LostAnswer(on="submit"))
    assert caller.submit().reply.delivery == Dropped()
    assert len(caller.service.jobs) == 1
    assert not caller.service.requests[0].answered
    assert caller.balance().reply.delivery == Whole()


def test_a_body_fault_puts_other_bytes_in_place_of_the_answer() -> None:
    caller = _with(BodyFault(on="submit", body=b"<p>", content_type="text/html"))
    reply = caller.submit().reply
    assert (reply.status, reply.body) == (200, b"<p>")
    assert reply.headers["content-type"] == "text/html"
    assert len(caller.service.jobs) == 1


@pytest.mark.parametrize(
    ("fault", "delivery"),
    [
        (ResetConnection(), Dropped(reset=True)),
        (CutBody(keep=7, framed=False), Cut(keep=7, framed=False)),
        (SlowAnswer(delay=3), Late(seconds=3)),
        (TrickledBody(chunk=5, pause=1), Paced(chunk=5, pause=1)),
        (OversizedBody(megabytes=0.5, gzip=True), Padded(size=500_000, gzip=True)),
    ],
)
def test_a_fault_of_the_wire_is_a_value_on_the_reply(
    fault: Fault, delivery: Delivery
) -> None:
    caller = _with(fault)
    faulty, other = caller.submit().reply, caller.submit().reply
    assert (faulty.delivery, faulty.status) == (delivery, 200)
    assert len(faulty.body) == len(other.body)
    assert len(caller.service.jobs) == 2


def test_a_garbled_reply_has_the_answer_beside_it() -> None:
    reply = _with(MalformedAnswer(kind="http09")).submit().reply
    assert reply.delivery == Garbled(data=reply.body)


def test_a_reset_after_the_headers_takes_no_effect() -> None:
    caller = _with(ResetConnection(after="headers"))
    reply = caller.submit().reply
    assert (reply.delivery, reply.status) == (Dropped(reset=True), 0)
    assert caller.service.jobs == {}


def test_a_redirect_takes_no_effect() -> None:
    caller = _with(Redirect(location="https://elsewhere.example/x"))
    reply = caller.submit().reply
    assert reply.status == 302
    assert reply.headers["location"] == "https://elsewhere.example/x"
    assert caller.service.jobs == {}


def test_a_cookie_comes_with_the_answer() -> None:
    caller = _with(SetCookie(cookie="session=1; Path=/"))
    answer = caller.balance()
    assert answer.reply.headers["set-cookie"] == "session=1; Path=/"
    assert answer.reply.headers["content-type"] == "application/json"
    assert answer.status == 200


def test_an_answer_may_be_edited() -> None:
    """It failed with the request not served."""
    edit = EditedAnswer(on="submit", edit=lambda body: {**body, "job_id": 7})
    caller = _with(edit)
    assert json.loads(caller.submit().body) == {
        "job_id": 7,
        "message": "The job is in the queue.",
        "status": "pending",
        "requested_limit": 100,
    }
    assert len(caller.service.jobs) == 1


@pytest.mark.parametrize("content", [None, [1], "no object"])
def test_an_answer_may_be_edited_into_anything(content: object) -> None:
    reply = _with(EditedAnswer(edit=lambda _: content)).balance().reply
    assert json.loads(reply.body) == content


def test_an_answer_without_an_object_is_not_edited() -> None:
    caller = by_hand(
        unknowns=Unknowns(bare_bodies="empty"), faults=[EditedAnswer(edit=lambda _: 1)]
    )
    answer = caller.cancel("no-such-job")
    assert (answer.status, answer.reply.body) == (404, b"")


def test_an_unknown_status_applies_to_an_active_job() -> None:
    caller = _with()
    caller.believes = True
    job_id = caller.start()
    caller.service.faults.append(UnknownStatus(word="reticulating", times=2))
    words = [caller.read(job_id).body["status"] for _ in range(3)]
    assert words == ["reticulating", "reticulating", "pending"]


def test_an_unknown_status_does_not_hide_an_end() -> None:
    caller = _with(UnknownStatus(word="reticulating"))
    caller.believes = True
    job_id = caller.start()
    caller.service.advance(1000)
    assert caller.read(job_id).body["status"] == "completed"
    assert caller.service.faults


@pytest.mark.parametrize(
    ("at", "status"), [(3, "pending"), (8, "running"), (1000, "cancelling")]
)
def test_a_stale_read_shows_the_status_before(at: float, status: str) -> None:
    """It failed with the present shown."""
    caller = _with()
    caller.believes = True
    job_id = caller.start(limit=250)
    caller.service.advance(min(at, 8))
    if at >= 8:
        caller.cancel(job_id)
        caller.service.advance(at - 8)
    caller.service.faults.append(StaleRead())
    now = caller.service.jobs[job_id].status
    words = [caller.read(job_id).body["status"] for _ in range(2)]
    assert words == [status, now]


def test_a_stale_read_waits_for_a_job_with_a_past() -> None:
    caller = _with(StaleRead())
    caller.believes = True
    assert caller.read(caller.start()).body["status"] == "pending"
    assert caller.service.faults == [StaleRead()]


def test_a_job_may_complete_as_its_cancel_arrives() -> None:
    caller = _with(CompletesUnderCancel())
    caller.believes = True
    job_id = caller.start(limit=250)
    caller.service.advance(8)
    assert caller.cancel(job_id).status == 409
    body = caller.read(job_id).body
    assert (body["status"], body["manifest"]["count"]) == ("completed", 250)
    assert len(caller.read_all(job_id)) == caller.service.ledger.used == 250


@pytest.mark.parametrize("times", [0, -1])
def test_a_fault_strikes_at_least_once(times: int) -> None:
    with pytest.raises(ValueError, match="times"):
        LostAnswer(times=times)
