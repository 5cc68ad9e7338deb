"""What other people read such an API with, each as its own documentation has it.

Their packages are the dependency group `bench`.
"""

import importlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
import openai
import pydantic

from tests.benchmarks.answers import address
from tests.benchmarks.blocks import Call, Client
from tests.benchmarks.clients import KEY

OPENAPI = Path(__file__).parents[1] / "contract" / "openapi.yaml"
_GENERATED = "generated_openfunnel"


@asynccontextmanager
async def httpx_json(origin: str) -> AsyncGenerator[Client]:
    """Read by httpx and its `json()`, dicts."""
    async with httpx.AsyncClient(headers={"X-API-Key": KEY}) as http:

        def client(job_id: str, cursor: str | None) -> Call:
            url = address(origin, job_id, cursor)

            async def call() -> object:
                return (await http.get(url)).json()

            return call

        yield client


class _Company(pydantic.BaseModel):
    name: str | None = None
    domain: str | None = None
    linkedin_url: str | None = None
    headquarters: str | None = None
    match_reason: str | None = None
    employee_count: int | None = None
    rerank_score: float | None = None
    funding_stage: str | None = None
    revenue_usd: int | None = None
    industries: list[str] | None = None
    hq_city: str | None = None
    hq_region: str | None = None
    hq_country: str | None = None
    linkedin_follower_count: int | None = None
    description: str | None = None
    tagline: str | None = None


class _Page(pydantic.BaseModel):
    job_id: str
    status: str
    manifest: dict[str, Any] | None = None
    error_message: str | None = None
    rows: list[_Company]
    page: str | None = None
    next_cursor: str | None = None
    processed: int | None = None
    progress_message: str | None = None


@asynccontextmanager
async def httpx_pydantic(origin: str) -> AsyncGenerator[Client]:
    """Read by httpx into a model of pydantic, validated."""
    async with httpx.AsyncClient(headers={"X-API-Key": KEY}) as http:

        def client(job_id: str, cursor: str | None) -> Call:
            url = address(origin, job_id, cursor)

            async def call() -> object:
                return _Page.model_validate_json((await http.get(url)).content)

            return call

        yield client


class _OpenAICompany(openai.BaseModel):
    name: str | None = None
    domain: str | None = None
    linkedin_url: str | None = None
    headquarters: str | None = None
    match_reason: str | None = None
    employee_count: int | None = None
    rerank_score: float | None = None
    funding_stage: str | None = None
    revenue_usd: int | None = None
    industries: list[str] | None = None
    hq_city: str | None = None
    hq_region: str | None = None
    hq_country: str | None = None
    linkedin_follower_count: int | None = None
    description: str | None = None
    tagline: str | None = None


class _OpenAIPage(openai.BaseModel):
    job_id: str
    status: str
    manifest: dict[str, Any] | None = None
    error_message: str | None = None
    rows: list[_OpenAICompany]
    page: str | None = None
    next_cursor: str | None = None
    processed: int | None = None
    progress_message: str | None = None


@asynccontextmanager
async def openai_base(origin: str) -> AsyncGenerator[Client]:
    """Read by the base client of the openai package, on which its methods stand."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=origin) as base:

        def client(job_id: str, cursor: str | None) -> Call:
            path = address("", job_id, cursor)

            async def call() -> object:
                return await base.get(path, cast_to=_OpenAIPage)

            return call

        yield client


class _Reads(Protocol):
    """What openapi-python-client generates for the read of a job."""

    def __call__(
        self, job_id: str, *, client: object, cursor: str | None, x_api_key: str
    ) -> Awaitable[object]: ...


@asynccontextmanager
async def generated(origin: str) -> AsyncGenerator[Client]:
    """Read by a client that openapi-python-client generates from the contract now."""
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder))
        sys.path.insert(0, folder)
        try:
            package = importlib.import_module(_GENERATED)
            name = f"{_GENERATED}.api.default.read_bulk_lookalikes"
            read = cast("_Reads", importlib.import_module(name).asyncio)
        finally:
            sys.path.remove(folder)
    async with package.Client(base_url=origin) as http:

        def client(job_id: str, cursor: str | None) -> Call:
            async def call() -> object:
                return await read(job_id, client=http, cursor=cursor, x_api_key=KEY)

            return call

        yield client


def _generate(folder: Path) -> None:
    """Generate; what it says of the parts it cannot generate is not for here."""
    # Its own formatting of what nobody reads is left out.
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n", encoding="utf-8")
    target = str(folder / _GENERATED)
    options = ["--meta", "none", "--config", str(config), "--output-path", target]
    program = [sys.executable, "-m", "openapi_python_client", "generate"]
    command = [*program, "--path", str(OPENAPI), *options]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- the generator
