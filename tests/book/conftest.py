"""A Book whose transactions run on the event loop, for tests in virtual time."""

from pathlib import Path

import pytest

from tests.book.inline import run_inline


@pytest.fixture
def book_path(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each transaction on the loop: a clock that jumps waits for no thread."""
    run_inline(monkeypatch)
