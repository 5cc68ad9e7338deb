"""The package's front door: what it promises a type checker and what it opens."""

import ast
import compileall
import pickle
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import openfunnel_async
from openfunnel_async import ServerError, ValidationIssue


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", dir(openfunnel_async))
def test_every_name_is_there(name: str) -> None:
    found: object = getattr(openfunnel_async, name)
    # Found once, it is not looked up again.
    assert vars(openfunnel_async)[name] is found


@pytest.mark.parametrize("name", dir(openfunnel_async))
def test_no_name_depends_on_the_layout(name: str) -> None:
    """Caught: a pickle, a traceback or a page that names a private module."""
    found: object = getattr(openfunnel_async, name)
    module = getattr(found, "__module__", "openfunnel_async")
    assert not re.search(r"\b_[a-z]", module)
    assert getattr(import_module(module), name, found) is found


def test_without_its_source_the_package_has_the_same_names(tmp_path: Path) -> None:
    """Caught: a program that ships bytecode alone and finds no name."""
    assert openfunnel_async.__file__ is not None
    copy = tmp_path / "openfunnel_async"
    shutil.copytree(Path(openfunnel_async.__file__).parent, copy)
    compileall.compile_dir(copy, legacy=True, quiet=2)
    for source in copy.rglob("*.py"):
        source.unlink()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import openfunnel_async as o; print(o.__file__, o.OpenFunnel, o.export)"
    )
    assert in_a_fresh_process(code).startswith(str(copy))


def test_a_module_is_there_without_a_further_import() -> None:
    code = "import openfunnel_async as o; print(o.export.to_file.__name__)"
    assert in_a_fresh_process(code) == "to_file"


def test_completion_shows_public_names_alone() -> None:
    code = "import openfunnel_async as o; print(dir(o) == o.__all__, *dir(o))"
    is_all, *names = in_a_fresh_process(code).split()
    assert is_all == "True"
    assert [name for name in names if name.startswith("_")] == ["__version__"]


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


def test_every_name_of_the_import_block_is_read() -> None:
    """Caught: an import in a form that the front door's pattern does not match."""
    assert openfunnel_async.__file__ is not None
    tree = ast.parse(Path(openfunnel_async.__file__).read_text(encoding="utf-8"))
    written = {
        alias.name
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert written
    assert written <= {*dir(openfunnel_async)}


def test_the_client_brings_no_part_that_it_may_never_need() -> None:
    """Caught: an import of one of them by a module of the client."""
    parts = ["_values.events", "_client.run_many", "_protocol.sign_up_replies", "book"]
    names = {f"openfunnel_async.{part}" for part in parts}
    code = (
        "import sys; from openfunnel_async import OpenFunnel; OpenFunnel('of_key')\n"
        f"print({names!r} & set(sys.modules))"
    )
    assert in_a_fresh_process(code) == "set()"


def test_a_client_whose_events_are_received_has_their_classes_at_once() -> None:
    """Caught: an import in the middle of a submit, where it might fail."""
    code = (
        "import sys; from openfunnel_async import OpenFunnel\n"
        "OpenFunnel('of_key', on_event=print)\n"
        "print('openfunnel_async._values.events' in sys.modules)"
    )
    assert in_a_fresh_process(code) == "True"
