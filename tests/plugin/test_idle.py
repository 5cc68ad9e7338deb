"""What a test run pays that has the plugin and does not use it."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from openfunnel_async import pytest_plugin
from tests.plugin.runs import run

ROOT = Path(__file__).parents[2]
HEAVY = {"aiohttp", "anyio", "asyncio", "attr", "cattrs"}
CODE = f"""
import sys
import pytest
pytest.main(["--disable-plugin-autoload", "-q", "-p", "{pytest_plugin.__name__}"])
print(sorted(name for name in sys.modules if name.startswith("openfunnel_async")))
print({HEAVY} & set(sys.modules))
"""


def test_an_idle_run_imports_two_small_modules(tmp_path: Path) -> None:
    """Planted and seen: an import of the sandbox at the top of the plugin."""
    done = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    *_, ours, heavy = done.stdout.splitlines()
    names = ["", "._version", ".pytest_plugin"]
    assert ours == repr([f"openfunnel_async{name}" for name in names])
    assert heavy == "set()"


def test_pytest_finds_the_plugin() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["entry-points"]["pytest11"]
    assert [import_module(module) for module in declared.values()] == [pytest_plugin]


def test_the_mark_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.openfunnel(**options): options of *"])
