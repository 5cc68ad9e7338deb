"""What the benchmark server says: bytes that are ready before anybody asks.

What a job says is read from its id: `STATUS_ONLY` and `PAGE_CARRYING` are running,
as is `WIDE`, whose rows have sixteen fields;
`FINISHED` and the jobs of `finished()` are terminal and have all their pages; a job of
`waiting()` ends by itself, as does one that was submitted, which then has a few rows. A
submit with a limit of at least `MANY` makes a job that is terminal at once and has that
many rows; one with the limit `ENDLESS` makes a job that runs as long as anybody
measures, and says every 16 s that 100 more rows were delivered, which is the median
pace of the model of jobs; it has no page to read.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

JOBS = "/api/v1/account/search-lookalikes-bulk"
STATUS_ONLY = "status-only"
PAGE_CARRYING = "page-carrying"
FINISHED = "finished"
WIDE = "wide"
ROWS_A_PAGE = 100
PAGES = 100
ROWS = ROWS_A_PAGE * PAGES
PROCESSED = 300
_SUBMITTED = "submitted"
FEW_ROWS = 10
POLLS_OF_SUBMITTED = 3
MANY = 1000
ENDLESS = 2500
_BULK = "bulk"
_ENDLESS = "endless"
_SECONDS_A_PAGE = 16

Json = dict[str, Any]


def waiting(polls: int, name: object) -> str:
    """Return the id of a job that is completed at its so manyth poll."""
    return f"wait-{polls}-{name}"


def finished(rows: int, *, wide: bool = False) -> str:
    """Return the id of a terminal job with that many rows of six or sixteen fields."""
    return f"{_BULK}-{rows}-{WIDE if wide else 'narrow'}"


def label(page: int) -> str:
    """Return a page's label."""
    return f"page_{page:04}"


def address(origin: str, job_id: str, cursor: str | None = None) -> str:
    """Return where to read a job, or one page of it."""
    query = "" if cursor is None else f"?cursor={cursor}"
    return f"{origin}{JOBS}/{job_id}{query}"


def _row(number: int) -> Json:
    """Return a company of six fields, about 340 bytes of JSON."""
    return {
        "name": f"Company {number}",
        "domain": f"company{number}.example",
        "linkedin_url": f"https://www.linkedin.com/company/company-{number}",
        "headquarters": "Berlin, Germany",
        "match_reason": f"Builds voice agents for clinics. {'x' * 147}",
        "employee_count": number,
    }


def _wide_row(number: int) -> Json:
    """Return a company of sixteen fields, as the service sends them."""
    return _row(number) | {
        "rerank_score": 1 / (number + 2),
        "funding_stage": "series_a",
        "revenue_usd": number * 1000,
        "industries": ["Health care", "Software"],
        "hq_city": "Berlin",
        "hq_region": None,
        "hq_country": "Germany",
        "linkedin_follower_count": number * 10,
        "description": f"Voice agents for clinics. {'y' * 900}",
        "tagline": f"Company {number} answers the phone",
    }


def _rows(page: int, make: Callable[[int], Json] = _row) -> list[Json]:
    first = page * ROWS_A_PAGE
    return [make(number) for number in range(first, first + ROWS_A_PAGE)]


def _manifest(rows: int = ROWS, pages: int = PAGES) -> Json:
    return {
        "count": rows,
        "pages": pages,
        "page_size": ROWS_A_PAGE,
        "credits_consumed": rows,
        "derived_query": None,
        "resolved_seed_domains": ["example.com"],
        "unresolved_seed_domains": [],
        "rerank_degraded": False,
        "partial": False,
    }


def _answer(job_id: str, status: str, **fields: object) -> bytes:
    answer: Json = {
        "job_id": job_id,
        "status": status,
        "manifest": None,
        "error_message": None,
        "rows": [],
        "page": None,
        "next_cursor": None,
        "count": 0,
        "processed": PROCESSED,
        "progress_message": "retrieving_companies",
    }
    return json.dumps(answer | fields, separators=(",", ":")).encode()


def _running_page(job_id: str, rows: list[Json]) -> bytes:
    return _answer(
        job_id,
        "running",
        rows=rows,
        page=label(0),
        next_cursor=label(1),
        count=ROWS_A_PAGE,
    )


def _finished_page(page: int) -> bytes:
    return _answer(
        FINISHED,
        "completed",
        manifest=_manifest(),
        rows=_rows(page),
        page=label(page),
        next_cursor=label(page + 1) if page + 1 < PAGES else None,
        count=ROWS_A_PAGE,
        processed=ROWS,
    )


def _reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    return head % (status, len(body)) + body


class Answers:
    """All replies, by job and cursor; what differs by poll is put in at the last."""

    def __init__(self) -> None:
        running = _reply(_running_page(PAGE_CARRYING, _rows(0)))
        wide = _running_page(WIDE, _rows(0, _wide_row))
        self._ready = {
            (STATUS_ONLY, ""): _reply(_answer(STATUS_ONLY, "running")),
            (PAGE_CARRYING, ""): running,
            (PAGE_CARRYING, label(0)): running,
            (WIDE, ""): _reply(wide),
            (WIDE, label(0)): _reply(wide),
        }
        for page in range(PAGES):
            self._ready[FINISHED, label(page)] = _reply(_finished_page(page))
        self._ready[FINISHED, ""] = self._ready[FINISHED, label(0)]
        self._missing = _reply(b'{"detail":"no such job"}', b"404 Not Found")
        self._polls: Counter[str] = Counter()
        self._began: dict[str, float] = {}
        self._submits = 0
        self._rows: dict[tuple[int, bool], bytes] = {}

    def submitted(self, body: bytes) -> bytes:
        """Return the reply to a submit, which depends on its limit."""
        self._submits += 1
        limit: int = json.loads(body).get("limit", 0)
        job_id = waiting(POLLS_OF_SUBMITTED, f"{_SUBMITTED}-{self._submits}")
        if limit == ENDLESS:
            job_id = f"{_ENDLESS}-{self._submits}"
        elif limit >= MANY:
            job_id = f"{_BULK}-{limit}-{self._submits}"
        fields = {"job_id": job_id, "message": "started", "status": "pending"}
        return _reply(json.dumps(fields).encode())

    def reply(self, target: str) -> bytes:
        """Return the reply to a GET of the target, head and body."""
        path, _, query = target.partition("?")
        job_id = path.removeprefix(f"{JOBS}/")
        cursors = (
            pair.removeprefix("cursor=")
            for pair in query.split("&")
            if pair.startswith("cursor=")
        )
        ready = self._ready.get((job_id, next(cursors, "")))
        if ready is not None:
            return ready
        if job_id.startswith(_BULK):
            return self._bulk_page(job_id, query.partition("cursor=")[2])
        if job_id.startswith(_ENDLESS):
            return self._endless(job_id)
        return self._waiting(job_id) if job_id.startswith("wait-") else self._missing

    def _bulk_page(self, job_id: str, cursor: str) -> bytes:
        """Return a page of a terminal job; the text of its rows is made once.

        After as many pages as `FINISHED` has, the companies are the first ones again.
        """
        _, number, kind = job_id.split("-")
        rows, make = int(number), _wide_row if kind == WIDE else _row
        page, pages = int(cursor.removeprefix("page_") or 0), rows // ROWS_A_PAGE
        key = (page % PAGES, kind == WIDE)
        if key not in self._rows:
            text = json.dumps(_rows(page % PAGES, make), separators=(",", ":"))
            self._rows[key] = f'"rows":{text}'.encode()
        answer = _answer(
            job_id,
            "completed",
            manifest=_manifest(rows, pages),
            page=label(page),
            next_cursor=label(page + 1) if page + 1 < pages else None,
            count=ROWS_A_PAGE,
            processed=rows,
        )
        return _reply(answer.replace(b'"rows":[]', self._rows[key], 1))

    def _endless(self, job_id: str) -> bytes:
        now = time.monotonic()
        pages = int((now - self._began.setdefault(job_id, now)) / _SECONDS_A_PAGE)
        return _reply(_answer(job_id, "running", processed=ROWS_A_PAGE * pages))

    def _waiting(self, job_id: str) -> bytes:
        self._polls[job_id] += 1
        polls = self._polls[job_id]
        if polls < int(job_id.split("-")[1]):
            return _reply(_answer(job_id, "running", processed=polls))
        del self._polls[job_id]
        if _SUBMITTED in job_id:
            return _reply(_few_rows(job_id))
        return _reply(_answer(job_id, "completed", processed=polls))


def _few_rows(job_id: str) -> bytes:
    return _answer(
        job_id,
        "completed",
        manifest=_manifest(FEW_ROWS, 1),
        rows=[_row(number) for number in range(FEW_ROWS)],
        page=label(0),
        count=FEW_ROWS,
        processed=FEW_ROWS,
    )
