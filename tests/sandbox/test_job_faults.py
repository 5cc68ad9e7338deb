"""Faults of jobs: another job's answer, a job that vanishes, a late manifest."""

import json
from typing import Any

import pytest

from openfunnel_async.sandbox import (
    EditedAnswer,
    Fault,
    JobLife,
    OtherJob,
    UnfinishedManifest,
    VanishedJob,
)
from tests.sandbox.caller import Answer, Caller, by_hand

LIFE = JobLife(queue=2, first_page_after=5, seconds_per_page=10, closing=3)
LONG = 1000


def _with_a_job(*faults: Fault) -> tuple[Caller, str]:
    caller = by_hand(lives=[LIFE])
    job_id = caller.start(limit=120)
    caller.believes = False
    caller.service.faults.extend(faults)
    return caller, job_id


def _content(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(answer.reply.body)
    return content


def _one_more(caller: Caller) -> str:
    return str(_content(caller.submit(limit=10))["job_id"])


def _manifest(caller: Caller, job_id: str) -> dict[str, Any]:
    manifest: dict[str, Any] = _content(caller.read(job_id))["manifest"]
    return manifest


@pytest.mark.parametrize("named", ["another", None])
def test_a_read_may_be_about_another_job(named: str | None) -> None:
    caller, job_id = _with_a_job(OtherJob(on="read", job_id=named))
    lie, truth = _content(caller.read(job_id)), _content(caller.read(job_id))
    assert lie.get("job_id") == named
    assert ("job_id" in lie) == (named is not None)
    assert {**lie, "job_id": job_id} == truth


@pytest.mark.parametrize(
    ("processed", "status"), [(True, "cancelling"), (False, "pending")]
)
def test_a_cancel_may_be_accepted_for_another_job(processed: bool, status: str) -> None:
    """Caught: ``processed`` left unread."""
    caller, job_id = _with_a_job(OtherJob(on="cancel", processed=processed))
    answer = caller.cancel(job_id)
    assert answer.status == 200
    assert _content(answer)["job_id"] not in ("", job_id)
    assert _content(answer)["status"] == "cancelling"
    assert caller.service.jobs[job_id].status == status


@pytest.mark.parametrize(("processed", "jobs"), [(True, 2), (False, 1)])
def test_a_submit_may_be_answered_with_another_jobs_id(
    processed: bool, jobs: int
) -> None:
    caller, _ = _with_a_job(OtherJob(processed=processed))
    answer = caller.submit()
    assert answer.status == 200
    assert _content(answer)["job_id"] not in caller.service.jobs
    assert len(caller.service.jobs) == jobs


def test_an_error_of_the_service_is_about_no_other_job() -> None:
    """Caught: an id put into the body of a 404."""
    caller, _ = _with_a_job(OtherJob())
    answer = caller.cancel("no-such-job")
    assert (answer.status, list(_content(answer))) == (404, ["detail"])


def test_an_answer_without_a_job_is_about_no_other_job() -> None:
    caller, _ = _with_a_job(OtherJob())
    assert "job_id" not in _content(caller.balance())
    assert caller.service.faults == [OtherJob()]


@pytest.mark.parametrize(
    ("fault", "content_type", "body"),
    [
        (VanishedJob(), "application/json", b'{"detail":"This key has no job'),
        (VanishedJob(page="html"), "text/html", b"<html>"),
        (VanishedJob(page="text"), "text/plain", b"default backend - 404"),
    ],
)
def test_a_job_that_was_read_may_vanish(
    fault: VanishedJob, content_type: str, body: bytes
) -> None:
    """Caught: the first read struck."""
    caller, job_id = _with_a_job(fault)
    answers = [caller.read(job_id) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 404, 200]
    assert answers[1].reply.headers["content-type"].startswith(content_type)
    assert answers[1].reply.body.startswith(body)


def test_a_job_that_nobody_has_read_does_not_vanish() -> None:
    caller, job_id = _with_a_job(VanishedJob(on="cancel"))
    assert caller.cancel(job_id).status == 200


def test_a_cancel_of_a_job_that_vanished_has_no_effect() -> None:
    caller, job_id = _with_a_job(VanishedJob(on="cancel"))
    caller.read(job_id)
    assert caller.cancel(job_id).status == 404
    assert caller.service.jobs[job_id].status == "pending"


def test_another_job_does_not_vanish() -> None:
    caller, job_id = _with_a_job(VanishedJob())
    caller.read(job_id)
    assert caller.read(_one_more(caller)).status == 200


def test_a_manifest_may_come_without_its_bill_at_first() -> None:
    caller, job_id = _with_a_job(UnfinishedManifest(times=2))
    caller.service.advance(LONG)
    manifests = [_manifest(caller, job_id) for _ in range(3)]
    bills = [manifest.get("credits_consumed", "missing") for manifest in manifests]
    assert bills == ["missing", "missing", 120]
    assert manifests[0]["count"] == 120
    assert caller.service.ledger.used == 120


def test_a_manifest_is_unfinished_only_once_there_is_one() -> None:
    """Caught: used up by the reads of a job that has not ended."""
    caller, job_id = _with_a_job(UnfinishedManifest())
    assert caller.read(job_id).status == 200
    assert caller.service.faults == [UnfinishedManifest()]


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        (
            UnfinishedManifest(missing=(), count_short_by=20),
            {"count": 100, "credits_consumed": 120},
        ),
        (
            UnfinishedManifest(missing=(), billed_short_by=0.5),
            {"count": 120, "credits_consumed": 119.5},
        ),
        (
            UnfinishedManifest(missing=(), count_short_by=-5, billed_short_by=-5),
            {"count": 125, "credits_consumed": 125},
        ),
        (
            UnfinishedManifest(missing=("count",), nulls=("credits_consumed",)),
            {"credits_consumed": None},
        ),
    ],
)
def test_a_manifest_may_be_wrong_at_first(
    fault: UnfinishedManifest, changed: dict[str, object]
) -> None:
    caller, job_id = _with_a_job(fault)
    caller.service.advance(LONG)
    first, later = _manifest(caller, job_id), _manifest(caller, job_id)
    names = ("count", "credits_consumed")
    assert {name: first[name] for name in names if name in first} == changed
    assert (later["count"], later["credits_consumed"]) == (120, 120)


def test_a_manifest_may_be_null_at_first() -> None:
    caller, job_id = _with_a_job(UnfinishedManifest(absent=True))
    caller.service.advance(LONG)
    body = _content(caller.read(job_id))
    assert (body["status"], body["manifest"]) == ("completed", None)
    assert _manifest(caller, job_id)["count"] == 120


def test_a_manifest_may_be_unfinished_for_a_time_after_each_end() -> None:
    """Caught: used up by one read; the time counted from the submit."""
    caller, job_id = _with_a_job(UnfinishedManifest(seconds=30))
    ends_at = caller.service.jobs[job_id].ends_at
    caller.service.advance(ends_at)
    assert "credits_consumed" not in _manifest(caller, job_id)
    caller.service.advance(29)
    assert "credits_consumed" not in _manifest(caller, job_id)
    caller.service.advance(1)
    assert _manifest(caller, job_id)["credits_consumed"] == 120
    later = _one_more(caller)
    caller.service.advance(caller.service.jobs[later].ends_at - caller.service.now)
    assert "credits_consumed" not in _manifest(caller, later)


def test_a_cancelled_job_has_a_manifest_that_may_be_unfinished() -> None:
    caller, job_id = _with_a_job(UnfinishedManifest(missing=("partial",)))
    caller.cancel(job_id)
    caller.service.advance(LONG)
    assert "partial" not in _manifest(caller, job_id)
    assert _manifest(caller, job_id)["partial"] is True


ODD = {"processed": 12.0, "progress_message": {"stage": "rerank"}}
ODD_MANIFEST = {"credits_consumed": -3.5, "unresolved_seed_domains": [{"domain": "x"}]}


def test_fields_that_inform_may_have_unexpected_types() -> None:
    """The examples of `EditedAnswer`."""
    edit = EditedAnswer(on="read", edit=lambda page: page | ODD)
    caller, job_id = _with_a_job(edit)
    assert _content(caller.read(job_id)).items() >= ODD.items()


def test_a_manifest_may_have_fields_of_unexpected_types() -> None:
    def odd(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"manifest": page["manifest"] and page["manifest"] | ODD_MANIFEST}

    caller, job_id = _with_a_job(EditedAnswer(on="read", edit=odd, times=2))
    assert _content(caller.read(job_id))["manifest"] is None
    caller.service.advance(LONG)
    assert _manifest(caller, job_id).items() >= ODD_MANIFEST.items()


def test_a_submit_may_echo_a_larger_limit() -> None:
    raised = EditedAnswer(
        on="submit", edit=lambda body: body | {"requested_limit": 500}
    )
    caller, _ = _with_a_job(raised)
    assert _content(caller.submit(limit=100))["requested_limit"] == 500
    assert [job.limit for job in caller.service.jobs.values()] == [120, 100]
