"""The how-to on OpenTelemetry: its program, and which requests have a trace header."""

import json
import runpy
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from opentelemetry.util.http import get_excluded_urls

from openfunnel_async import BulkJob, LookalikeSearch, OpenFunnel, PollPolicy
from openfunnel_async.sandbox import JobLife, Sandbox, StatusFault
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program
from tests.support.connect_proxy import ForwardProxy

pytestmark = pytest.mark.anyio

PAGE = DOCS / "how-to" / "opentelemetry.md"
[PROGRAM] = blocks(PAGE, "python")
[COMMAND] = blocks(PAGE, "sh")
VARIABLE, _, VALUE = COMMAND.strip().removeprefix("export ").partition("=")
EXCLUDED = VALUE.strip("'")
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
ENDLESS = JobLife(queue=0, first_page_after=0, seconds_per_page=60, closing=60)
SEARCH = LookalikeSearch(query="voice AI", limit=100)


@attrs.frozen
class Tracing:
    """A provider whose spans stay in memory."""

    provider: TracerProvider = attrs.field(factory=TracerProvider)
    exporter: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)

    def __attrs_post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        spans = self.exporter.get_finished_spans()
        return [span for span in spans if span.name == name]

    def jobs(self) -> list[ReadableSpan]:
        return self.named("openfunnel.job")


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    made = Tracing()
    yield made
    made.provider.shutdown()


@pytest.fixture
def job_spans(tmp_path: Path, tracing: Tracing) -> Any:
    """The class of the page, over spans in memory."""
    script = tmp_path / "page.py"
    script.write_text(PROGRAM, encoding="utf-8")
    names = runpy.run_path(str(script))
    return names["JobSpans"](tracing.provider.get_tracer("test"))


def client_of(sandbox: Sandbox, **options: Any) -> OpenFunnel:
    return OpenFunnel(
        sandbox.api_key,
        base_url=sandbox.base_url,
        polling=PollPolicy.fixed(0.01),
        **options,
    )


async def test_the_program_prints_the_span_of_its_job(tmp_path: Path) -> None:
    async with Sandbox(lives=[AT_ONCE]) as sandbox:
        process = await run_program(PROGRAM, tmp_path, environment_of(sandbox))
        [job_id] = sandbox.jobs
    assert process.returncode == 0, process.stderr.decode()
    printed = process.stdout.decode().replace("}\n{", "},\n{")
    spans = {span["name"]: span for span in json.loads(f"[{printed}]")}
    job, parent = spans["openfunnel.job"], spans["buy leads"]
    assert job["parent_id"] == parent["context"]["span_id"]
    assert job["attributes"] == {
        "openfunnel.job_id": job_id,
        "openfunnel.limit": 100,
        "openfunnel.status": "completed",
        "openfunnel.delivered": 100,
        "openfunnel.credits_consumed": 100.0,
    }


async def test_each_job_has_a_span_under_the_one_that_submitted_it(
    job_spans: Any, tracing: Tracing
) -> None:
    """Caught: spans that are all under the one of the first submit."""
    tracer = tracing.provider.get_tracer("test")
    async with (
        Sandbox(lives=[AT_ONCE] * 2) as sandbox,
        client_of(sandbox, on_event=job_spans) as client,
    ):
        jobs = dict[str, BulkJob]()
        for name in ("a", "b"):
            with tracer.start_as_current_span(name):
                jobs[name] = await client.with_options(label=name).submit(SEARCH)
        assert tracing.jobs() == []
        await client.wait_all(jobs.values())
    assert len(tracing.jobs()) == 2
    for span in tracing.jobs():
        assert span.attributes is not None
        assert span.parent is not None
        label = str(span.attributes["openfunnel.label"])
        assert span.attributes["openfunnel.job_id"] == jobs[label].id
        [parent] = tracing.named(label)
        assert parent.context is not None
        assert span.parent.span_id == parent.context.span_id


async def test_a_failed_job_is_an_error_and_its_outage_a_step(
    job_spans: Any, tracing: Tracing
) -> None:
    life = attrs.evolve(AT_ONCE, rows=10, ends="failed")
    faults = [StatusFault(on="read", status=503)]
    async with (
        Sandbox(lives=[life], faults=faults) as sandbox,
        client_of(sandbox, on_event=job_spans) as client,
    ):
        await (await client.submit(SEARCH)).wait_until_terminal()
    [span] = tracing.jobs()
    assert span.status.status_code is StatusCode.ERROR
    assert "RequestFailed" in [step.name for step in span.events]


async def test_a_cancelled_job_has_its_bill_and_one_that_is_left_has_none(
    job_spans: Any, tracing: Tracing
) -> None:
    async with (
        Sandbox(lives=[ENDLESS, ENDLESS]) as sandbox,
        client_of(sandbox, on_event=job_spans) as client,
    ):
        first, left = [await client.submit(SEARCH) for _ in range(2)]
        receipt = await first.cancel(wait=True)
    [cancelled] = tracing.jobs()
    assert cancelled.attributes is not None
    assert cancelled.attributes["openfunnel.status"] == "cancelled"
    bill = cancelled.attributes["openfunnel.credits_consumed"]
    assert bill == receipt.credits_consumed
    assert "CancelAccepted" in [step.name for step in cancelled.events]
    job_spans.end_all()
    [_, other] = tracing.jobs()
    assert other.attributes is not None
    assert other.attributes["openfunnel.job_id"] == left.id
    assert "openfunnel.status" not in other.attributes


@contextmanager
def instrumented(tracing: Tracing) -> Generator[None]:
    """Instrument every aiohttp session of this process for a while."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=tracing.provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()


async def trace_headers(tracing: Tracing) -> list[str | None]:
    """Send a submit and a read under instrumentation; return their header."""
    with instrumented(tracing):
        async with Sandbox(lives=[AT_ONCE]) as sandbox, ForwardProxy() as proxy:
            async with client_of(sandbox, proxy=proxy.address()) as client:
                await client.submit(SEARCH)
                await client.credit_balance()
            return proxy.values("traceparent")


async def test_an_instrumented_process_sends_the_header_to_the_service(
    tracing: Tracing,
) -> None:
    submit, read = await trace_headers(tracing)
    assert submit is not None
    assert read is not None
    assert len(tracing.named("POST")) == 1


async def test_an_excluded_address_gets_no_header(
    tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, r"http://127\.0\.0\.1")
    assert await trace_headers(tracing) == [None, None]
    assert tracing.named("POST") == []


def test_the_command_of_the_page_excludes_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, EXCLUDED)
    excluded = get_excluded_urls("AIOHTTP_CLIENT")
    assert excluded.url_disabled("https://api.openfunnel.dev/api/v1/credits/balance")
    assert not excluded.url_disabled("https://api.example/")
