"""Where requests go: to the documented paths of one origin, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from openfunnel_async import (
    APIError,
    ConfigurationError,
    InvalidResponseError,
    JobCheckpoint,
    OpenFunnel,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.sandbox import (
    EditedAnswer,
    JobLife,
    Redirect,
    Sandbox,
    SetCookie,
)
from tests.support import leftovers
from tests.support.documented import JOBS, strangers
from tests.support.figures import measured
from tests.support.hurried_time import HURRIED, AnyioBackend
from tests.support.leaks import Secret
from tests.support.raw_server import RawServer, refused_url, said
from tests.support.stage import SEARCH, Asked, fault, stage_for
from tests.wire.test_decision_table import KINDS

pytestmark = pytest.mark.anyio


def _nothing_strikes(*_: object) -> None:
    """Let all go well."""


nothing_left = leftovers.nothing_young_left

STATUSES = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
Moved = Literal[301, 302, 303, 307, 308]
HOSTILE_IDS: list[Any] = [
    "", ".", "..", "../../credits/balance", "a/b", "a/", "/a", "a?limit=1", "a#b",
    "a b",
    "%2e%2e", "a%2fb", "a\\b", "a\nb", "a\r\nX-Evil: 1", "a\0b", "a\u202eb", "\uff41bc",
    "@evil.example", "//evil.example", "x" * 129, "é", 5, 1.5, True, None, ["a"], {},
]  # fmt: skip
HOSTILE_URLS = [
    "http://api.openfunnel.dev", "http://127.0.0.1@evil.example", "https://a@b.example",
    "https://a:b@c.example", "http://localhost.evil.example", "http://127.0.0.1.nip.io",
    "http://0.0.0.0", "http://[::ffff:8.8.8.8]", "http://2130706433", "http://0x7f.1",
    "ftp://127.0.0.1", "file:///etc/passwd", "//127.0.0.1", "127.0.0.1:80", "https://",
    "https://a.example/v1//", "https://a.example?x", "https://a.example#x",
    "https://a b",
    "https://a.example\n", "https://a.example\\@b.example", "https://a.example:0",
    "https://a.example:99999", "https://a.example:", "https://é.example", "https://a..b",
    "https://[::1%25lo]", "javascript:alert(1)", "https://a.example/..",
]  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return HURRIED


@pytest.fixture
async def elsewhere() -> AsyncIterator[RawServer]:
    """Stand on another port of the same host, and be asked nothing."""
    async with RawServer(said()) as server:
        yield server
        assert server.connections == 0


def other_port(server: RawServer) -> str:
    return server.base_url


def other_path(_: RawServer) -> str:
    return "/api/v1/credits/balance"


def no_scheme(server: RawServer) -> str:
    return f"//127.0.0.1:{server.port}/"


def user_name(server: RawServer) -> str:
    return f"http://me:secret@127.0.0.1:{server.port}/"


def with_tls(server: RawServer) -> str:
    return f"https://127.0.0.1:{server.port}/"


@pytest.mark.parametrize(
    "location", [other_port, other_path, no_scheme, user_name, with_tls]
)
@STATUSES
async def test_no_redirect_is_followed(
    status: Moved, location: Callable[[RawServer], str], elsewhere: RawServer
) -> None:
    """Caught: `allow_redirects=True`."""
    strike = fault(Redirect, location=location(elsewhere), status=status)
    for kind in KINDS:
        async with stage_for(strike, kind) as stage:
            with pytest.raises((APIError, SubmitOutcomeUnknownError)):
                await stage.ask(kind)
            assert len(stage.sandbox.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_no_cookie_is_sent_back(kind: Asked) -> None:
    """Caught: aiohttp's own cookie jar."""
    strike = fault(SetCookie, cookie="who=you; Path=/; Domain=127.0.0.1")
    async with stage_for(strike, "any") as stage:
        for _ in range(3):
            await stage.ask("read")
        await stage.ask(kind)
        names = {name for seen in stage.sandbox.requests for name, _ in seen.headers}
    assert "cookie" not in names


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_environment_says_is_ignored(
    kind: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Caught: `trust_env=True`."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, refused_url())
        monkeypatch.setenv(name.upper(), refused_url())
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with stage_for(_nothing_strikes, kind) as stage:
        await stage.ask(kind)
        (seen,) = stage.sandbox.requests
    assert {"authorization", "proxy-authorization"}.isdisjoint(dict(seen.headers))


@pytest.mark.parametrize("job_id", HOSTILE_IDS, ids=ascii)
async def test_a_hostile_id_of_a_new_job_enters_no_url(job_id: Any) -> None:
    """Caught: the id taken as it is."""
    named = EditedAnswer(on="submit", edit=lambda body: body | {"job_id": job_id})
    async with (
        Sandbox(faults=[named]) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await client.submit(SEARCH)
        assert len(sandbox.requests) == 1
    assert (caught.value.accepted, caught.value.job_id) == (True, None)


@pytest.mark.parametrize("job_id", HOSTILE_IDS, ids=ascii)
async def test_a_hostile_id_of_a_caller_enters_no_url(job_id: Any) -> None:
    async with OpenFunnel("of_key") as client:
        with pytest.raises(ConfigurationError):
            client.job(job_id)
        with pytest.raises(ConfigurationError):
            client.resume(JobCheckpoint(job_id=job_id))


@pytest.mark.parametrize("page", ["../../credits/balance?x=", "a&limit=1", "a#b", "\0"])
async def test_a_hostile_cursor_stays_in_the_query(page: str) -> None:
    turned = EditedAnswer(on="read", edit=lambda body: body | {"next_cursor": page})
    async with (
        Sandbox(faults=[turned]) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        # Attached anew: one's own submit would survive a 404 for a while.
        job = client.job((await client.submit(SEARCH)).id)
        async with job.pages(follow=False) as pages:
            with pytest.raises((APIError, InvalidResponseError)):
                _ = [each async for each in pages]
        seen = sandbox.requests[-1]
    assert (seen.path, seen.query) == (f"{JOBS}/{job.id}", (("cursor", page),))


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_a_hostile_base_url_is_refused(url: str) -> None:
    secret = Secret("of_" + "0123456789abcdef" * 4)
    with pytest.raises(ConfigurationError) as caught:
        OpenFunnel(secret.text, base_url=url)
    assert secret.leaks_of(caught.value) == []


@pytest.mark.parametrize(
    "shape", ["https://{}@a.example", "https://a.example/{}", "{}"]
)
async def test_a_key_in_the_base_url_is_not_said_back(shape: str) -> None:
    secret = Secret("of_" + "0123456789abcdef" * 4)
    with pytest.raises(ConfigurationError) as caught:
        OpenFunnel(secret.text, base_url=shape.format(secret.text))
    assert not secret.shows_in(f"{caught.value!r} {caught.value}")


async def test_only_documented_requests_are_made() -> None:
    life = JobLife(queue=1, first_page_after=2, seconds_per_page=2)
    clock = asyncio.get_running_loop().time
    async with (
        Sandbox(clock=clock, plan=lambda _number, _limit: life) as sandbox,
        OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        await client.credit_balance()
        outcomes = await client.run_many([SEARCH] * 3, check_balance=True)
        async with client.running(SEARCH, on_exit="cancel") as job:
            await job.poll()
        await job.wait_until_terminal()
        seen, origin = sandbox.requests, sandbox.base_url
    assert [len(outcome.result.rows) for outcome in outcomes if outcome.result]
    assert {request.kind for request in seen} == {"submit", "read", "cancel", "balance"}
    outcome = f"of {len(seen)} requests off the origin, the paths or the key"
    measured(f"{len(strangers(seen, origin))} {outcome}")
    assert strangers(seen, origin) == []
