"""The judge of what is built: a whole wheel and sdist pass, no other does."""

import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from tests.packaging.judge import (
    COMMANDS,
    FIELDS,
    PACKAGE,
    SINGLE,
    faults_between,
    faults_of_sdist,
    faults_of_wheel,
    read_sdist,
    read_tree,
    read_wheel,
)

ENTRY_POINTS = "\n".join(
    line
    for group, commands in COMMANDS.items()
    for line in [f"[{group}]", *(f"{name} = {to}" for name, to in commands.items())]
).encode()
METADATA = "".join(f"{name}: {value}\n" for name, value in FIELDS.items()).encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in [
        f"{PACKAGE}/__init__.py",
        f"{PACKAGE}/py.typed",
        "tests/test_it.py",
        "docs/page.md",
        ".ci/run",
        *SINGLE,
    ]:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    cached = root / PACKAGE / "__pycache__"
    cached.mkdir()
    (cached / "it.pyc").write_text("")
    return root


def wheel_of(root: Path) -> dict[str, bytes]:
    info = {
        "METADATA": METADATA,
        "RECORD": b"",
        "WHEEL": b"",
        "entry_points.txt": ENTRY_POINTS,
        "licenses/LICENSE": b"",
    }
    told = {f"info/{name}": content for name, content in info.items()}
    return {**read_tree(root, PACKAGE), **told}


def sdist_of(root: Path) -> dict[str, bytes]:
    return {**read_tree(root, "."), "PKG-INFO": METADATA}


def test_a_whole_wheel_passes(root: Path) -> None:
    assert list(faults_of_wheel(wheel_of(root), root)) == []


def test_a_whole_sdist_passes(root: Path) -> None:
    assert list(faults_of_sdist(sdist_of(root), root)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"tests/test_it.py": b""}, "tests/test_it.py does not belong there"),
        ({f"{PACKAGE}/__init__.py": b"old"}, "__init__.py has another content"),
        ({"info/licenses/LICENSE": None}, "info/licenses/LICENSE is missing"),
        ({f"{PACKAGE}/py.typed": None}, "no py.typed"),
        ({"info/entry_points.txt": b"[pytest11]\n"}, "its entry points are"),
        ({"info/METADATA": METADATA.replace(b"MIT", b"GPL")}, "License-Expression is"),
    ],
    ids=["too much", "stale", "no licence", "untyped", "no command", "metadata"],
)
def test_a_fault_of_a_wheel_is_told(
    root: Path, change: Mapping[str, bytes | None], fault: str
) -> None:
    changed = {**wheel_of(root), **change}
    wheel = {name: content for name, content in changed.items() if content is not None}
    told = list(faults_of_wheel(wheel, root))
    assert any(fault in line for line in told), told


@pytest.mark.parametrize("name", ["tests/test_it.py", "docs/page.md", ".ci/run"])
def test_what_the_tests_need_is_missed_in_an_sdist(root: Path, name: str) -> None:
    sdist = sdist_of(root)
    del sdist[name]
    assert list(faults_of_sdist(sdist, root)) == [f"{name} is missing"]


def test_two_wheels_that_differ(root: Path) -> None:
    wheel = wheel_of(root)
    assert list(faults_between(wheel, wheel)) == []
    other = wheel | {"info/WHEEL": b"Tag: other"}
    assert list(faults_between(wheel, other)) == ["info/WHEEL has another content"]


def test_archives_are_read_whole(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "openfunnel_async-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("openfunnel_async-1.0.dist-info/WHEEL", "Tag")
    assert read_wheel(path) == {"info/WHEEL": b"Tag"}
    path = tmp_path / "it-1.0.tar.gz"
    shutil.rmtree(root / PACKAGE / "__pycache__")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root, "it-1.0")
        empty = tarfile.TarInfo("it-1.0/PKG-INFO")
        tar.addfile(empty, BytesIO())
    assert read_sdist(path) == {**read_tree(root, "."), "PKG-INFO": b""}
