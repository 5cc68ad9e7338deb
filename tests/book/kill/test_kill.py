"""A program that is killed at any moment buys its batch once; real processes."""

from pathlib import Path
from random import Random

import pytest

from tests.book.kill.harness import Figures, kill_until_bought

pytestmark = pytest.mark.anyio
_KILLS = 6


@pytest.mark.parametrize("cap", [None, 1200])
async def test_a_program_that_is_killed_again_and_again_buys_its_batch_once(
    tmp_path: Path, cap: int | None
) -> None:
    """Caught: the planted bug below; more kills by `python -m tests.book.kill`."""
    figures = Figures()
    rng = Random(f"a batch with a cap of {cap}")
    while figures.kills.total() < _KILLS:
        folder = tmp_path / str(figures.batches)
        folder.mkdir()
        verdict = await kill_until_bought(
            folder, rng, figures, searches=24, cap=cap, most_kills=_KILLS
        )
        assert figures.problems == []
        assert verdict.jobs + verdict.unknown >= 10
        assert cap is None or 0 < verdict.billed <= cap


async def test_a_book_that_forgets_its_intents_submits_twice(tmp_path: Path) -> None:
    """The control: the same kills, and the sweep plans lost submits again."""
    figures, rng = Figures(), Random("the control")
    while not figures.totals["doubled"] and figures.kills.total() < 40:
        folder = tmp_path / str(figures.batches)
        folder.mkdir()
        await kill_until_bought(
            folder,
            rng,
            figures,
            searches=12,
            cap=None,
            most_kills=6,
            options=("--forget-intents",),
        )
    assert figures.totals["doubled"] > 0
    assert any("was sent 2 times" in problem for problem in figures.problems)
