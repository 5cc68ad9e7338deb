"""The fixtures in the test runs of others, each in a process of its own.

Warnings are errors in all of them. The planted bug was a client with the transport
that ships, which leaves a session open on the loop of a test: it fails every one.
"""

import pytest

from tests.plugin.runs import passes

STORY = """
import asyncio
from openfunnel_async import LookalikeSearch

SEARCH = LookalikeSearch(query="voice ai", limit=250)

{mark}
async def test_a_story(openfunnel_client, openfunnel_sandbox):
    job = await openfunnel_client.submit(SEARCH)
    assert len((await job.result()).rows) == 250
    assert openfunnel_sandbox.ledger.used == 250
    assert {{seen.key for seen in openfunnel_sandbox.requests}} == {{"right"}}

{mark}
async def test_what_is_left_in_the_air(openfunnel_client):
    job = await openfunnel_client.submit(SEARCH)
    waiting = asyncio.create_task(job.wait_until_terminal())
    async for company in job.rows():
        break

{mark}
async def test_a_client_that_is_closed(openfunnel_client):
    async with openfunnel_client as client:
        await client.submit(SEARCH)

{fixture}
async def job(openfunnel_client):
    job = await openfunnel_client.submit(SEARCH)
    yield job
    assert (await job.cancel(wait=True)).credits_consumed == 100

{mark}
@pytest.mark.openfunnel(lives=[JobLife(first_page_after=1, seconds_per_page=9e9)])
async def test_a_fixture_of_ones_own(job):
    async for company in job.rows():
        break
"""
IMPORTS = "import pytest\nfrom openfunnel_async.sandbox import JobLife\n"
ANYIO_ONLY = "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
ASYNCIO = "pytest_asyncio.plugin"
LOOP_SCOPE = "asyncio_default_fixture_loop_scope=function"


def story(mark: str, fixture: str) -> str:
    return IMPORTS + STORY.format(mark=mark, fixture=fixture)


def test_in_tests_that_anyio_runs(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(ANYIO_ONLY)
    pytester.makepyfile(story("@pytest.mark.anyio", "@pytest.fixture"))
    assert passes(pytester, "-p", "anyio.pytest_plugin", tests=4)


def test_in_tests_that_pytest_asyncio_runs(pytester: pytest.Pytester) -> None:
    text = story("@pytest.mark.asyncio", "@pytest_asyncio.fixture")
    pytester.makepyfile(f"import pytest_asyncio\n{text}")
    assert passes(pytester, "-p", ASYNCIO, "-o", LOOP_SCOPE, tests=4)


def test_in_tests_that_pytest_asyncio_finds(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(story("", "@pytest.fixture"))
    auto = ("-p", ASYNCIO, "-o", LOOP_SCOPE, "-o", "asyncio_mode=auto")
    assert passes(pytester, *auto, tests=4)


def test_in_a_module_of_tests_on_one_loop(pytester: pytest.Pytester) -> None:
    mark = "@pytest.mark.asyncio(loop_scope='module')"
    fixture = "@pytest_asyncio.fixture(loop_scope='module')"
    pytester.makepyfile(f"import pytest_asyncio\n{story(mark, fixture)}")
    assert passes(pytester, "-p", ASYNCIO, "-o", LOOP_SCOPE, tests=4)


def test_in_synchronous_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import urllib.request
        import pytest
        from openfunnel_async import (
            ConfigurationError, LookalikeSearch, OpenFunnel, PollPolicy
        )

        def test_on_one_loop_after_the_other(openfunnel_client, openfunnel_sandbox):
            search = LookalikeSearch(query="voice ai", limit=250)

            async def submit():
                return await openfunnel_client.submit(search)

            async def read(job_id):
                client = OpenFunnel(polling=PollPolicy.fixed(0.02))
                async with client:
                    return await client.job(job_id).result()

            job = asyncio.run(submit())
            with pytest.raises(ConfigurationError, match="one client for each event"):
                asyncio.run(job.poll())
            assert len(asyncio.run(read(job.id)).rows) == 250

        def test_with_a_client_that_is_not_ours(openfunnel_sandbox):
            url = openfunnel_sandbox.base_url + "/api/v1/credits/balance"
            headers = {"X-API-Key": openfunnel_sandbox.api_key}
            asked = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(asked) as answer:
                assert answer.status == 200
        """
    )
    assert passes(pytester, tests=2)


def test_in_test_cases_of_unittest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import unittest
        import pytest

        class TestClient(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def take(self, openfunnel_client):
                self.client = openfunnel_client

            async def test_balance(self):
                self.assertEqual((await self.client.credit_balance()).credits_used, 0)
        """
    )
    assert passes(pytester, tests=1)


def test_in_tests_that_run_side_by_side(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_balance(openfunnel_client, number):
            assert asyncio.run(openfunnel_client.credit_balance()).credits_used == 0
        """
    )
    assert passes(pytester, "-p", "xdist.plugin", "-n", "2", tests=6)
