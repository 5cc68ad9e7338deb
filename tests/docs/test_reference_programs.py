"""The programs of the reference are run as they are."""

from pathlib import Path

import pytest

from openfunnel_async.sandbox import Sandbox
from tests.docs.pages import examples
from tests.docs.test_examples import AT_ONCE, run

pytestmark = pytest.mark.anyio

PAGES = {
    "reference/buy.md": "100.0 credits",
    "reference/events.md": "completed 100.0",
}
PROGRAMS = [each for each in examples() if each.is_program and each.page in PAGES]


def test_each_page_has_a_program() -> None:
    assert {program.page for program in PROGRAMS} == PAGES.keys()


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
async def test_it_prints_what_it_promises(number: int, tmp_path: Path) -> None:
    program = PROGRAMS[number]
    async with Sandbox(lives=[AT_ONCE]) as sandbox:
        assert PAGES[program.page] in await run(program, tmp_path, sandbox)
