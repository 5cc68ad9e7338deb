"""The package's front door: what it promises a type checker and what it opens."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import openfunnel_async
from openfunnel_async import ServerError, ValidationIssue

ELSEWHERE = {"__version__"}
"""What is not fetched, because it costs nothing."""


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def imported_for_type_checkers() -> dict[str, set[str]]:
    assert openfunnel_async.__file__ is not None
    tree = ast.parse(Path(openfunnel_async.__file__).read_text(encoding="utf-8"))
    [branch] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for node in branch.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(branch.body)
    prefix = "openfunnel_async."
    return {
        str(node.module).removeprefix(prefix): {alias.name for alias in node.names}
        for node in imports
    }


def test_type_checkers_see_the_names_that_are_fetched() -> None:
    fetched = {
        module: set(names) for module, names in openfunnel_async._NAMES_OF.items()
    }
    assert imported_for_type_checkers() == fetched


def test_all_names_what_is_fetched_sorted_and_once() -> None:
    fetched = [name for names in openfunnel_async._NAMES_OF.values() for name in names]
    assert sorted([*fetched, *ELSEWHERE]) == openfunnel_async.__all__


@pytest.mark.parametrize("name", openfunnel_async.__all__)
def test_every_name_is_there(name: str) -> None:
    found: object = getattr(openfunnel_async, name)
    assert not isinstance(found, ModuleType)
    # Found once, it is asked for no more.
    assert vars(openfunnel_async)[name] is found


def test_dir_lists_what_was_not_yet_fetched() -> None:
    code = "import openfunnel_async as o; print(set(o.__all__) - set(dir(o)))"
    assert in_a_fresh_process(code) == "set()"


def test_a_star_brings_everything() -> None:
    code = (
        "from openfunnel_async import *\n"
        "import openfunnel_async\n"
        "print([name for name in openfunnel_async.__all__ if name not in globals()])"
    )
    assert in_a_fresh_process(code) == "[]"


def test_the_errors_are_there_after_a_plain_import() -> None:
    code = "import openfunnel_async as o; print(o.errors.APIError is o.APIError)"
    assert in_a_fresh_process(code) == "True"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    missing = "OpenFunel"
    with pytest.raises(AttributeError, match="has no attribute 'OpenFunel'"):
        getattr(openfunnel_async, missing)
    with pytest.raises(ImportError, match="cannot import name 'OpenFunel'"):
        exec(f"from openfunnel_async import {missing}")  # noqa: S102 -- our own words


@pytest.mark.parametrize(
    "value",
    [
        ValidationIssue(loc=("body", "limit"), msg="too big", type="less_than"),
        ServerError("the service is down", 503),
    ],
)
def test_a_pickle_opens_where_nothing_was_fetched(value: object) -> None:
    code = f"import pickle; print(repr(pickle.loads({pickle.dumps(value)!r})))"
    assert in_a_fresh_process(code) == repr(value)


def test_the_package_alone_brings_no_dependency() -> None:
    """Nothing but the standard library: an eager import of `errors` is seen here."""
    code = (
        "import sys, openfunnel_async\n"
        "print({'aiohttp', 'anyio', 'attr', 'cattrs'} & set(sys.modules))"
    )
    assert in_a_fresh_process(code) == "set()"
