"""The reference has every public name, each once."""

import re
from collections import Counter
from importlib import import_module

import pytest

from tests.docs.pages import DOCS

DESCRIBED = Counter(
    name
    for page in (DOCS / "reference").glob("*.md")
    for name in re.findall(
        r"^\.\. auto(?:class|exception|function|data):: ([\w.]+)",
        page.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)
MODULES = (
    "",
    ".agent_auth",
    ".book",
    ".export",
    ".mcp",
    ".progress",
    ".sandbox",
    ".workers",
)
MODULES_BY_NAME = (
    "agent_auth",
    "book",
    "errors",
    "export",
    "mcp",
    "progress",
    "sandbox",
    "workers",
)
# Described in words: the version; what a row of the sandbox is, a plain dict. Described
# as names of the package: two of the Book.
UNDESCRIBED = {
    "openfunnel_async.__version__",
    "openfunnel_async.book.Batch",
    "openfunnel_async.book.Book",
    "openfunnel_async.sandbox.Row",
    # Its own docstring is that of its class, which is Procrastinate's.
    "openfunnel_async.workers.blueprint",
    *(f"openfunnel_async.{name}" for name in MODULES_BY_NAME),
}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_described(module: str) -> None:
    """Caught: a new public class that no page has."""
    path = f"openfunnel_async{module}"
    names = {f"{path}.{name}" for name in import_module(path).__all__}
    assert names - UNDESCRIBED - DESCRIBED.keys() == set()


def test_no_name_is_described_twice() -> None:
    assert [name for name, times in DESCRIBED.items() if times > 1] == []
