"""Reading a job and cancelling it, without any I/O."""

import pytest

from openfunnel_async import (
    APIError,
    InvalidResponseError,
    JobNotFoundError,
    JobStatus,
    RequestRejectedError,
    ServerError,
)
from openfunnel_async._protocol.endpoints import Endpoints, Kind
from openfunnel_async._protocol.replies import CancelAnswer
from tests.support.scripted import (
    JOB,
    cancel_reply,
    job_reply,
    manifest,
    reply,
    row,
    rows,
)

JOBS = "https://api.example/api/v1/account/search-lookalikes-bulk"
ENDPOINTS = Endpoints("https://api.example")


def fault(**fields: object) -> str:
    """Return where a page of these fields is said to be wrong."""
    call = ENDPOINTS.page(JOB, "page_0001")
    with pytest.raises(InvalidResponseError) as caught:
        call.read(job_reply(**{"page": "page_0001", **fields}))  # type: ignore[arg-type]  # what is wrong is the point  # pyright: ignore[reportArgumentType]
    return caught.value.path


def test_a_read_is_a_get_of_the_job() -> None:
    call = ENDPOINTS.status(JOB)
    assert (call.kind, call.request.method) == (Kind.READ, "GET")
    assert (call.request.url, call.request.body) == (f"{JOBS}/{JOB}", None)


def test_a_cursor_is_quoted_into_the_query() -> None:
    url = ENDPOINTS.page(JOB, "page 1&limit=9#ü").request.url
    assert url == f"{JOBS}/{JOB}?cursor=page+1%26limit%3D9%23%C3%BC"


def test_a_page_is_read_whole() -> None:
    answer = job_reply(
        "completed",
        rows=rows(0, 2),
        page="page_0001",
        next_cursor="page_0002",
        manifest=manifest(2),
        processed=2,
        error_message="partial",
        progress_message="done",
    )
    page = ENDPOINTS.page(JOB, "page_0001").read(answer)
    assert [row.name for row in page.rows] == ["Company 0", "Company 1"]
    assert (page.label, page.next_cursor) == ("page_0001", "page_0002")
    assert (page.status, page.word) == (JobStatus.COMPLETED, "completed")
    assert (page.processed, page.progress_message) == (2, "done")
    assert page.error_message == "partial"
    assert page.manifest is not None
    assert page.manifest.count == 2


def test_an_unknown_word_is_kept() -> None:
    answer = ENDPOINTS.status(JOB).read(job_reply("paused"))
    assert (answer.status, answer.word) == (JobStatus.UNKNOWN, "paused")


def test_what_the_reader_adds_is_not_taken_from_an_answer() -> None:
    """Caught: the answer's own fields read from keys of the same name."""
    fields: dict[str, object] = {"label": 3, "word": 4, "manifest": {}}
    fields |= {"job_id": JOB, "status": "running"}
    answer = ENDPOINTS.status(JOB).read(reply(200, fields))
    assert (answer.label, answer.word) == (None, "running")


def test_a_status_read_builds_no_rows() -> None:
    assert ENDPOINTS.status(JOB).read(job_reply(rows=["unbuilt"])).job_id == JOB


def test_an_answer_without_rows_has_none() -> None:
    page = ENDPOINTS.page(JOB, None).read(
        reply(200, {"job_id": JOB, "status": "pending"})
    )
    assert (page.rows, page.label, page.next_cursor) == ((), None, None)


@pytest.mark.parametrize("status", ["pending", "queued"])
def test_null_rows_of_a_job_that_has_not_begun_are_no_rows(status: str) -> None:
    assert ENDPOINTS.page(JOB, None).read(job_reply(status, rows=None)).rows == ()


def test_faults_of_a_page_say_where() -> None:
    assert fault(rows=None, status="completed") == "$.rows"
    assert fault(rows={}) == "$.rows"
    assert fault(rows="rows") == "$.rows"
    assert fault(rows=[row(0), None]) == "$.rows[1]"
    assert fault(next_cursor=2) == "$.next_cursor"
    assert fault(page="page_0002") == "$.page"
    assert fault(job_id="job-2") == "$.job_id"
    assert fault(manifest={"count": "2"}) == "$.manifest.count"


def test_a_cursor_that_cannot_be_sent_back_is_a_fault() -> None:
    assert fault(next_cursor="\ud800") == "$.next_cursor"


def test_the_first_page_may_bear_any_label() -> None:
    assert ENDPOINTS.page(JOB, None).read(job_reply(page="p1")).label == "p1"


def test_a_page_that_does_not_say_which_is_taken_for_the_one_asked_for() -> None:
    assert ENDPOINTS.page(JOB, "page_0001").read(job_reply(page=None)).label is None


@pytest.mark.parametrize(
    ("status", "kind"), [(404, JobNotFoundError), (500, ServerError), (302, APIError)]
)
def test_a_refused_read_is_typed(status: int, kind: type[APIError]) -> None:
    with pytest.raises(kind):
        ENDPOINTS.status(JOB).read(reply(status))
    with pytest.raises(kind):
        ENDPOINTS.page(JOB, None).read(reply(status))


def test_a_cancel_is_a_post_without_a_body() -> None:
    call = ENDPOINTS.cancel(JOB)
    assert (call.kind, call.request.method) == (Kind.CANCEL, "POST")
    assert (call.request.url, call.request.body) == (f"{JOBS}/{JOB}/cancel", None)


def test_a_cancel_demands_a_fresh_connection_and_a_read_does_not() -> None:
    """Caught: a cancel over whatever connection the pool has, for any transport."""
    assert ENDPOINTS.cancel(JOB).request.fresh_connection
    assert not ENDPOINTS.status(JOB).request.fresh_connection


def test_only_a_read_asks_caches_for_the_present() -> None:
    assert ENDPOINTS.page(JOB, None).request.headers["cache-control"] == "no-cache"
    assert "cache-control" not in ENDPOINTS.cancel(JOB).request.headers


def test_an_accepted_cancel_keeps_the_message() -> None:
    answer = ENDPOINTS.cancel(JOB).read(cancel_reply())
    assert answer == CancelAnswer(accepted=True, message="stopping")


@pytest.mark.parametrize(
    "body",
    [None, b"", b" \r\n", b"[]", b"null", b'"OK"', b'{"message": "ok"}', b"{}",
     b'{"job_id": "another", "status": "cancelling"}', b'{"job_id": ["job-1"]}'],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_2xx_that_does_not_name_the_job_is_no_confirmation(
    status: int, body: bytes | None
) -> None:
    """Caught: any 2xx taken for an acceptance."""
    answer = ENDPOINTS.cancel(JOB).read(reply(status, body))
    assert answer == CancelAnswer(accepted=True, is_confirmed=False)


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"OK", b"\xff", b"["])
@pytest.mark.parametrize("status", [200, 202, 299])
def test_a_2xx_that_is_not_json_is_nobodys_answer(status: int, body: bytes) -> None:
    """Caught: a login page taken for an acceptance."""
    with pytest.raises(InvalidResponseError) as caught:
        ENDPOINTS.cancel(JOB).read(reply(status, body))
    assert not caught.value.is_json


def test_the_status_may_be_missing_from_an_acceptance() -> None:
    answer = ENDPOINTS.cancel(JOB).read(reply(200, {"job_id": JOB}))
    assert answer == CancelAnswer(accepted=True)


@pytest.mark.parametrize("body", [None, b"gone", {"detail": "Job is completed"}])
def test_a_409_says_over_and_not_which(body: object) -> None:
    answer = ENDPOINTS.cancel(JOB).read(reply(409, body))
    assert answer == CancelAnswer(accepted=False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, APIError),
        (404, JobNotFoundError),
        (422, RequestRejectedError),
        (503, ServerError),
    ],
)
def test_any_other_answer_to_a_cancel_is_raised(
    status: int, kind: type[APIError]
) -> None:
    with pytest.raises(kind):
        ENDPOINTS.cancel(JOB).read(reply(status))
