"""The public API as a type checker sees it. Checked and imported, never called."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, assert_type

from mcp.server.lowlevel.server import Server

from openfunnel_async import (
    CA_FILE_VARIABLE,
    INSECURE_HTTP_VARIABLE,
    PROXY_VARIABLE,
    AiohttpTransport,
    APIError,
    AuthenticationError,
    Batch,
    Book,
    BulkJob,
    BulkResult,
    CancelConflictError,
    CancelReceipt,
    Company,
    ConfigurationError,
    CreditBalance,
    Event,
    IncompleteResultsError,
    InsufficientCreditsError,
    InvalidResponseError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobNotFoundError,
    JobPage,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    Manifest,
    OpenFunnel,
    OpenFunnelError,
    PageStream,
    PollPolicy,
    RateLimitedError,
    RecordingTransport,
    ReplayTransport,
    RequestRejectedError,
    RequestTimeoutError,
    RetryPolicy,
    RowStream,
    ServerError,
    SubmitOutcomeUnknownError,
    Transport,
    TransportError,
    ValidationIssue,
    WaitTimeoutError,
    WireReply,
    WireRequest,
    buy,
)
from openfunnel_async.book import (
    BatchReport,
    BatchStatus,
    BookCheck,
    BookEntry,
    BookSteps,
    EntryState,
    Step,
    StepAction,
)
from openfunnel_async.mcp import make_server


class OwnTransport:
    """A transport needs no base class."""

    async def send(self, request: WireRequest) -> WireReply:
        assert_type(request.method, str)
        assert_type(request.origin, str)
        assert_type(request.path, str)
        assert_type(request.url, str)
        assert_type(request.query, tuple[tuple[str, str], ...])
        assert_type(request.headers, Mapping[str, str])
        assert_type(request.body, bytes | None)
        assert_type(request.fresh_connection, bool)
        return WireReply(status_code=200, headers={"content-type": "x/y"}, body=b"")

    async def aclose(self) -> None: ...


def variables() -> list[str]:
    return [PROXY_VARIABLE, CA_FILE_VARIABLE, INSECURE_HTTP_VARIABLE]


def client_arguments() -> None:
    OpenFunnel()
    OpenFunnel("key")
    OpenFunnel(
        None,
        base_url="https://example.com",
        request_timeout=10.0,
        retry=RetryPolicy(attempts=4, outage=120.0, max_retry_after=60.0),
        polling=PollPolicy(share=0.5, shortest=1.5, longest=6.0, jitter=0.1),
        wait_timeout=None,
        transport=OwnTransport(),
    )
    events: list[Event] = []
    OpenFunnel(on_event=events.append)
    OpenFunnel(on_event=lambda event: event.job_id)
    OpenFunnel(polling=PollPolicy.fixed(2.0), transport=AiohttpTransport())
    transport: Transport = OwnTransport()
    transport = RecordingTransport(AiohttpTransport(), "run.jsonl")
    OpenFunnel(transport=transport)
    OpenFunnel(transport=ReplayTransport(Path("run.jsonl")))
    OpenFunnel(
        proxy="http://proxy.example:3128",
        ca_file=Path("ca.pem"),
        headers={"x-team": "growth"},
        insecure_http=True,
    )
    OpenFunnel(transport=transport)


def without_async(search: LookalikeSearch) -> None:
    assert_type(buy(search), BulkResult)
    assert_type(buy(search, enough=5, where=lambda row: row.domain is None), BulkResult)
    buy(search, timeout=None, api_key="key", retry=RetryPolicy(), on_event=print)


async def client_methods(client: OpenFunnel, search: LookalikeSearch) -> None:
    async with client as entered:
        assert_type(entered, OpenFunnel)
    other = client.with_options(wait_timeout=None, label="crm", on_event=None)
    assert_type(other, OpenFunnel)
    assert_type(await client.submit(search), BulkJob)
    assert_type(client.job("id"), BulkJob)
    assert_type(client.job("id", limit=5), BulkJob)
    running: AbstractAsyncContextManager[BulkJob, Any] = client.running(search)
    async with running as job:
        assert_type(job, BulkJob)
    async with client.running(search, on_exit="cancel") as job:
        assert_type(job, BulkJob)
    assert_type(await client.credit_balance(), CreditBalance)
    assert_type(client.orphans, tuple[str, ...])
    await client.aclose()


def job_attributes(job: BulkJob) -> None:
    assert_type(job.id, str)
    assert_type(job.limit, int | None)
    assert_type(job.status, JobStatus)
    assert_type(job.snapshot, JobSnapshot | None)
    assert_type(job.is_terminal, bool)
    assert_type(job.cancel_requested, bool)
    assert_type(job.error, OpenFunnelError | None)


async def job_methods(job: BulkJob) -> None:
    assert_type(await job.poll(), JobSnapshot)
    assert_type(await job.fetch_page(), JobPage)
    assert_type(await job.fetch_page("page_0001"), JobPage)
    assert_type(await job.wait_until_terminal(), JobSnapshot)
    seen: list[JobSnapshot] = []
    await job.wait_until_terminal(
        timeout=None, on_timeout="cancel", on_progress=seen.append
    )
    assert_type(await job.cancel(), CancelReceipt)
    assert_type(await job.cancel(wait=True, timeout=None), CancelReceipt)
    assert_type(await job.result(), BulkResult)
    assert_type(await job.result(timeout=5.0, partial_ok=True), BulkResult)


async def streams(job: BulkJob) -> None:
    async with job.rows(follow=False) as rows:
        assert_type(rows, RowStream)
        assert_type(rows.delivered, int)
        async for company in rows:
            assert_type(company, Company)
    async with job.pages(follow=False) as pages:
        assert_type(pages, PageStream)
        async for page in pages:
            assert_type(page, JobPage)
    await rows.aclose()
    await pages.aclose()


def search_fields() -> None:
    search = LookalikeSearch(
        query="x",
        seed_domains=["example.com"],
        limit=5,
        min_employees=1,
        max_employees=2,
        funding_stages=("Seed",),
        locations=("DEU",),
        search_type="semantic",
    )
    assert_type(search.query, str | None)
    assert_type(search.seed_domains, tuple[str, ...])
    assert_type(search.limit, int | None)
    assert_type(search.min_employees, int | None)
    assert_type(search.max_employees, int | None)
    assert_type(search.funding_stages, tuple[str, ...])
    assert_type(search.locations, tuple[str, ...])
    assert_type(search.search_type, str | None)


def answers(snapshot: JobSnapshot, page: JobPage, result: BulkResult) -> None:
    assert_type(snapshot.job_id, str)
    assert_type(snapshot.status, JobStatus)
    assert_type(snapshot.raw_status, str)
    assert_type(snapshot.manifest, Manifest | None)
    assert_type(snapshot.error_message, str | None)
    assert_type(snapshot.processed, int | None)
    assert_type(snapshot.progress_message, str | None)
    assert_type(page.snapshot, JobSnapshot)
    assert_type(page.label, str | None)
    assert_type(page.rows, tuple[Company, ...])
    assert_type(page.next_cursor, str | None)
    assert_type(result.status, JobStatus)
    assert_type(result.rows, tuple[Company, ...])
    assert_type(result.manifest, Manifest | None)


def money(receipt: CancelReceipt, manifest: Manifest, balance: CreditBalance) -> None:
    assert_type(receipt.job_id, str)
    assert_type(receipt.accepted, bool)
    assert_type(receipt.already_terminal, bool)
    assert_type(receipt.status, JobStatus)
    assert_type(receipt.message, str | None)
    assert_type(receipt.delivered, int | None)
    assert_type(receipt.credits_consumed, float | None)
    assert_type(receipt.requested_limit, int | None)
    assert_type(receipt.credits_avoided, float | None)
    assert_type(manifest.count, int | None)
    assert_type(manifest.pages, int | None)
    assert_type(manifest.page_size, int | None)
    assert_type(manifest.credits_consumed, float | None)
    assert_type(manifest.derived_query, str | None)
    assert_type(manifest.resolved_seed_domains, tuple[str, ...] | None)
    assert_type(manifest.unresolved_seed_domains, tuple[str, ...] | None)
    assert_type(manifest.rerank_degraded, bool | None)
    assert_type(manifest.partial, bool | None)
    assert_type(balance.total_credits, float)
    assert_type(balance.credits_used, float)
    assert_type(balance.credits_left, float)


def company_fields(company: Company) -> None:
    assert_type(company.name, str | None)
    assert_type(company.domain, str | None)
    assert_type(company.linkedin_url, str | None)
    assert_type(company.headquarters, str | None)
    assert_type(company.match_reason, str | None)
    assert_type(company.employee_count, int | None)
    assert_type(company.rerank_score, float | None)
    assert_type(company.funding_stage, str | None)
    assert_type(company.revenue_usd, int | None)
    assert_type(company.industries, tuple[str, ...] | None)
    assert_type(company.hq_city, str | None)
    assert_type(company.hq_region, str | None)
    assert_type(company.hq_country, str | None)
    assert_type(company.linkedin_follower_count, int | None)
    assert_type(company.description, str | None)
    assert_type(company.tagline, str | None)
    assert_type(company.extra, Mapping[str, Any])


def errors_branch(
    configuration: ConfigurationError,
    timeout: RequestTimeoutError | WaitTimeoutError,
    lost: RequestTimeoutError,
    status: AuthenticationError
    | JobNotFoundError
    | InsufficientCreditsError
    | RateLimitedError
    | ServerError,
    job: JobFailedError
    | JobCancelledError
    | CancelConflictError
    | IncompleteResultsError,
) -> tuple[ValueError, TimeoutError, TransportError, APIError, JobError]:
    errors: list[OpenFunnelError] = [configuration, timeout, lost, status, job]
    assert_type(errors, list[OpenFunnelError])
    return configuration, timeout, lost, status, job


def request_errors(
    transport: TransportError,
    invalid: InvalidResponseError,
    api: APIError,
    rejected: RequestRejectedError,
) -> None:
    assert_type(transport.request_sent, bool)
    assert_type(invalid.path, str)
    assert_type(api.status_code, int)
    assert_type(api.retry_after, float | None)
    assert_type(rejected.issues, tuple[ValidationIssue, ...])
    assert_type(rejected.issues[0].loc, tuple[str | int, ...])


def job_errors(unknown: SubmitOutcomeUnknownError, job: JobError) -> None:
    assert_type(unknown.search, LookalikeSearch)
    assert_type(unknown.accepted, bool)
    assert_type(unknown.job_id, str | None)
    assert_type(job.job_id, str)
    assert_type(job.snapshot, JobSnapshot | None)


async def books(client: OpenFunnel, search: LookalikeSearch) -> None:
    book = Book(Path("openfunnel.sqlite"))
    OpenFunnel(book=book)
    assert_type(Book.connect("sqlite:///book.sqlite"), Book)
    assert_type((book.place, book.address, book.is_shared), tuple[str, str, bool])
    assert_type(OpenFunnel("key", book=book).book_steps(), BookSteps)
    steps = OpenFunnel("key", book=book).book_steps()
    assert_type(await steps.submit_one("key"), Step)
    assert_type((await steps.sweep())[0].action, StepAction)
    assert_type(await client.submit(search, once="crm-1"), BulkJob)
    batch = await client.batch("q4", [search], max_credits=5.0, labels=["a", None])
    assert_type(batch, Batch)
    seen: list[BatchStatus] = []
    assert_type(await batch.run(max_active=2, on_progress=seen.append), BatchReport)
    assert_type(await batch.status(), BatchStatus)
    assert_type(await batch.cancel(wait=True), list[CancelReceipt])
    assert_type([row async for row in batch.rows()], list[Company])
    assert_type(await batch.searches(state=EntryState.UNKNOWN), list[BookEntry])
    assert_type(await book.batch("q4"), Batch)
    assert_type(await batch.skip_planned("enough"), None)
    assert_type(make_server(book, budget="agent", folder="lists"), Server[Any])
    assert_type(await book.batches(), list[BatchStatus])
    assert_type(await book.entries(batch="q4"), list[BookEntry])
    assert_type(await book.resolve("key", skip=True), BookEntry)
    assert_type(await book.check(), BookCheck)
    await batch.extend([search])
    await book.backup("copy.sqlite")
