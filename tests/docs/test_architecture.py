"""The map of the code names what is in the code."""

import re
from pathlib import Path

from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "openfunnel_async"
ROOMS = ("_client", "_job", "_protocol", "_transport", "_values", "book", "mcp")
# Names of modules to be written, and of files that are not in the repository.
OWN = {"NAME.py", "_transport/NAME.py"}


def in_code() -> set[str]:
    """Return the pieces of code of the page, pictures included."""
    return {*re.findall(r"`([^`\n]+)`", PAGE), *re.findall(r"[\w./]+\.py", PAGE)}


def exists(path: str) -> bool:
    """Whether there is such a file, in the root, in the package or in a room."""
    folders = (ROOT, PACKAGE, *(PACKAGE / room for room in ROOMS), ROOT / "tests")
    anywhere = (*(ROOT / "tests").glob(f"*/{path}"), *PACKAGE.rglob(path))
    return any((folder / path).exists() for folder in folders) or bool(anywhere)


def test_every_file_that_it_names_exists() -> None:
    """Caught: a module that was renamed, and the map that was not."""
    files = {
        text for text in in_code() if text.endswith((".py", ".md", ".toml", ".yaml"))
    }
    assert len(files) > 60
    assert [name for name in sorted(files - OWN) if not exists(name)] == []


def test_every_class_that_it_names_exists() -> None:
    """Caught: a class that was renamed."""
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = {name for text in in_code() for name in re.findall(r"^[A-Z]\w+", text)}
    assert len(named) > 40
    missing = [name for name in sorted(named) if not re.search(rf"\b{name}\b", code)]
    assert missing == []


def test_every_module_of_a_room_is_on_it() -> None:
    """Caught: a new module that nobody can find on the map."""
    for room in ROOMS:
        table = PAGE.partition(f"| `{room}/` | |")[2].partition("\n\n")[0]
        listed = set(re.findall(r"^\| `(\w+\.py)`", table, re.MULTILINE))
        assert listed == modules(PACKAGE / room)


def modules(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.py")} - {"__init__.py"}
