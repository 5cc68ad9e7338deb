"""The how-to on testing one's own code: its program, run."""

import re

import pytest

from tests.docs.pages import DOCS, blocks
from tests.plugin.runs import passes, run

ASYNC, SYNC, BY_HAND = blocks(DOCS / "how-to" / "test-your-own-code.md", "python")
ANYIO = ("-p", "anyio.pytest_plugin")
ASYNCIO = ("-p", "pytest_asyncio.plugin")
LOOP_SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")


def test_the_tests_of_the_first_example_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ASYNC)
    assert passes(pytester, *ANYIO, tests=3)


def test_they_pass_as_they_are_under_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ASYNC.replace("pytest.mark.anyio", "pytest.mark.asyncio"))
    assert passes(pytester, *ASYNCIO, *LOOP_SCOPE, tests=3)


def test_they_fail_where_the_code_pays_for_everything(
    pytester: pytest.Pytester,
) -> None:
    taking = "taken = await job.take(wanted)"
    assert taking in ASYNC
    pytester.makepyfile(ASYNC.replace(taking, "taken = await job.result()"))
    run(pytester, *ANYIO).assert_outcomes(failed=2, passed=1)


def test_a_synchronous_test_with_a_client_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SYNC)
    assert passes(pytester, tests=1)


def test_time_by_hand(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(BY_HAND)
    assert passes(pytester, *ASYNCIO, *LOOP_SCOPE, tests=1)


def test_the_table_of_options_names_what_there_is(pytester: pytest.Pytester) -> None:
    page = (DOCS / "how-to" / "test-your-own-code.md").read_text(encoding="utf-8")
    marks = re.findall(
        r"^\| .* \| `((?:faults|lives|credits)=.*)` \|$", page, re.MULTILINE
    )
    assert len(marks) == 6
    tests = "".join(
        f"@pytest.mark.openfunnel({mark})\ndef test_{n}(openfunnel_client): ...\n"
        for n, mark in enumerate(marks)
    )
    imports = "import pytest\nfrom openfunnel_async.sandbox import *\n"
    pytester.makepyfile(imports + tests)
    assert passes(pytester, tests=6)
