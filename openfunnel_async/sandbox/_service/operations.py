"""The operations of contract/openapi.yaml."""

import hashlib
from collections.abc import Callable
from uuid import UUID

import attrs

from openfunnel_async.sandbox._service.accounts import Account
from openfunnel_async.sandbox._service.companies import RowShape, find_companies
from openfunnel_async.sandbox._service.job_lifetimes import JobLife, make_timeline
from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.messages import (
    Issue,
    SandboxReply,
    SandboxRequest,
    error_reply,
    json_reply,
    validation_reply,
)
from openfunnel_async.sandbox._service.pages import read_page
from openfunnel_async.sandbox._service.search import (
    Search,
    range_issues,
    read_object,
    read_search,
    text_issues,
)
from openfunnel_async.sandbox._service.sign_up import SignUps
from openfunnel_async.sandbox._service.unknowns import Unknowns


@attrs.define(eq=False, kw_only=True)
class Operations:
    """The operations; each takes the account and the time of the request.

    Attributes:
        seed: The text from which ids and companies are made.
        unknowns: The answers to the contract's open questions.
        row_shape: Whether rows have six or sixteen keys.
        life_of: Returns the plan of a job by its number, from 0, and its limit.
        sign_ups: Sends sign-up codes and exchanges them for keys.
        jobs: Every job with its account, in the order of the submits.
    """

    seed: str
    unknowns: Unknowns
    row_shape: RowShape
    life_of: Callable[[int, int], JobLife]
    sign_ups: SignUps
    jobs: dict[str, tuple[Account, Job]] = attrs.field(
        init=False, factory=dict[str, tuple[Account, Job]]
    )

    def submit(
        self, account: Account, request: SandboxRequest, moment: float
    ) -> SandboxReply:
        """Start a job, or answer with the reason why not."""
        search = read_search(request)
        if not isinstance(search, Search):
            return validation_reply(search)
        least = self.unknowns.least_limit
        search = attrs.evolve(search, limit=max(search.limit, least))
        free = max(0, int(account.free_credits(moment)))
        if search.limit > free and self.unknowns.low_credits == "refuse":
            return self._reject_for_credits(search.limit, free)
        job = self._new_job(search, moment, free)
        account.jobs[job.id] = job
        self.jobs[job.id] = (account, job)
        return self._submitted(job)

    def read(
        self,
        account: Account,
        job_id: str,
        request: SandboxRequest,
        moment: float,
        shown: JobState | None,
    ) -> SandboxReply:
        """Answer with a job's status and one page; ``shown`` replaces its state."""
        query = dict(request.query)
        issues = tuple(_limit_issues(query))
        if issues:
            return validation_reply(issues)
        job = self._visible(account, job_id, moment)
        if job is None:
            return self._error_without_code(404, "This key has no job with that id.")
        job.was_read = True
        state = shown or job.at(moment)
        return read_page(job, state, query.get("cursor"), account.ledger, self.unknowns)

    def cancel(self, account: Account, job_id: str, moment: float) -> SandboxReply:
        """Cancel a job; it stops at its next checkpoint."""
        job = self._visible(account, job_id, moment)
        if job is None:
            return self._error_without_code(404, "This key has no job with that id.")
        status = job.at(moment).status
        if status == "cancelling" and self.unknowns.second_cancel == 409:
            return self._error_without_code(409, "The job is being cancelled already.")
        if status in ("pending", "running"):
            job.cancel(moment, settle=self.unknowns.settle)
        elif status != "cancelling":
            return self._error_without_code(409, "The job has already ended.")
        return self._cancelled(job)

    def balance(self, account: Account) -> SandboxReply:
        """Answer with an account's credits."""
        ledger = account.ledger
        return json_reply(
            200,
            {
                "total_credits": ledger.total,
                "credits_used": ledger.used,
                "credits_left": ledger.balance,
            },
        )

    def sign_up(self, request: SandboxRequest, moment: float) -> SandboxReply:
        """Send a code to an email address."""
        fields = _read_texts(request, "email")
        if not isinstance(fields, dict):
            return validation_reply(fields)
        return self.sign_ups.sign_up(fields["email"], moment)

    def verify(self, request: SandboxRequest, moment: float) -> SandboxReply:
        """Exchange a code for a key."""
        fields = _read_texts(request, "email", "otp_code")
        if not isinstance(fields, dict):
            return validation_reply(fields)
        return self.sign_ups.verify(fields["email"], fields["otp_code"], moment)

    def _new_job(self, search: Search, moment: float, free: int) -> Job:
        """Make a job; it fails where the free credits are used up."""
        number = len(self.jobs)
        deck = find_companies(search, seed=self.seed, shape=self.row_shape)
        life = self.life_of(number, search.limit)
        rows = len(deck) if life.rows is None else min(life.rows, len(deck))
        if rows > free:
            life = attrs.evolve(
                life, rows=free, ends="failed", error_message="CREDITS_EXCEEDED"
            )
        grows = self.unknowns.newest_page_grows
        return Job(
            id=_job_id(self.seed, number),
            search=search,
            deck=deck,
            timeline=make_timeline(life, at=moment, most=len(deck), grows=grows),
            reserved=min(search.limit, free),
        )

    def _visible(self, account: Account, job_id: str, moment: float) -> Job | None:
        job = account.jobs.get(job_id)
        if job is None:
            return None
        age = moment - job.timeline.created_at
        return None if age < self.unknowns.job_visible_after else job

    def _submitted(self, job: Job) -> SandboxReply:
        body: dict[str, object] = {
            "job_id": job.id,
            "message": "The job is in the queue.",
            "status": "pending",
        }
        if self.unknowns.submit_reply_has_limit:
            body["requested_limit"] = job.search.limit
        return json_reply(self.unknowns.submit_status_code, body)

    def _cancelled(self, job: Job) -> SandboxReply:
        message = "The job will stop at its next checkpoint."
        body = {"job_id": job.id, "message": message}
        if self.unknowns.cancel_reply_has_status:
            body["status"] = "cancelling"
        return json_reply(200, body)

    def _reject_for_credits(self, limit: int, free: int) -> SandboxReply:
        return error_reply(
            400,
            "CREDITS_EXCEEDED",
            f"This search may cost {limit} credits; {free} are free.",
            nesting=self.unknowns.error_nesting,
        )

    def _error_without_code(self, status: int, detail: str) -> SandboxReply:
        """Answer 404 or 409, whose body the contract does not define."""
        if self.unknowns.bare_bodies == "empty":
            return SandboxReply(status=status)
        return json_reply(status, {"detail": detail})


def _job_id(seed: str, number: int) -> str:
    digest = hashlib.sha256(f"{seed}/job/{number}".encode()).digest()
    return str(UUID(bytes=digest[:16], version=4))


def _limit_issues(query: dict[str, str]) -> tuple[Issue, ...]:
    """Check a read's ``limit``, which has no other effect."""
    given, loc = query.get("limit"), ("query", "limit")
    if given is None:
        return ()
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        msg = "Input should be a valid integer, unable to parse string as an integer"
        return (Issue(type="int_parsing", loc=loc, msg=msg, input=given),)
    return tuple(range_issues(int(given), loc, least=1, most=100))


def _read_texts(
    request: SandboxRequest, *names: str
) -> dict[str, str] | tuple[Issue, ...]:
    """Return the text fields of a body, or every issue with them."""
    body = read_object(request)
    if isinstance(body, Issue):
        return (body,)
    issues = tuple(issue for name in names for issue in text_issues(body, name))
    return issues or {name: str(body[name]) for name in names}
