"""Each open question of facts.md in each position, and all of it on the contract."""

from typing import Any

import attrs
import pytest

from openfunnel_async.sandbox import JobLife, Unknowns
from tests.sandbox.caller import Caller, by_hand

LIFE = JobLife(queue=2, processed_after=1, first_page_after=5, seconds_per_page=8)
"""Counting from 3; pages at 7, 15, 23 for 250 rows; the end at 25."""


def _moved(unknowns: Unknowns) -> dict[str, Any]:
    """Give the switches of a position that are not where they are by default."""
    default = attrs.asdict(Unknowns())
    moved = attrs.asdict(unknowns).items()
    return {name: value for name, value in moved if value != default[name]}


POSITIONS = [
    Unknowns(wrong_key_status=403),
    Unknowns(newest_page_grows=True),
    Unknowns(second_cancel=409),
    Unknowns(cancel_reply_has_status=False),
    Unknowns(past_end_cursor="422"),
    Unknowns(past_end_cursor="empty"),
    Unknowns(pending_shape="absent"),
    Unknowns(pending_shape="empty"),
    Unknowns(job_visible_after=4),
    Unknowns(labels="opaque"),
    Unknowns(failed_rows_billed=False),
    Unknowns(low_credits="fail"),
    Unknowns(submit_reply_has_limit=False),
    Unknowns(least_limit=160),
    Unknowns(submit_status_code=201),
    Unknowns(submit_status_code=202),
    Unknowns(settle=0),
    Unknowns(settle="next_page"),
    Unknowns(bare_bodies="empty"),
    Unknowns(error_nesting="detail"),
]


def _with(**positions: Any) -> Caller:
    return by_hand(lives=[LIFE], unknowns=Unknowns(**positions))


@pytest.mark.parametrize(
    "unknowns", [Unknowns(), *POSITIONS], ids=lambda one: str(_moved(one))
)
def test_every_answer_of_a_position_is_on_the_contract(unknowns: Unknowns) -> None:
    """It failed with rows null in place of an empty list."""
    caller = by_hand(lives=[LIFE, LIFE], unknowns=unknowns, credits=320)
    job_ids = [caller.start(limit=150) for _ in range(2)]
    for _ in range(10):
        for job_id in job_ids:
            cursor = caller.read(job_id).body.get("next_cursor")
            caller.read(job_id, cursor)
            caller.read(job_id, "page_0099")
        caller.service.advance(2)
        if caller.service.now in {8, 10}:
            caller.cancel(job_ids[1])
    caller.cancel(job_ids[0])
    caller.submit(limit=500)
    Caller(caller.service, key="of_wrong").balance()
    assert len({seen.kind for seen in caller.service.requests}) == 4


def test_every_switch_has_a_position_here() -> None:
    moved = {name for position in POSITIONS for name in _moved(position)}
    assert moved == set(attrs.asdict(Unknowns()))


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_answers_the_status_chosen(status: int) -> None:
    caller = _with(wrong_key_status=status)
    caller.key = "of_" + "0" * 64
    assert caller.balance().status == status


def test_the_newest_page_grows_by_quarters() -> None:
    caller = _with(newest_page_grows=True)
    job_id = caller.start(limit=250)
    caller.service.advance(3)
    seen: list[tuple[int, int]] = []
    for _ in range(12):
        body = caller.read(job_id, "page_0000").body
        seen.append((body["count"], body["processed"]))
        caller.service.advance(1)
    assert seen == [
        *((25 * n, 25 * n) for n in range(5)),
        *((100, 100 + 25 * (n // 2)) for n in range(1, 8)),
    ]


def test_rows_on_a_growing_page_stay_where_they_are() -> None:
    """It failed with a page filled from its end."""
    caller = _with(newest_page_grows=True)
    job_id = caller.start(limit=250)
    caller.service.advance(5)
    early = caller.read(job_id).body["rows"]
    caller.service.advance(100)
    assert len(early) == 50
    assert caller.read(job_id).body["rows"][:50] == early


def test_a_limit_may_be_raised_and_is_billed() -> None:
    """Caught: an echo of a limit that the job does not have."""
    caller = _with(least_limit=250)
    answer = caller.submit(limit=100)
    assert answer.body["requested_limit"] == 250
    caller.service.advance(1000)
    assert len(caller.read_all(answer.body["job_id"])) == 250
    assert caller.service.ledger.used == 250


def test_a_larger_limit_is_not_raised() -> None:
    assert _with(least_limit=50).submit(limit=100).body["requested_limit"] == 100


def test_a_limit_that_was_raised_may_be_beyond_the_credits() -> None:
    caller = by_hand(credits=120, unknowns=Unknowns(least_limit=250))
    assert caller.submit(limit=100).status == 400


def test_a_cancel_keeps_the_written_rows_of_a_page() -> None:
    caller = _with(newest_page_grows=True, settle=0)
    job_id = caller.start(limit=250)
    caller.service.advance(5)
    caller.cancel(job_id)
    caller.service.advance(100)
    assert caller.read(job_id).body["manifest"]["count"] == 50
    assert caller.service.ledger.used == 50


@pytest.mark.parametrize("status", [200, 409])
def test_a_second_cancel_answers_the_status_chosen(status: int) -> None:
    caller = _with(second_cancel=status)
    job_id = caller.start()
    caller.cancel(job_id)
    assert caller.cancel(job_id).status == status
    assert caller.service.jobs[job_id].status == "cancelling"


@pytest.mark.parametrize("has_status", [True, False])
def test_an_accepted_cancel_may_leave_the_status_out(has_status: bool) -> None:
    caller = _with(cancel_reply_has_status=has_status)
    assert ("status" in caller.cancel(caller.start()).body) is has_status


@pytest.mark.parametrize(
    ("position", "status"), [("404", 404), ("422", 422), ("empty", 200)]
)
@pytest.mark.parametrize("cursor", ["page_0001", "page_1", "", "nonsense"])
def test_a_cursor_of_no_page_answers_as_chosen(
    position: str, status: int, cursor: str
) -> None:
    caller = _with(past_end_cursor=position)
    job_id = caller.start()
    caller.service.advance(8)
    answer = caller.read(job_id, cursor)
    assert answer.status == status
    if status == 200:
        assert (answer.body["rows"], answer.body["next_cursor"]) == ([], None)


@pytest.mark.parametrize(
    ("shape", "page"),
    [
        ("nulls", {"rows": [], "page": None, "manifest": None}),
        ("empty", {"rows": [], "page": "page_0000", "manifest": {}}),
        ("absent", {}),
    ],
)
def test_a_pending_job_has_the_shape_chosen(
    shape: str, page: dict[str, object]
) -> None:
    caller = _with(pending_shape=shape)
    body = caller.read(caller.start()).body
    assert {
        name: body[name] for name in ("rows", "page", "manifest") if name in body
    } == page


def test_a_job_is_seen_only_after_a_while() -> None:
    caller = _with(job_visible_after=4)
    job_id = caller.start()
    assert (caller.read(job_id).status, caller.cancel(job_id).status) == (404, 404)
    caller.service.advance(4)
    assert caller.read(job_id).status == 200


def test_opaque_labels_lead_from_page_to_page() -> None:
    caller = _with(labels="opaque")
    job_id = caller.start(limit=250)
    caller.service.advance(100)
    assert len(caller.read_all(job_id)) == 250
    assert "page_" not in caller.read(job_id).body["next_cursor"]
    assert caller.read(job_id, "page_0001").status == 404


def test_a_submit_may_leave_the_limit_out() -> None:
    assert "requested_limit" not in _with(submit_reply_has_limit=False).submit().body


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_submit_answers_the_status_chosen(status: int) -> None:
    assert _with(submit_status_code=status).submit().status == status


def test_settling_takes_the_seconds_chosen() -> None:
    caller = _with(settle=4)
    job_id = caller.start()
    caller.cancel(job_id)
    caller.service.advance(3.9)
    assert caller.read(job_id).body["status"] == "cancelling"
    caller.service.advance(0.1)
    assert caller.read(job_id).body["status"] == "cancelled"


@pytest.mark.parametrize(("bodies", "blank"), [("json", False), ("empty", True)])
def test_404_and_409_carry_the_body_chosen(bodies: str, blank: bool) -> None:
    caller = _with(bare_bodies=bodies, settle=0)
    job_id = caller.start()
    caller.cancel(job_id)
    answers = [caller.cancel(job_id), caller.read("nothing")]
    assert [answer.status for answer in answers] == [409, 404]
    assert [not answer.reply.body for answer in answers] == [blank, blank]


@pytest.mark.parametrize("settle", [-1, "soon"])
def test_settling_is_seconds_or_the_next_page(settle: Any) -> None:
    with pytest.raises(ValueError, match="settle"):
        Unknowns(settle=settle)


@pytest.mark.parametrize(
    "position",
    [
        {"wrong_key_status": 402},
        {"second_cancel": 500},
        {"past_end_cursor": "500"},
        {"pending_shape": "null"},
        {"labels": "words"},
        {"low_credits": "ignore"},
        {"submit_status_code": 204},
        {"job_visible_after": -1},
    ],
)
def test_a_switch_has_no_other_positions(position: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(position))):
        Unknowns(**position)
