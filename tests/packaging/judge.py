"""What a wheel and an sdist must hold, and nothing beside it.

An archive is a mapping of names to bytes here, so that it can be judged without one.
"""

import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from email.parser import BytesParser
from pathlib import Path

Files = Mapping[str, bytes]

PACKAGE = "openfunnel_async"
# What is in an sdist beside the package; the tests hold pages and .ci to account.
FOLDERS = (PACKAGE, "tests", "docs", ".ci")
SINGLE = (
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "noxfile.py",
    "pyproject.toml",
)
COMMANDS = {
    "console_scripts": {"openfunnel-async": f"{PACKAGE}.cli:main"},
    "pytest11": {PACKAGE: f"{PACKAGE}.pytest_plugin"},
}
FIELDS = {
    "Name": "openfunnel-async",
    "License-Expression": "MIT",
    "License-File": "LICENSE",
    "Requires-Python": ">=3.11",
    "Description-Content-Type": "text/markdown",
}


def read_wheel(path: Path) -> Files:
    """Read a wheel, its own folder of metadata under the name ``info``."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    folder = "-".join(path.name.split("-")[:2]) + ".dist-info/"
    return {name.replace(folder, "info/"): content for name, content in found.items()}


def read_sdist(path: Path) -> Files:
    """Read an sdist without the folder that holds all of it."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None:
                found[member.name.partition("/")[2]] = file.read()
    return found


def read_tree(root: Path, *folders: str) -> Files:
    """Read what a person wrote into the folders."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def faults_of_wheel(wheel: Files, root: Path) -> Iterator[str]:
    """Say what is wrong with a wheel of the tree at ``root``."""
    info = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    wanted = dict.fromkeys(f"info/{name}" for name in info)
    yield from _differences(wheel, {**wanted, **read_tree(root, PACKAGE)})
    if f"{PACKAGE}/py.typed" not in wheel:
        yield "type checkers do not see that it has types: no py.typed"
    parser = ConfigParser()
    parser.read_string(wheel.get("info/entry_points.txt", b"").decode())
    commands = {name: dict(parser[name]) for name in parser.sections()}
    if commands != COMMANDS:
        yield f"its entry points are {commands}"
    metadata = BytesParser().parsebytes(wheel.get("info/METADATA", b""))
    for name, value in FIELDS.items():
        if metadata.get_all(name) != [value]:
            yield f"{name} is {metadata.get_all(name)}, not {value}"


def faults_of_sdist(sdist: Files, root: Path) -> Iterator[str]:
    """Say what is wrong with an sdist of the tree at ``root``."""
    single = {name: (root / name).read_bytes() for name in SINGLE}
    wanted = {**read_tree(root, *FOLDERS), **single, "PKG-INFO": None}
    yield from _differences(sdist, wanted)


def faults_between(wheel: Files, other: Files) -> Iterator[str]:
    """Say in what two wheels of one tree differ."""
    yield from _differences(wheel, other)


def _differences(found: Files, wanted: Mapping[str, bytes | None]) -> Iterator[str]:
    """Compare names, and contents where they are known."""
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} does not belong there"
        elif wanted[name] not in (None, found[name]):
            yield f"{name} has another content"
