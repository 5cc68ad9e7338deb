"""Where a Book is, and its transactions on the event loop, for virtual time."""

from pathlib import Path

import pytest

from tests.book.inline import run_inline


@pytest.fixture
def book_path(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, book_path: Path) -> str:
    """Return an address for ``Book.connect()``, of each database."""
    if request.param == "sqlite":
        return f"sqlite:///{book_path}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each transaction on the loop: a clock that jumps waits for no thread."""
    run_inline(monkeypatch)
